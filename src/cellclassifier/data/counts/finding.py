"""The search for raw counts."""

from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier.data.counts.cells import Floats
from cellclassifier.data.counts.diagnosis import looks_estimated, scaled_total
from cellclassifier.data.counts.integers import seen_instead_of_counts
from cellclassifier.data.counts.inversion import Inversion, invert
from cellclassifier.data.counts.libraries import LibrarySizes, LibrarySizeUnknownError, total_counts
from cellclassifier.data.counts.matrices import in_order, to_rows, without_zeros
from cellclassifier.data.counts.one_pass import totals_of_counts
from cellclassifier.data.counts.places import RAW, Place, places_of
from cellclassifier.data.counts.raw import RawCounts
from cellclassifier.data.counts.scanning import Scan, refusal
from cellclassifier.data.genes import GenePanel, check_orientation
from cellclassifier.data.merging import merge_duplicates
from cellclassifier.errors import CountsError, InputError
from cellclassifier.labels import shown

FIX = (
    "Keep raw counts beside other values: adata.layers['counts'] = adata.X.copy() before "
    'normalising, or name their layer: layer="…" (--layer on the command line)'
)
ALLOW = "allow_non_integer=True (--allow-non-integer on the command line)"


@dataclass(frozen=True, eq=False)
class Found:
    """Counts, in what place, and what made counts of its values: nothing, where both are unset."""

    counts: sparse.csr_matrix
    library_size: Floats
    place: Place
    evidence: str
    inversion: Inversion | None = None
    is_estimated: bool = False


@dataclass(eq=False)
class _Refused:
    """Values that are no counts as they are, and why."""

    place: Place
    values: sparse.csr_matrix | None  # None: nothing can be made of them
    problem: str

    def add(self, problem: str) -> None:
        self.problem += f"; {problem}"


def find_counts(
    cells: ad.AnnData,
    *,
    layer: str | None = None,
    library_size_key: str | None = None,
    gene_ids: str | None = None,
    allow_non_integer: bool = False,
) -> RawCounts:
    """Find the raw counts, or recover them where that can be proved, or refuse.

    Looked through in this order: `layer` alone where it is named; else ``raw`` where it has more
    genes than the rest, ``layers["counts"]``, ``X``, ``raw``. The first place with whole
    non-negative numbers that can be counts is taken. If there is none, the first one whose values
    are provably counts under a logarithm (natural, to base 2 or 10, of 1 + x), a square root or
    neither, not scaled or scaled to the same total in each cell.

    Each cell is proved by itself, so that names of cells may stand twice. What no values can show:
    a cell whose counts have a common divisor comes back divided by it, unless library sizes are
    given.

    Parameters
    ----------
    cells
        Is not changed.
    layer
        The layer to use, and no other place.
    library_size_key
        The column of ``obs`` with each cell's counts over all genes, for data that was cut down to
        some genes; or ``"genes_present"``, to say that it was not: then library sizes are the sums
        of the counts, whatever ``obs`` says, and each cell may have been scaled by a factor of its
        own.
    gene_ids
        The column of ``var`` with the gene names or ids.
    allow_non_integer
        Take estimates of counts that are not whole, such as those of SoupX, CellBender, salmon or
        kallisto, as they are, where there are no counts.

    Raises
    ------
    CountsError
        There are no counts, and none can be proved; the message goes through the places. Or there
        are, but genes are missing of which ``obs`` seems to know.
    InputError
        There are no cells or no genes, cells have no counts, a layer or column named is not there,
        or the rows are genes.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> raw = find_counts(anndata.AnnData(np.array([[1.0, 4.0], [0.0, 2.0]], dtype="float32")))
    >>> raw.evidence, raw.library_size.tolist()
    ('raw counts in X', [5.0, 2.0])
    """
    found = search_counts(
        cells,
        layer=layer,
        library_size_key=library_size_key,
        allow_non_integer=allow_non_integer,
    )
    return _raw_counts(found, cells, gene_ids)


def search_counts(
    cells: ad.AnnData,
    *,
    layer: str | None = None,
    library_size_key: str | None = None,
    allow_non_integer: bool = False,
) -> Found:
    """Do what `find_counts` does, but for the genes; what it found holds for some of many cells."""
    if cells.n_obs == 0 or cells.n_vars == 0:
        raise InputError(
            f"there is nothing to read: {cells.n_obs} cells and {cells.n_vars} genes; "
            "at least one of each is needed"
        )
    library_sizes = LibrarySizes.of(cells, library_size_key)
    places = list(places_of(cells, layer))
    refused: list[_Refused] = []
    found = (
        _in_larger_raw(cells, places, library_sizes)
        or _raw(cells, places, library_sizes, refused)
        or _recovered(cells, library_sizes, refused)
    )
    if found is None:
        found = _estimated(cells, library_sizes, refused, allowed=allow_non_integer)
    if found is None:
        problems = "; ".join(f"{one.place.name} {one.problem}" for one in refused)
        raise CountsError(f"no raw counts were found: {problems or 'there is no matrix'}. {FIX}")
    return found


