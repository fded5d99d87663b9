"""Where the raw counts of an AnnData are, and the proof that they are counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.data.genes import GenePanel
from cellclassifier.data.inversion import invert_log1p
from cellclassifier.errors import CountsError, InputError
from cellclassifier.labels import shown

COUNTS_LAYER = "counts"
BLOCK_CELLS = 4096
# float32 holds every whole number up to here
MAX_COUNT = 2**24

FIX = (
    "Keep raw counts beside other values: adata.layers['counts'] = adata.X.copy() before "
    'normalising, or name their layer: layer="…" (--layer on the command line)'
)


@dataclass(frozen=True, eq=False)
class RawCounts:
    """Raw counts of all measured genes.

    Parameters
    ----------
    counts
        Shape (n_cells, n_measured), CSR, float32, whole and non-negative.
    library_size
        Shape (n_cells,): counts of each cell over all measured genes.
    genes
        The measured genes, in column order.
    cell_names
        Shape (n_cells,).
    evidence
        Where the counts were found and what proves them, in words.
    """

    counts: sparse.csr_matrix
    library_size: npt.NDArray[np.float64]
    genes: GenePanel
    cell_names: pd.Index
    evidence: str

    def __len__(self) -> int:
        return len(self.cell_names)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> "RawCounts":
        """Return the cells of the given rows, in that order."""
        return RawCounts(
            self.counts[rows],
            self.library_size[rows],
            self.genes,
            self.cell_names[rows],
            self.evidence,
        )

    def blocks(self, block_cells: int = BLOCK_CELLS) -> Iterator["RawCounts"]:
        """Yield blocks of consecutive cells; a reader from disk has the same shape."""
        for start in range(0, len(self), block_cells):
            yield self[start : start + block_cells]


@dataclass(frozen=True, eq=False)
class _Place:
    """A matrix of an AnnData that may hold counts."""

    name: str
    values: sparse.csr_matrix
    var: pd.DataFrame


def find_counts(
    cells: ad.AnnData,
    *,
    layer: str | None = None,
    library_size_key: str | None = None,
    gene_ids: str | None = None,
) -> RawCounts:
    """Find the raw counts, or recover them where that can be proved, or refuse.

    Looked through in this order: `layer` alone where it is named; else ``layers["counts"]``, ``X``,
    ``raw``. The first place with whole non-negative numbers is taken; if there is none, the
    first one whose values are provably log1p of counts per constant.

    Parameters
    ----------
    cells
        Is not changed.
    layer
        The layer to use, and no other place.
    library_size_key
        The column of ``obs`` with each cell's counts over all genes, for data that was cut down to
        some genes.
    gene_ids
        The column of ``var`` with the gene names or ids.

    Raises
    ------
    CountsError
        There are no counts, and none can be proved; the message goes through the places.
    InputError
        There are no cells or no genes, or a layer or column named is not there.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> raw = find_counts(anndata.AnnData(np.array([[1.0, 4.0], [0.0, 2.0]], dtype="float32")))
    >>> raw.evidence, raw.library_size.tolist()
    ('raw counts in X', [5.0, 2.0])
    """
    _refuse_empty(cells)
    library_size = _given_library_size(cells, library_size_key)
    refused: list[_Place] = []
    problems: list[str] = []
    for place in _places(cells, layer):
        problem = _not_whole(place.values)
        if problem is None:
            return _taken_as_counts(place, cells, library_size, gene_ids)
        refused.append(place)
        problems.append(f"{place.name} {problem}")
    for number, place in enumerate(refused):
        if not _is_invertible_kind(place.values):
            continue
        try:
            inversion = invert_log1p(place.values, library_size)
        except CountsError as error:
            problems[number] += f"; {error}"
            continue
        rounded = f" rounded to {inversion.decimals} decimals" if inversion.decimals else ""
        evidence = (
            f"{place.name} is log1p of counts per {inversion.counts_per_cell:,.10g}{rounded}, "
            "undone exactly: every value came out whole"
        )
        if library_size is not None:
            _check_library_size(library_size, inversion.counts, place, cells.obs_names)
        return _raw_counts(
            inversion.counts, inversion.library_size, place, cells.obs_names, evidence, gene_ids
        )
    raise CountsError(f"no raw counts were found: {'; '.join(problems)}. {FIX}")


def _refuse_empty(cells: ad.AnnData) -> None:
    if cells.n_obs == 0 or cells.n_vars == 0:
        raise InputError(
            f"there is nothing to read: {cells.n_obs} cells and {cells.n_vars} genes; "
            "at least one of each is needed"
        )


def _given_library_size(
    cells: ad.AnnData, library_size_key: str | None
) -> npt.NDArray[np.float64] | None:
    if library_size_key is None:
        return None
    if library_size_key not in cells.obs:
        raise InputError(
            f"there is no column '{library_size_key}' in .obs; it has {shown(cells.obs.columns)}"
        )
    column = cells.obs[library_size_key]
    if not pd.api.types.is_numeric_dtype(column):
        raise InputError(
            f".obs['{library_size_key}'] holds {shown(column.head(3))}, not counts a cell"
        )
    library_size = np.asarray(column, dtype=np.float64)
    if not np.all(np.isfinite(library_size)) or np.any(library_size <= 0):
        raise InputError(
            f".obs['{library_size_key}'] has values that are missing, zero or negative; "
            "a library size is the number of counts of a cell"
        )
    return library_size


def _places(cells: ad.AnnData, layer: str | None) -> Iterator[_Place]:
    if layer is not None:
        if layer not in cells.layers:
            raise InputError(f"there is no layer '{layer}'; there are {shown(cells.layers)}")
        yield _Place(f"layers['{layer}']", _to_csr(cells.layers[layer]), cells.var)
        return
    if COUNTS_LAYER in cells.layers:
        yield _Place(f"layers['{COUNTS_LAYER}']", _to_csr(cells.layers[COUNTS_LAYER]), cells.var)
    if cells.X is not None:
        yield _Place("X", _to_csr(cells.X), cells.var)
    if cells.raw is not None:
        yield _Place("raw.X", _to_csr(cells.raw.X), _raw_var(cells))


def _raw_var(cells: ad.AnnData) -> pd.DataFrame:
    """Return the genes of ``raw``, with what ``var`` knows about those that it still has."""
    raw_var: pd.DataFrame = cells.raw.var
    if not (cells.var_names.is_unique and raw_var.index.is_unique and len(cells.var.columns)):
        return raw_var
    known = cells.var.reindex(raw_var.index)
    return raw_var.combine_first(known).loc[raw_var.index]


def _to_csr(matrix: Any) -> sparse.csr_matrix:  # noqa: ANN401  (dense, sparse, or a view of a file)
    """Return any matrix of an AnnData as CSR with explicit zeros removed."""
    if hasattr(matrix, "to_memory"):
        matrix = matrix.to_memory()
    try:
        values: sparse.csr_matrix = sparse.csr_matrix(matrix)
    except (TypeError, ValueError) as error:
        raise CountsError(f"the matrix cannot be read as numbers: {error}") from error
    if not np.issubdtype(values.dtype, np.number):
        raise CountsError(f"the matrix holds {values.dtype}, not numbers")
    if not values.has_canonical_format or not values.data.all():
        values = values.copy()  # it may share its arrays with the user's matrix
        values.sum_duplicates()
        values.eliminate_zeros()
    return values


def _not_whole(values: sparse.csr_matrix) -> str | None:
    """Say why the values cannot be counts, or None where they can."""
    data = values.data
    bad = ~np.isfinite(data)
    if bad.any():
        return f"has {int(bad.sum()):,} values that are NaN or infinite"
    if data.size and data.min() < 0:
        return f"has negative values down to {data.min():.4g}: it was scaled or centred"
    fractions = data[data != np.rint(data)]
    if fractions.size:
        return (
            f"has values that are not whole, such as {[float(f'{x:.4g}') for x in fractions[:3]]}"
        )
    if data.size and data.max() > MAX_COUNT:
        return f"has values up to {data.max():.4g}, too large for counts (at most {MAX_COUNT:,})"
    return None


def _is_invertible_kind(values: sparse.csr_matrix) -> bool:
    data = values.data
    return bool(data.size and np.all(np.isfinite(data)) and data.min() >= 0)


def _taken_as_counts(
    place: _Place,
    cells: ad.AnnData,
    given: npt.NDArray[np.float64] | None,
    gene_ids: str | None,
) -> RawCounts:
    if given is not None:
        _check_library_size(given, place.values, place, cells.obs_names)
    library_size = _measured(place.values) if given is None else given
    evidence = f"raw counts in {place.name}"
    return _raw_counts(place.values, library_size, place, cells.obs_names, evidence, gene_ids)


def _measured(counts: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    return np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()


def _check_library_size(
    given: npt.NDArray[np.float64], counts: sparse.csr_matrix, place: _Place, cell_names: pd.Index
) -> None:
    measured = _measured(counts)
    if np.any(given < measured):
        worst = int(np.argmax(measured - given))
        raise InputError(
            f"the library size of cell '{cell_names[worst]}' is given as {given[worst]:g}, "
            f"but its counts in {place.name} already add up to {measured[worst]:g}"
        )


def _raw_counts(
    counts: sparse.csr_matrix,
    library_size: npt.NDArray[np.float64],
    place: _Place,
    cell_names: pd.Index,
    evidence: str,
    gene_ids: str | None,
) -> RawCounts:
    empty = np.flatnonzero(library_size == 0)
    if len(empty):
        raise InputError(
            f"{len(empty):,} cells have no counts at all, such as {shown(cell_names[empty[:3]])}; "
            "remove them first: scanpy.pp.filter_cells(adata, min_counts=1)"
        )
    genes = GenePanel.of_var(place.var, gene_ids)
    return RawCounts(
        counts.astype(np.float32, copy=False), library_size, genes, cell_names, evidence
    )
