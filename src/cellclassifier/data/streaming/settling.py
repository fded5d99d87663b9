"""What a file of cells holds, settled on a sample of them; every block is then held to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.data.counts.cells import Floats
from cellclassifier.data.counts.finding import Found, check_not_empty, search_counts
from cellclassifier.data.counts.libraries import (
    GENES_PRESENT,
    TOTAL_COLUMNS,
    LibrarySizes,
    given_sizes,
    no_such_column,
    total_counts,
)
from cellclassifier.data.counts.matrices import to_csr, without_zeros
from cellclassifier.data.counts.one_pass import WITH_ZEROS, scan_rows
from cellclassifier.data.counts.raw import RawCounts
from cellclassifier.data.counts.scanning import Scan, refusal
from cellclassifier.data.genes import GenePanel, check_orientation
from cellclassifier.data.matching import GeneMatch
from cellclassifier.data.merging import add_columns, first_of_each
from cellclassifier.data.reference import CountsArguments
from cellclassifier.data.resolution import number_genes
from cellclassifier.data.streaming.failures import cells_named
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.data.streaming.undoing import Undoing
from cellclassifier.errors import CountsError, FileFormatError


@dataclass(frozen=True, eq=False)
class SettledCounts:
    """Where the counts of a file are, and what makes counts of them.

    What depends on the cells as a whole (which matrix holds the counts, what was done to them,
    which columns are one gene's) is settled on a sample; each further block is proved to be the
    same. A block that is not ends the work: its cells would be named by another rule.

    Parameters
    ----------
    cells
        The file.
    place
        The name of the matrix.
    columns
        The genes of the matrix's columns, of which some may have several.
    genes
        The measured genes, each once.
    numbers
        Shape (n_columns,): the gene of each column.
    given
        Shape (n_cells,): the library sizes of all cells; None where they are the sums of counts.
    undoing
        The transform that is undone, or None.
    is_estimated
        The values are no whole numbers, and taken as they are.
    evidence
        As in `RawCounts`.
    """

    cells: StoredCells
    place: str
    columns: GenePanel
    genes: GenePanel
    numbers: npt.NDArray[np.intp]
    given: Floats | None
    undoing: Undoing | None
    is_estimated: bool
    evidence: str

    @classmethod
    def of(
        cls, cells: StoredCells, runs: Sequence[slice], **counts: Unpack[CountsArguments]
    ) -> tuple["SettledCounts", RawCounts]:
        """Settle it on runs of cells; return these as well.

        Parameters
        ----------
        cells
            The file.
        runs
            Consecutive cells, in order.
        **counts
            The keywords of `find_counts`, which raises the same errors.
        """
        key = counts.get("library_size_key")
        sample = cells.some(runs, counts.get("layer"), _columns(cells, key))
        found = search_counts(
            sample,
            layer=counts.get("layer"),
            library_size_key=key,
            allow_non_integer=counts.get("allow_non_integer", False),
        )
        genes = GenePanel.of_var(found.place.var, counts.get("gene_ids"))
        check_orientation(sample.obs_names, genes)
        numbers = number_genes(genes.ensembl_ids, genes.symbols)
        settled = cls(
            cells,
            found.place.name,
            genes,
            first_of_each(genes, numbers),
            numbers,
            _given(cells, key),
            _undoing(found),
            found.is_estimated,
            found.evidence,
        )
        check_not_empty(found.library_size, sample.obs_names)
        return settled, settled._raw(found.counts, found.library_size, sample.obs_names)

    def __len__(self) -> int:
        return self.cells.n_cells

    def block(self, start: int, stop: int) -> RawCounts:
        """Return the counts of consecutive cells; their names are their numbers.

        Raises
        ------
        CountsError
            The values are not what the sample was.
        InputError
            Cells have no counts, or more than the library size given for them.
        FileFormatError
            The file is broken there.
        """
        values = self.cells.rows(self.place, start, stop)
        counts, measured = self._counts(values, start)
        names: pd.Index = pd.RangeIndex(start, stop)
        if self.given is not None or not measured.all():
            names = self.cells.table.names(start, stop)
        sizes = LibrarySizes(given=self._given(start, stop))
        library_size = sizes.of_counts(measured, self.place, names)
        check_not_empty(library_size, names)
        return self._raw(counts, library_size, pd.RangeIndex(start, stop))

    def spread(self, match: GeneMatch) -> GeneMatch:
        """Return where the columns of blocks go, given where `genes` do.

        Columns of one gene go to one place, where whole counts add up as exactly as before; but
        estimates that are not whole are added here first, as in memory.
        """
        if self._are_added:
            return match
        return replace(match, target=match.target[self.numbers])

    @property
    def _are_added(self) -> bool:
        return self.is_estimated and len(self.genes) < len(self.columns)

    def _raw(self, counts: sparse.csr_matrix, library_size: Floats, names: pd.Index) -> RawCounts:
        counts, genes = counts.astype(np.float32, copy=False), self.columns
        if self._are_added:
            counts, genes = add_columns(counts, self.numbers, len(self.genes)), self.genes
        return RawCounts(counts, library_size, genes, names, self.evidence)

    def _given(self, start: int, stop: int) -> Floats | None:
        return None if self.given is None else self.given[start:stop]

    def _counts(self, values: sparse.csr_matrix, start: int) -> tuple[sparse.csr_matrix, Floats]:
        """Return the counts of a block and their sums, proved."""
        if self.undoing is None and not self.is_estimated:
            found, measured = scan_rows(values)
            if found <= WITH_ZEROS:
                return values, measured
        values = self._in_order(values, start)
        scan = Scan.of(values)
        if scan.smallest <= 0 <= scan.largest and values.nnz:
            values = without_zeros(values)
        problem = refusal(scan, values)
        if problem is not None and not (self._may_be_fractions and scan.may_be_undone):
            raise self._contradiction(values, problem, start)
        if self.undoing is None:
            return values, total_counts(values)
        try:
            return self.undoing.counts(values, self._given(start, start + values.shape[0]))
        except CountsError as error:
            raise self._contradiction(values, str(error), start) from error

    @property
    def _may_be_fractions(self) -> bool:
        return self.undoing is not None or self.is_estimated

    def _in_order(self, values: sparse.csr_matrix, start: int) -> sparse.csr_matrix:
        """Return values with the columns of each row in order, each once."""
        columns = values.indices
        if len(columns) and not 0 <= columns.min() <= columns.max() < values.shape[1]:
            raise FileFormatError(
                f"'{self.cells.path}' is broken: {cells_named(start, start + values.shape[0])} "
                f"have values at columns {columns.min():,} to {columns.max():,} of {self.place}, "
                f"which has {values.shape[1]:,}. Copy or download the file again"
            )
        return to_csr(values)

    def _contradiction(self, values: sparse.csr_matrix, problem: str, start: int) -> CountsError:
        cells = cells_named(start, start + values.shape[0])
        return CountsError(
            f"{self.place} of {cells} {problem}; but a sample of the cells says: {self.evidence}. "
            "Cells of several kinds cannot be named together: put counts of all of them into "
            'one layer, and name it: layer="…" (--layer on the command line)'
        )


def _columns(cells: StoredCells, library_size_key: str | None) -> list[str]:
    """Return the columns of the table that say something of library sizes."""
    there = cells.table.columns
    if library_size_key in there:
        return [library_size_key]
    if library_size_key == GENES_PRESENT:
        return []
    if library_size_key is not None:
        raise no_such_column(library_size_key, there)
    return [name for name in TOTAL_COLUMNS if name in there]


def _given(cells: StoredCells, key: str | None) -> Floats | None:
    """Return the library sizes of all cells, where a column has them."""
    if key is None or key not in cells.table.columns:
        return None
    return given_sizes(cells.table.column(key), key)


def _undoing(found: Found) -> Undoing | None:
    if found.inversion is None:
        return None
    values = without_zeros(to_csr(found.place.matrix()))
    given = None
    if found.inversion.library_size is not found.inversion.measured:
        given = found.inversion.library_size
    return Undoing.of(values, found.inversion, given)
