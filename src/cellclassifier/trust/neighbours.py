"""How far cells are from the nearest of some others, compiled."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.data.compiling import compiled
from cellclassifier.data.threads import for_blocks
from cellclassifier.data.tiles import Layout, TiledKernels, multiply_rows

# of a cell's distances the least of each column of so many are looked through first, and of these
# the least of each column of so few
GROUPS, LANES = 64, 16
# cells whose products wait in the cache, and those that a thread takes at a time
CELLS_AT_ONCE, BLOCK_CELLS = 64, 4096
NONE = np.int64(-1)

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
# the least of some numbers, ascending, and their places
Least = tuple[Floats, npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Cells that others are compared with.

    The squared distance of a cell c to each p of them is ``c @ c + p @ p - 2 c @ p``. The nearest
    are found by it, all less their mean, so that little is lost to rounding; their distances are
    then taken anew. What comes out depends on no other cell.

    Parameters
    ----------
    centre
        Their mean, (n_dimensions,), float32.
    off
        The cells less it, (n_cells, n_dimensions), float32.
    kernel
        ``-2 p`` of each, a column each.
    squares
        ``p @ p`` of each, (n_columns,), float32; infinite where a column is none of them.

    Examples
    --------
    >>> neighbours = Neighbours.of(np.float32([[0, 0], [3, 4], [30, 40]]))
    >>> neighbours.mean_distance(np.float32([[0, 0], [30, 40]]), 2).round(3).tolist()
    [2.5, 22.5]
    """

    centre: Floats
    off: Floats
    kernel: TiledKernels
    squares: Floats

    @classmethod
    def of(cls, cells: Floats) -> "Neighbours":
        """Lay out cells, (n_cells, n_dimensions), float32."""
        centre = cells.mean(axis=0, dtype=np.float64).astype(np.float32)
        off = cells - centre
        kernel = TiledKernels.of([np.ascontiguousarray(-2 * off.T)])
        n_columns = -(-kernel.n_columns // GROUPS) * GROUPS
        squares = np.full(n_columns, np.inf, np.float32)
        squares[: len(cells)] = np.einsum("pd,pd->p", off, off)
        return cls(centre, off, kernel, squares)

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
        n_nearest = min(n_nearest, max(len(self.off) - 1, 1))
        itself = np.full(len(cells), NONE) if own is None else own.astype(np.int64)
        mean = np.empty(len(cells))

        def measure(rows: slice) -> None:
            off = np.ascontiguousarray(cells[rows] - self.centre, np.float32)
            layout = self.kernel.layout
            _mean_of_nearest(
                off, self.off, layout, self.squares, itself[rows], n_nearest, mean[rows]
            )

        for_blocks(measure, len(cells), BLOCK_CELLS, n_threads)
        return mean


@compiled(contract=True)
def _mean_of_nearest(
    cells: Floats,
    others: Floats,
    layout: Layout,
    squares: Floats,
    own: npt.NDArray[np.int64],
    n_nearest: int,
    out: Floats64,
) -> None:
    products = np.zeros((CELLS_AT_ONCE, len(squares)), np.float32)
    least = np.empty(GROUPS + LANES, np.float32)
    # of a cell that is not a number no place is written
    nearest = np.empty(n_nearest, np.float32), np.zeros(n_nearest, np.int64)
    for first in range(0, len(cells), CELLS_AT_ONCE):
        some = cells[first : first + CELLS_AT_ONCE]
        multiply_rows(layout, some, products[: len(some)])
        for row in range(len(some)):
            itself = own[first + row]
            if itself >= 0:
                products[row, itself] = np.inf
            _find_least(products[row], squares, least, nearest)
            total = 0.0
            for place in nearest[1]:
                square = np.float32(0)
                for dimension in range(some.shape[1]):
                    off = others[place, dimension] - some[row, dimension]
                    square += off * off
                total += np.sqrt(square)
            out[first + row] = total / n_nearest


@compiled()
def _find_least(products: Floats, squares: Floats, of_groups: Floats, least: Least) -> None:
    """Find the least sums of products and squares, and where they are; products become sums.

    The least of each group are found several at a time. The least of some of these bound the least
    of all: only groups whose own is within can hold any.
    """
    _add_and_group(products, squares, of_groups[:GROUPS])
    coarse = of_groups[GROUPS:]
    coarse[:] = of_groups[:LANES]
    for start in range(LANES, GROUPS, LANES):
        for lane in range(LANES):
            value = of_groups[start + lane]
            coarse[lane] = value if value < coarse[lane] else coarse[lane]
    least[0][:] = np.inf
    for lane in range(LANES):
        _insert(coarse[lane], lane, least)
    most = least[0][-1]
    least[0][:] = np.inf
    for group in range(GROUPS):
        if of_groups[group] <= most:
            for place in range(group, len(products), GROUPS):
                _insert(products[place], place, least)


@compiled()
def _add_and_group(products: Floats, squares: Floats, of_groups: Floats) -> None:
    """Add the squares to the products, and find the least of each group of the sums."""
    of_groups[:] = np.inf
    # unsigned, for numba asks of others whether they count from the end
    size = np.uint64(GROUPS)
    for start in range(np.uint64(0), np.uint64(len(products)), size):
        sums, more = products[start : start + size], squares[start : start + size]
        for group in range(GROUPS):
            value = sums[group] + more[group]
            sums[group] = value
            of_groups[group] = value if value < of_groups[group] else of_groups[group]


@compiled()
def _insert(value: np.float32, place: int, least: Least) -> None:
    """Put a number and its place among the least ones, ascending, if it is one of them."""
    values, places = least
    last = len(values) - 1
    if value < values[last]:
        while last > 0 and values[last - 1] > value:
            values[last], places[last] = values[last - 1], places[last - 1]
            last -= 1
        values[last], places[last] = value, place
