"""Labelled cells of one file or several, gone through block by block."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.selection import gather_columns
from cellclassifier.data.streaming.ahead import map_ahead
from cellclassifier.data.streaming.settling import SettledCounts
from cellclassifier.data.streaming.tally import CountTally
from cellclassifier.labels import LabelSpace

BLOCK_CELLS = 2048

CellsWatcher = Callable[[int, int], None]
Result = TypeVar("Result")


class PanelBlock(NamedTuple):
    """Consecutive labelled cells.

    Parameters
    ----------
    counts
        Of some genes, in their order, (n_cells, n_genes), CSR, float32, without stored zeros.
    library_size
        Shape (n_cells,), over all genes that were measured.
    """

    counts: sparse.csr_matrix
    library_size: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReferencePart:
    """The labelled cells of one file.

    Parameters
    ----------
    settled
        Where its counts are.
    codes
        Shape (n_cells,), int32: the type of each cell, -1 where it has no label.
    gene_of
        Shape (n_columns,): the gene of the reference that each column of a block belongs to,
        negative for none.
    """

    settled: SettledCounts
    codes: npt.NDArray[np.int32]
    gene_of: npt.NDArray[np.intp]

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.settled.cells.path

    def block(self, start: int, stop: int, target: npt.NDArray[np.intp], n: int) -> PanelBlock:
        """Return the labelled ones of consecutive cells.

        Parameters
        ----------
        start, stop
            The first cell and the last, not included.
        target
            Shape (n_columns,): the place of each column of the file, negative for none.
        n
            How many places there are.
        """
        raw = self.settled.block(start, stop)
        counts, library_size = raw.counts, raw.library_size
        labelled = self.codes[start:stop] >= 0
        if not labelled.all():
            counts, library_size = counts[labelled], library_size[labelled]
        if not counts.data.all():
            counts = counts.copy()
            counts.eliminate_zeros()
        if n != counts.shape[1] or not np.array_equal(target, np.arange(n)):
            counts = gather_columns(counts, target, n)
        return PanelBlock(counts, library_size)


@dataclass(frozen=True, eq=False)
class StoredReference:
    """Labelled cells in files, as `LabelledCounts` holds them in memory.

    Parameters
    ----------
    parts
        One for each file, in order.
    genes
        Of the reference.
    label_space
        The types.
    batch_codes
        Shape (n_labelled,), int32: the batch of each labelled cell; None where none was told.
    """

    parts: Sequence[ReferencePart]
    genes: GenePanel
    label_space: LabelSpace
    batch_codes: npt.NDArray[np.int32] | None = None

    @cached_property
    def codes(self) -> npt.NDArray[np.int32]:
        """The type of each labelled cell, (n_labelled,), int32, file by file."""
        codes = np.concatenate([part.codes for part in self.parts])
        return codes[codes >= 0]

    @property
    def n_unlabelled(self) -> int:
        """Cells that have no label, and are left out."""
        return sum(int((part.codes < 0).sum()) for part in self.parts)

    @property
    def n_cells(self) -> int:
        """Cells of all files, those without a label included."""
        return sum(len(part.codes) for part in self.parts)

    @property
    def evidence(self) -> str:
        """Where the counts are and what proves them, in words."""
        said = list(dict.fromkeys(part.settled.evidence for part in self.parts))
        return "; ".join(said)

    def tally(self, watch: CellsWatcher) -> CountTally:
        """Go through all cells once: prove their counts, and add up how often each occurs.

        Raises
        ------
        CountsError
            A block holds other values than the sample.
        InputError
            Cells have no counts.
        FileFormatError
            A file is broken; the chunk is named.
        """
        tally = CountTally.empty(len(self.genes), len(self.label_space))
        one_at_a_time = threading.Lock()

        def add(part: ReferencePart, start: int, stop: int) -> None:
            block = part.block(start, stop, part.gene_of, len(self.genes))
            codes = part.codes[start:stop]
            with one_at_a_time:
                tally.add(block.counts, codes[codes >= 0])

        for _ in self._each_block(add, watch):
            pass
        return tally

    def blocks(self, columns: npt.NDArray[np.intp], watch: CellsWatcher) -> Iterator[PanelBlock]:
        """Yield all labelled cells in order, with some genes of the reference, in that order."""
        place = np.full(len(self.genes) + 1, -1, dtype=np.intp)  # the last one is for no gene
        place[columns] = np.arange(len(columns))

        def read(part: ReferencePart, start: int, stop: int) -> PanelBlock:
            block = part.block(start, stop, place[part.gene_of], len(columns))
            # what was read may lie in memory that the next block is read into
            counts = block.counts
            return block if counts.data.flags.owndata else PanelBlock(counts.copy(), block[1])

        yield from self._each_block(read, watch)

    def _each_block(
        self, work: Callable[[ReferencePart, int, int], Result], watch: CellsWatcher
    ) -> Iterator[Result]:
        tasks = [
            (part, start, min(start + BLOCK_CELLS, len(part.codes)))
            for part in self.parts
            for start in range(0, len(part.codes), BLOCK_CELLS)
        ]
        n_done = 0
        results = map_ahead(lambda task: work(*task), tasks, max(n_cores(), 2))
        for (_, start, stop), result in zip(tasks, results, strict=True):
            n_done += stop - start
            watch(n_done, self.n_cells)
            yield result
