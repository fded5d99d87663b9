"""The values of a sparse matrix cell by cell, and how work on them is shared between cores."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

# values worked on at a time: what a handful of float64 copies of them fit in a core's cache
BLOCK_VALUES = 2**15
# values whose smallest and largest are looked for at a time
ENDS_BLOCK = 2**18
# blocks that a core takes at a time
BLOCKS_PER_TASK = 16

Floats = npt.NDArray[np.float64]
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class FilledCells:
    """The values of those cells that have any, cell after cell.

    Parameters
    ----------
    values
        Shape (n_values,), none zero.
    bounds
        Shape (n_filled + 1,): where each cell's values start and end.
    """

    values: npt.NDArray[Any]
    bounds: npt.NDArray[np.intp]

    @classmethod
    def of(cls, matrix: sparse.csr_matrix) -> "FilledCells":
        """Leave out the cells without values, which hold no place in the array."""
        filled = np.diff(matrix.indptr) > 0
        bounds = np.concatenate([[0], matrix.indptr[1:][filled]]).astype(np.intp)
        return cls(matrix.data[: bounds[-1]], bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def starts(self) -> npt.NDArray[np.intp]:
        """Shape (n_filled,)."""
        return self.bounds[:-1]

    @property
    def n_values(self) -> npt.NDArray[np.intp]:
        """Shape (n_filled,): how many values each cell has."""
        return np.diff(self.bounds)

    @cached_property
    def ends(self) -> Floats:
        """The smallest and the largest value."""
        ends = self.map_blocks(self._ends_of, ENDS_BLOCK)
        return np.array([min(low for low, _ in ends), max(high for _, high in ends)])

    def _ends_of(self, first: int, last: int) -> tuple[float, float]:
        values = self.between(first, last).values
        return float(values.min()), float(values.max())

    def between(self, first: int, last: int) -> "FilledCells":
        """Return consecutive cells; their values are a view."""
        bounds = self.bounds[first : last + 1]
        return FilledCells(self.values[bounds[0] : bounds[-1]], bounds - bounds[0])

    def take(self, cells: npt.NDArray[np.integer]) -> "FilledCells":
        """Return some cells; their values are a copy."""
        bounds = np.concatenate([[0], np.cumsum(self.n_values[cells])]).astype(np.intp)
        return FilledCells(self.values[self.positions(cells)], bounds)

    def positions(self, cells: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
        """Return where the values of some cells are."""
        n_values = self.n_values[cells]
        first = np.cumsum(n_values) - n_values
        shift: npt.NDArray[np.intp] = np.repeat(self.starts[cells] - first, n_values)
        return shift + np.arange(len(shift))

    def per_cell(self, function: np.ufunc, values: npt.NDArray[Any]) -> Floats:
        """Reduce one number a value to one number a cell."""
        return np.asarray(function.reduceat(values, self.starts), dtype=np.float64)

    def spread(self, per_cell: Floats) -> Floats:
        """Repeat one number a cell for each of its values."""
        return np.repeat(per_cell, self.n_values)

    def blocks(self, block_values: int = BLOCK_VALUES) -> list[tuple[int, int]]:
        """Return the first and last cell (not included) of blocks of about as many values."""
        wanted = np.arange(block_values, self.bounds[-1], block_values)
        ends = np.searchsorted(self.bounds, wanted, side="left")
        return list(pairwise(np.unique([0, *ends, len(self)]).tolist()))

    def map_blocks(
        self, function: Callable[[int, int], Result], block_values: int = BLOCK_VALUES
    ) -> list[Result]:
        """Call `function` on the first and last cell of each block, on all cores.

        Results come in order; the first error ends the rest. NumPy lets go of the interpreter's
        lock while it computes, so threads are enough.
        """
        blocks = self.blocks(block_values)
        if len(blocks) <= BLOCKS_PER_TASK:
            return [function(*block) for block in blocks]
        with ThreadPoolExecutor(n_cores()) as pool:
            results = pool.map(
                lambda task: [function(*block) for block in task],
                [blocks[i : i + BLOCKS_PER_TASK] for i in range(0, len(blocks), BLOCKS_PER_TASK)],
            )
            return list(chain.from_iterable(results))


def n_cores() -> int:
    """Return the cores that this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
