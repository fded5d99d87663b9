"""How far cells are from the nearest of some others, compiled."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.data.compiling import compiled
from cellclassifier.data.threads import for_blocks
from cellclassifier.data.tiles import Layout, TiledKernels, multiply_rows

# of a cell's distances the least of each column of so many are looked through first
GROUPS = 64
# cells whose products wait in the cache, and those that a thread takes at a time
CELLS_AT_ONCE, BLOCK_CELLS = 64, 4096
NONE = np.int64(-1)

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Cells that others are compared with.

    The squared distance of a cell c to each p of them is ``c @ c + p @ p - 2 c @ p``, all less
    their mean, so that little is lost to rounding. It depends on no other cell.

    Parameters
    ----------
    centre
        Their mean, (n_dimensions,), float32.
    kernel
        ``-2 p`` of each, a column each.
    squares
        ``p @ p`` of each, (n_columns,), float32; infinite where a column is none of them.
    n_cells
        How many they are.

    Examples
    --------
    >>> neighbours = Neighbours.of(np.float32([[0, 0], [3, 4], [30, 40]]))
    >>> neighbours.mean_distance(np.float32([[0, 0], [30, 40]]), 2).round(3).tolist()
    [2.5, 22.5]
    """

    centre: Floats
    kernel: TiledKernels
    squares: Floats
    n_cells: int

    @classmethod
    def of(cls, cells: Floats) -> "Neighbours":
        """Lay out cells, (n_cells, n_dimensions), float32."""
        centre = cells.mean(axis=0, dtype=np.float64).astype(np.float32)
        off = cells - centre
        kernel = TiledKernels.of([np.ascontiguousarray(-2 * off.T)])
        n_columns = -(-kernel.n_columns // GROUPS) * GROUPS
        squares = np.full(n_columns, np.inf, np.float32)
        squares[: len(cells)] = np.einsum("pd,pd->p", off, off)
        return cls(centre, kernel, squares, len(cells))

    def mean_distance(
        self,
        cells: Floats,
        n_nearest: int,
        own: npt.NDArray[np.integer] | None = None,
        n_threads: int = 1,
    ) -> Floats64:
        """Return the mean distance of cells to the nearest of these, (n_cells,).

        Parameters
        ----------
        cells
            Shape (n_cells, n_dimensions), float32.
        n_nearest
            How many count; all but one where they are fewer.
        own
            Which of these each cell is itself, which does not count; negative for none.
        n_threads
            How many blocks of cells are worked on at once.
        """
        n_nearest = min(n_nearest, max(self.n_cells - 1, 1))
        itself = np.full(len(cells), NONE) if own is None else own.astype(np.int64)
        mean = np.empty(len(cells))

        def measure(rows: slice) -> None:
            off = np.ascontiguousarray(cells[rows] - self.centre, np.float32)
            _mean_of_nearest(
                off, self.kernel.layout, self.squares, itself[rows], n_nearest, mean[rows]
            )

        for_blocks(measure, len(cells), BLOCK_CELLS, n_threads)
        return mean


@compiled(contract=True)
def _mean_of_nearest(
    cells: Floats,
    layout: Layout,
    squares: Floats,
    own: npt.NDArray[np.int64],
    n_nearest: int,
    out: Floats64,
) -> None:
    products = np.zeros((CELLS_AT_ONCE, len(squares)), np.float32)
    least, nearest = np.empty(GROUPS, np.float32), np.empty(n_nearest, np.float32)
    for first in range(0, len(cells), CELLS_AT_ONCE):
        some = cells[first : first + CELLS_AT_ONCE]
        multiply_rows(layout, some, products[: len(some)])
        for row in range(len(some)):
            off = products[row]
            for column in range(len(squares)):
                off[column] += squares[column]
            if own[first + row] >= 0:
                off[own[first + row]] = np.inf
            _find_nearest(off, least, nearest)
            square = np.float32(0)
            for value in some[row]:
                square += value * value
            total = 0.0
            for value in nearest:
                total += np.sqrt(max(value + square, np.float32(0)))
            out[first + row] = total / n_nearest


@compiled()
def _find_nearest(off: Floats, least: Floats, nearest: Floats) -> None:
    """Write the least of some numbers, ascending.

    The least of each group are found several at a time; only groups whose least is among the least
    of all can hold any.
    """
    least[:] = off[:GROUPS]
    for start in range(GROUPS, len(off), GROUPS):
        for group in range(GROUPS):
            value = off[start + group]
            least[group] = value if value < least[group] else least[group]
    nearest[:] = np.inf
    for group in range(GROUPS):
        _insert(least[group], nearest)
    most = nearest[-1]
    nearest[:] = np.inf
    for group in range(GROUPS):
        if least[group] <= most:
            for place in range(group, len(off), GROUPS):
                _insert(off[place], nearest)


@compiled()
def _insert(value: np.float32, nearest: Floats) -> None:
    """Put a number among the least ones, ascending, if it is one of them."""
    place = len(nearest) - 1
    if value < nearest[place]:
        while place > 0 and nearest[place - 1] > value:
            nearest[place] = nearest[place - 1]
            place -= 1
        nearest[place] = value