def _in_larger_raw(
    cells: ad.AnnData, places: list[Place], library_sizes: LibrarySizes
) -> Found | None:
    """Return the counts of ``raw`` where it has more genes than the other places.

    These were cut down to some genes then, and their sums are no library sizes.
    """
    larger = [place for place in places if place.name == RAW and len(place.var) > cells.n_vars]
    if not larger or len(places) == 1:
        return None
    refused: list[_Refused] = []
    try:
        found = _raw(cells, larger, library_sizes, refused)
        return found or _recovered(cells, library_sizes, refused)
    except CountsError:
        return None


def _raw(
    cells: ad.AnnData, places: list[Place], library_sizes: LibrarySizes, refused: list[_Refused]
) -> Found | None:
    """Return the first place with counts as they are, noting why the places before it are not."""
    for place in places:
        try:
            values = to_rows(place.matrix())
        except CountsError as error:
            refused.append(_Refused(place, None, f"cannot be used: {error}"))
            continue
        values, total, scan = _looked_through(values)
        problem = refusal(scan, values) if scan else None
        problem = problem or seen_instead_of_counts(values)
        if problem is None:
            library_size = library_sizes.of_counts(total, place.name, cells.obs_names)
            return Found(values, library_size, place, f"raw counts in {place.name}")
        may_be_undone = scan is not None and scan.may_be_undone
        refused.append(_Refused(place, values if may_be_undone else None, problem))
    return None


def _looked_through(values: sparse.csr_matrix) -> tuple[sparse.csr_matrix, Floats, Scan | None]:
    """Return values in order, the sum of each row, and what they are; None for counts."""
    total = totals_of_counts(values)
    if total is not None:
        values.has_canonical_format = True
        return values, total, None
    values = in_order(values)
    scan = Scan.of(values)
    if scan.smallest <= 0 <= scan.largest and values.nnz:
        values = without_zeros(values)
    return values, total_counts(values), scan


def _recovered(
    cells: ad.AnnData, library_sizes: LibrarySizes, refused: list[_Refused]
) -> Found | None:
    """Return the first place whose values are provably a transform of counts."""
    for one in refused:
        if one.values is None:
            continue
        try:
            inversion = invert(one.values, library_sizes)
        except CountsError as error:
            one.add(str(error))
            if isinstance(error, LibrarySizeUnknownError) and not error.is_scaled_only:
                one.values = None  # counts under a logarithm are no estimates of counts
            continue
        library_sizes.of_counts(inversion.measured, one.place.name, cells.obs_names)
        evidence = f"{one.place.name} is {inversion}, undone exactly: every value came out whole"
        return Found(
            inversion.counts, inversion.library_size, one.place, evidence, inversion=inversion
        )
    return None


def _estimated(
    cells: ad.AnnData, library_sizes: LibrarySizes, refused: list[_Refused], *, allowed: bool
) -> Found | None:
    """Return the first place with what may be estimates of counts, or advise to allow them."""
    for one in refused:
        if one.values is None:
            continue
        problem = scaled_total(one.values)
        if problem is not None:
            one.add(problem)
        elif allowed:
            library_size = library_sizes.of_counts(
                total_counts(one.values), one.place.name, cells.obs_names
            )
            evidence = f"estimated counts in {one.place.name}, not whole, taken as they are"
            return Found(one.values, library_size, one.place, evidence, is_estimated=True)
        elif looks_estimated(one.values):
            one.add(
                "if they are counts corrected for ambient RNA or estimated (SoupX, CellBender, "
                f"salmon, kallisto), pass {ALLOW}"
            )
    return None


def _raw_counts(found: Found, cells: ad.AnnData, gene_ids: str | None) -> RawCounts:
    genes = GenePanel.of_var(found.place.var, gene_ids)
    check_orientation(cells.obs_names, genes)
    check_not_empty(found.library_size, cells.obs_names)
    counts, genes = merge_duplicates(found.counts.astype(np.float32, copy=False), genes)
    return RawCounts(counts, found.library_size, genes, cells.obs_names, found.evidence)


def check_not_empty(library_size: Floats, cell_names: pd.Index) -> None:
    """Refuse cells without any counts.

    Raises
    ------
    InputError
        There are such cells.
    """
    empty = np.flatnonzero(library_size == 0)
    if len(empty):
        raise InputError(
            f"{len(empty):,} cells have no counts at all, such as {shown(cell_names[empty[:3]])}; "
            "remove them first: scanpy.pp.filter_cells(adata, min_counts=1)"
        )
