"""From a name in the catalogue to one file of cells with labels."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd
import pooch

from cellclassifier.archives import extract_files
from cellclassifier.data import TENX_FILES, read_tenx_folder, write_cells
from cellclassifier.errors import FileFormatError, InputError, OutputError
from cellclassifier.fetching.cache import Cache, Downloads
from cellclassifier.fetching.catalogue import CellSet, SourceFile, read_catalogue
from cellclassifier.fetching.progress import Watcher, watch_nothing
from cellclassifier.files import check_writable
from cellclassifier.labels import shown

LABELS_KEY = "cell_type"
BARCODE_KEY = "barcode"
SOURCE_KEY = "source"


@dataclass(frozen=True)
class FetchedCells:
    """What a fetch wrote.

    Parameters
    ----------
    path
        The file.
    n_genes
        How many genes it has.
    n_cells
        How many cells by label; by the name of the file where there are no labels.
    too_few
        The labels of which there are fewer cells than were asked for.
    """

    path: Path
    n_genes: int
    n_cells: dict[str, int]
    too_few: tuple[str, ...]

    def __str__(self) -> str:
        """Return what was written, and what was not to be had."""
        total = sum(self.n_cells.values())
        lines = [
            f"all {self.n_cells[label]:,} cells of {label} were taken: there are no more"
            for label in self.too_few
        ]
        types = f" of {len(self.n_cells)} types" if len(self.n_cells) > 1 else ""
        return "\n".join([*lines, f"{total:,} cells{types}, {self.n_genes:,} genes"])


@dataclass(frozen=True, eq=False)
class _Population:
    """The cells that were taken of one file."""

    source: SourceFile
    cells: ad.AnnData
    n_available: int
    sha256: str

    @property
    def label(self) -> str:
        return self.source.label or self.source.name


def fetch_cells(
    name: str,
    out: str | Path,
    *,
    cells_per_type: int | Literal["all"] | None = None,
    seed: int = 0,
    catalogue: str | Path | None = None,
    downloads: Downloads | None = None,
    watch: Watcher = watch_nothing,
) -> FetchedCells:
    """Download a published set of cells, check it, and write it to one ``.h5ad`` file.

    Parameters
    ----------
    name
        A set of the catalogue, such as ``zheng-sorted``.
    out
        The folder to write ``NAME.h5ad`` to, made where it is missing. The file holds raw counts
        in ``X``; ``obs["cell_type"]`` where the set has labels, and ``obs["barcode"]``;
        ``var["gene_symbol"]`` and ``var["ensembl_id"]``; citation, licence, addresses and hashes
        in ``uns["source"]``.
    cells_per_type
        How many cells of each type to draw, or ``"all"``; without it, what the catalogue says:
        2,000 for ``zheng-sorted``.
    seed
        Of the draw. A population's draw does not depend on the others.
    catalogue
        A TOML file with sets of your own.
    downloads
        The cache, and how it is filled.
    watch
        Called as bytes come.

    Raises
    ------
    InputError
        There is no such set, or the catalogue or an argument is wrong.
    DownloadError
        A file cannot be had, or is not the one that was recorded at the first download.
    FileFormatError
        A file is broken or unsafe, or its genes are not those expected.
    OutputError
        The folder or the cache cannot be written.

    Examples
    --------
    >>> fetch_cells("zheng", "data")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: there is no set 'zheng'; known are ['fresh-68k-pbmc-donor-a',
    'zheng-sorted'] ...
    """
    cell_set = _chosen(name, catalogue)
    n_wanted = _n_wanted(cell_set, cells_per_type)
    if seed < 0:
        raise InputError(f"a seed is a whole number from 0 on, it is not {seed}")
    cache = Cache(downloads or Downloads(), watch)
    cache.check_at_hand(cell_set)
    path = _output_path(cell_set, Path(out))
    populations: list[_Population] = []
    with cache.in_use():
        for source in cell_set.files:
            populations.append(_take(cache, cell_set, source, n_wanted, seed, path.parent))
            _check_genes(populations[0], populations[-1])
    write_cells(_joined(cell_set, populations, seed), path)
    return FetchedCells(
        path,
        populations[0].cells.n_vars,
        {population.label: population.cells.n_obs for population in populations},
        tuple(
            population.label
            for population in populations
            if n_wanted is not None and population.n_available < n_wanted
        ),
    )


def _chosen(name: str, catalogue: str | Path | None) -> CellSet:
    sets = read_catalogue(catalogue)
    if name not in sets:
        raise InputError(
            f"there is no set '{name}'; known are {shown(sorted(sets))} (cellclassifier fetch "
            "--list shows them, --catalogue FILE adds yours)"
        )
    return sets[name]


def _n_wanted(cell_set: CellSet, cells_per_type: int | Literal["all"] | None) -> int | None:
    if cells_per_type is None:
        return cell_set.cells_per_type
    if cells_per_type == "all":
        return None
    if not cell_set.is_labelled:
        raise InputError(
            f"'{cell_set.name}' has no labels, so that there are no cells a type to choose; leave "
            "out --cells-per-type"
        )
    if cells_per_type < 1:
        raise InputError(f"at least one cell of each type is needed, not {cells_per_type}")
    return cells_per_type


def _output_path(cell_set: CellSet, out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{out}': {error.strerror}") from error
    return check_writable(out / f"{cell_set.name}.h5ad")


def _take(
    cache: Cache,
    cell_set: CellSet,
    source: SourceFile,
    n_wanted: int | None,
    seed: int,
    scratch: Path,
) -> _Population:
    with (
        cache.file(cell_set, source) as archive,
        tempfile.TemporaryDirectory(prefix=".fetch-", dir=scratch) as folder,
    ):
        extract_files(archive, cell_set.folder, TENX_FILES, Path(folder))
        cells = _read(Path(folder), archive, cell_set)
        sha256 = pooch.file_hash(str(archive))
    n_available = cells.n_obs
    if n_wanted is not None and n_wanted < n_available:
        rng = np.random.default_rng([seed, *source.name.encode()])
        cells = cells[np.sort(rng.choice(n_available, n_wanted, replace=False))].copy()
    return _Population(source, cells, n_available, sha256)


def _read(folder: Path, archive: Path, cell_set: CellSet) -> ad.AnnData:
    try:
        cells = read_tenx_folder(folder)
    except FileFormatError as error:
        raise FileFormatError(
            f"'{archive}' cannot be read: {str(error).replace(str(folder) + '/', '')}"
        ) from error
    if cell_set.n_genes not in (None, cells.n_vars):
        raise FileFormatError(
            f"'{archive}' has {cells.n_vars:,} genes, but the catalogue says "
            f"{cell_set.n_genes:,} for '{cell_set.name}'"
        )
    return cells


def _check_genes(first: _Population, other: _Population) -> None:
    genes, others = first.cells.var_names, other.cells.var_names
    if genes.equals(others):
        return
    place = next(
        (place for place, (a, b) in enumerate(zip(genes, others, strict=False)) if a != b),
        min(len(genes), len(others)),
    )
    raise FileFormatError(
        f"'{other.source.name}' lists other genes than '{first.source.name}': {len(others):,} and "
        f"{len(genes):,}, the first difference at number {place + 1:,}: "
        f"{list(others[place : place + 1])} and {list(genes[place : place + 1])}; one set needs "
        "one list"
    )


def _joined(cell_set: CellSet, populations: Sequence[_Population], seed: int) -> ad.AnnData:
    for population in populations:
        _annotate(population, several=len(populations) > 1)
    cells = ad.concat([population.cells for population in populations], merge="same")
    if cell_set.is_labelled:
        cells.obs[LABELS_KEY] = pd.Categorical(cells.obs[LABELS_KEY])
    cells.uns[SOURCE_KEY] = {
        "name": cell_set.name,
        "title": cell_set.title,
        "citation": cell_set.citation,
        "licence": cell_set.licence,
        "addresses": np.array([each.source.address for each in populations], dtype=object),
        "sha256": np.array([each.sha256 for each in populations], dtype=object),
        "n_available": np.array([each.n_available for each in populations]),
        "seed": seed,
    }
    return cells


def _annotate(population: _Population, *, several: bool) -> None:
    cells, source = population.cells, population.source
    cells.obs[BARCODE_KEY] = cells.obs_names.to_numpy()
    if several:  # barcodes of different files meet
        cells.obs_names = pd.Index([f"{source.name}_{barcode}" for barcode in cells.obs_names])
    if source.label is not None:
        cells.obs[LABELS_KEY] = source.label
