"""Kernels cut into tiles that a core's cache holds, and rows multiplied with them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.data.compiling import compiled
from cellclassifier.data.line_parts import add_lines_below
from cellclassifier.data.line_sums import LANES, MAX_VECTORS, MIN_SUMS, sum_lines
from cellclassifier.data.row_sums import ROWS_AT_ONCE, sum_rows

# bytes that a processor fetches at once
ALIGNMENT = 64
# of lines that stay in a core's inner caches while many rows pass over them; with fewer, a row has
# too few of its entries among them
NEAR_FLOATS = 2**14
# of a line, from which on `sum_lines` takes one line at a time
MIN_VECTORS = MIN_SUMS // 2 + 1

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.uint32]
# the entries of some rows: values, (n_kernels, n), places, and where each row starts and stops
Entries = tuple[Floats, Places, npt.NDArray[np.int64]]
# `lines` and `tiles` of `TiledKernels`
Layout = tuple[Floats, npt.NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class TiledKernels:
    """Kernels of as many lines, side by side, in tiles of at most 80 columns.

    In a tile, the weights of a line stand together, and those of some thousand lines fit in a
    core's cache. The product of a row is the sum of its entries' lines in their order: it depends
    neither on other rows nor on threads.

    Parameters
    ----------
    n_lines
        Of each kernel, such as the genes.
    columns
        Where each kernel's products stand in the result.
    lines
        The weights, tile after tile, in each of them line after line; padded with zeros.
    tiles
        Shape (n_tiles, 4): the kernel, the start in `lines`, the number of vectors of a line, and
        the first column in the result.
    """

    n_lines: int
    columns: tuple[slice, ...]
    lines: Floats
    tiles: npt.NDArray[np.int64]

    @classmethod
    def of(cls, kernels: Sequence[Floats]) -> "TiledKernels":
        """Lay out kernels, (n_lines, n_columns) each.

        >>> tiled = TiledKernels.of([np.ones((3, 1), "float32"), np.ones((3, 100), "float32")])
        >>> tiled.columns, tiled.tiles[:, 2].tolist()
        ((slice(0, 1, None), slice(16, 116, None)), [1, 3, 4])
        """
        n_lines = len(kernels[0])
        tiles, columns, parts = [], [], []
        n_floats, n_columns = 0, 0
        for number, kernel in enumerate(kernels):
            columns.append(slice(n_columns, n_columns + kernel.shape[1]))
            for n_vectors, of_part in _parts(kernel.shape[1]):
                tiles.append((number, n_floats, n_vectors, n_columns))
                parts.append(kernel[:, of_part])
                n_floats += n_lines * n_vectors * LANES
                n_columns += n_vectors * LANES
        lines = _aligned_zeros(n_floats)
        for (_, start, n_vectors, _), part in zip(tiles, parts, strict=True):
            width = n_vectors * LANES
            tile = lines[start : start + n_lines * width].reshape(n_lines, width)
            tile[:, : part.shape[1]] = part
        return cls(n_lines, tuple(columns), lines, np.array(tiles))

    @property
    def n_columns(self) -> int:
        """Of the result, with those that are padded."""
        *_, (_, _, n_vectors, column) = self.tiles.tolist()
        return int(column + n_vectors * LANES)

    @property
    def layout(self) -> Layout:
        """What is passed to `multiply_tiles`."""
        return self.lines, self.tiles

    def times(self, rows: Floats) -> Floats:
        """Return ``rows @ kernel``, (n_rows, n_columns), for a single kernel.

        Parameters
        ----------
        rows
            Shape (n_rows, n_lines), float32.

        Examples
        --------
        >>> TiledKernels.of([np.float32([[2, 3], [0, 1]])]).times(np.float32([[1, 10]])).tolist()
        [[2.0, 13.0]]
        """
        out = np.empty((len(rows), self.n_columns), np.float32)
        multiply_rows(self.layout, np.ascontiguousarray(rows, np.float32), out)
        return out[:, self.columns[0]]


@compiled()
def multiply_tiles(layout: Layout, n_lines: int, entries: Entries, out: Floats) -> None:
    """Multiply sparse rows with one tile after the other, into `out`, (n_rows, n_columns)."""
    lines, tiles = layout
    values, places, ends = entries
    for tile in range(len(tiles)):
        kernel, start, n_vectors, column = tiles[tile]
        n_columns = n_vectors * LANES
        of_tile = lines[start : start + n_lines * n_columns]
        for row in range(len(out)):
            some = slice(ends[row], ends[row + 1])
            sums = out[row, column : column + n_columns]
            _sum(values[kernel, some], places[some], of_tile, sums, n_vectors)


@compiled()
def multiply_ordered(layout: Layout, n_lines: int, entries: Entries, out: Floats) -> None:
    """Do what `multiply_tiles` does, to the bit, for rows whose places ascend.

    Of a tile of wide lines some lines are fetched once for all rows.
    """
    lines, tiles = layout
    values, places, ends = entries
    at = np.empty(len(out), np.int64)
    for tile in range(len(tiles)):
        kernel, start, n_vectors, column = tiles[tile]
        n_columns = n_vectors * LANES
        of_tile = lines[start : start + n_lines * n_columns]
        columns = slice(column, column + n_columns)
        if n_vectors < MIN_VECTORS:
            for row in range(len(out)):
                some = slice(ends[row], ends[row + 1])
                _sum(values[kernel, some], places[some], of_tile, out[row, columns], n_vectors)
            continue
        at[:] = ends[:-1]
        out[:, columns] = 0
        step = max(NEAR_FLOATS // n_columns, 1)
        for limit in range(step, n_lines + step, step):
            for row in range(len(out)):
                part = (at[row], np.int64(ends[row + 1]), np.int64(limit))
                at[row] = _add(values[kernel], places, of_tile, out[row, columns], part, n_vectors)


@compiled()
def multiply_rows(layout: Layout, rows: Floats, out: Floats) -> None:
    """Do what `multiply_tiles` does, for dense rows and one kernel.

    Rows and `out` lie row after row in memory.
    """
    lines, tiles = layout
    n_lines = rows.shape[1]
    n_whole = len(out) // ROWS_AT_ONCE * ROWS_AT_ONCE
    for tile in range(len(tiles)):
        _, start, n_vectors, column = tiles[tile]
        of_tile = lines[start : start + n_lines * n_vectors * LANES]
        for row in range(0, n_whole, ROWS_AT_ONCE):
            _sum_some(rows, of_tile, out, (row, column), n_vectors)
        for row in range(n_whole, len(out)):
            _sum_one(rows, of_tile, out, (row, column), n_vectors)


@compiled()
def _sum(values: Floats, places: Places, lines: Floats, out: Floats, n_vectors: int) -> None:
    """Call `sum_lines`, which takes the number of vectors as a constant."""
    if n_vectors == 1:
        sum_lines(values, places, lines, out, 1)
    elif n_vectors == 2:
        sum_lines(values, places, lines, out, 2)
    elif n_vectors == 3:
        sum_lines(values, places, lines, out, 3)
    elif n_vectors == 4:
        sum_lines(values, places, lines, out, 4)
    else:
        sum_lines(values, places, lines, out, MAX_VECTORS)


@compiled()
def _sum_some(
    rows: Floats, lines: Floats, out: Floats, at: tuple[int, int], n_vectors: int
) -> None:
    """Call `sum_rows` for `ROWS_AT_ONCE` rows."""
    if n_vectors == 1:
        sum_rows(rows, lines, out, at, 1, ROWS_AT_ONCE)
    elif n_vectors == 2:
        sum_rows(rows, lines, out, at, 2, ROWS_AT_ONCE)
    elif n_vectors == 3:
        sum_rows(rows, lines, out, at, 3, ROWS_AT_ONCE)
    elif n_vectors == 4:
        sum_rows(rows, lines, out, at, 4, ROWS_AT_ONCE)
    else:
        sum_rows(rows, lines, out, at, MAX_VECTORS, ROWS_AT_ONCE)


@compiled()
def _sum_one(rows: Floats, lines: Floats, out: Floats, at: tuple[int, int], n_vectors: int) -> None:
    """Call `sum_rows` for one row, as `_sum_some` does."""
    if n_vectors == 1:
        sum_rows(rows, lines, out, at, 1, 1)
    elif n_vectors == 2:
        sum_rows(rows, lines, out, at, 2, 1)
    elif n_vectors == 3:
        sum_rows(rows, lines, out, at, 3, 1)
    elif n_vectors == 4:
        sum_rows(rows, lines, out, at, 4, 1)
    else:
        sum_rows(rows, lines, out, at, MAX_VECTORS, 1)


@compiled()
def _add(
    values: Floats,
    places: Places,
    lines: Floats,
    out: Floats,
    entries: tuple[np.int64, np.int64, np.int64],
    n_vectors: int,
) -> Any:  # noqa: ANN401  (an entry, of a function that has no types)
    """Call `add_lines_below`, which takes the number of vectors as a constant."""
    if n_vectors == 3:
        return add_lines_below(values, places, lines, out, entries, 3)
    if n_vectors == 4:
        return add_lines_below(values, places, lines, out, entries, 4)
    return add_lines_below(values, places, lines, out, entries, MAX_VECTORS)


def _parts(n_columns: int) -> list[tuple[int, slice]]:
    """Cut columns into as few parts as there have to be, of about as many whole vectors each."""
    n_vectors = max(1, math.ceil(n_columns / LANES))
    n_parts = math.ceil(n_vectors / MAX_VECTORS)
    bounds = [n_vectors * part // n_parts for part in range(n_parts + 1)]
    return [(stop - start, slice(start * LANES, stop * LANES)) for start, stop in pairwise(bounds)]


def _aligned_zeros(n_floats: int) -> Floats:
    """Return zeros that start where the processor fetches from, which halves the time."""
    floats = np.zeros(n_floats + ALIGNMENT // 4, np.float32)
    start = -floats.ctypes.data % ALIGNMENT // 4
    return floats[start : start + n_floats]
