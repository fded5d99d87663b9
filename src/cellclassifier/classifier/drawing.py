"""Some of the cells of a file, read again for a report: the expression of the model's genes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.classifier.sampling import SEED
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import AlignedCounts, Normalisation, RawCounts
from cellclassifier.data.streaming import SettledCounts

# read at a time, where cells follow one another
BLOCK_CELLS = 2048
# whose genes are weighed one by one: in all, and the fewest and the most of a type
CELLS_EXPLAINED = 600
CELLS_PER_TYPE = 10, 40
# scanpy's habit, whatever the model's own normalisation: people know these values
EXPRESSION = Normalisation("log1p_per_library", 1e4)


@dataclass(frozen=True, eq=False)
class DrawnCells:
    """Some cells of a file.

    Parameters
    ----------
    rows
        Shape (n_drawn,): their places in the file, ascending.
    names
        Shape (n_drawn,).
    expression
        log(1 + counts per 10,000) of the model's genes, (n_drawn, n_panel), CSR, float32.
    library_size
        Shape (n_drawn,), as `ModelView.library_size` has it.
    """

    rows: npt.NDArray[np.intp]
    names: npt.NDArray[np.object_]
    expression: sparse.csr_matrix
    library_size: npt.NDArray[np.float64]

    @classmethod
    def read(cls, settled: SettledCounts, view: ModelView, runs: Sequence[slice]) -> "DrawnCells":
        """Read runs of cells.

        Parameters
        ----------
        settled
            The file.
        view
            Where its genes go.
        runs
            Consecutive cells, in order.
        """
        blocks, sizes, names = [], [], []
        for start, stop in _blocks(runs):
            raw = settled.block(start, stop)
            aligned = view.aligned(raw)
            # what is aligned lies in memory as large as that of all measured genes
            blocks.append(EXPRESSION.apply(_copied(aligned)))
            sizes.append(aligned.library_size)
            names.append(np.asarray(settled.cells.table.names(start, stop), dtype=object))
        return cls(
            np.concatenate([np.arange(run.start, run.stop) for run in runs]),
            np.concatenate(names),
            sparse.csr_matrix(sparse.vstack(blocks, format="csr")),
            np.concatenate(sizes),
        )

    def __len__(self) -> int:
        return len(self.rows)


def some_of_each(codes: npt.NDArray[np.integer], n_types: int) -> npt.NDArray[np.intp]:
    """Return rows of some cells of each type, ascending; of fewer where there are many types.

    Examples
    --------
    >>> some_of_each(np.array([0] * 100 + [1] * 3 + [2]), 2).tolist()[40:]
    [100, 101, 102]
    """
    each = int(np.clip(CELLS_EXPLAINED // max(n_types, 1), *CELLS_PER_TYPE))
    rng = np.random.default_rng(SEED)
    rows = [rng.permutation(np.flatnonzero(codes == code))[:each] for code in range(n_types)]
    return np.sort(np.concatenate(rows))


def read_some(settled: SettledCounts, rows: npt.NDArray[np.intp]) -> RawCounts:
    """Return the counts of a few cells, one cell or more, wherever they lie."""
    # a copy, for the next block is read into the same memory
    blocks = [_kept(settled.block(int(row), int(row) + 1)) for row in rows]
    return replace(
        blocks[0],
        counts=sparse.csr_matrix(sparse.vstack([block.counts for block in blocks], format="csr")),
        library_size=np.concatenate([block.library_size for block in blocks]),
        cell_names=pd.Index(rows),
    )


def _blocks(runs: Sequence[slice]) -> Iterator[tuple[int, int]]:
    """Yield the ends of blocks of consecutive cells, none of them large."""
    for run in runs:
        yield from pairwise([*range(run.start, run.stop, BLOCK_CELLS), run.stop])


def _kept(block: RawCounts) -> RawCounts:
    return replace(block, counts=block.counts.copy())


def _copied(aligned: AlignedCounts) -> AlignedCounts:
    return AlignedCounts(aligned.counts.copy(), aligned.library_size, aligned.gene_coverage)
