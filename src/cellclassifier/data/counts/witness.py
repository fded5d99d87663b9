"""The quick proof: one unit a cell that all its values agree with.

The intervals of a cell share a unit exactly where one can be shown: if |value - count x unit| stays
within the rounding of each value, for whole counts, then each interval contains that multiple; and
if the interval and the doubt about the unit together span less than half a count, it contains no
other. What the witness cannot show is left to the intervals, which decide.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.data.counts.cells import BLOCK_VALUES, FilledCells, Floats
from cellclassifier.data.counts.transforms import FLOAT32_ULPS, Transform

# from so many values on, importing the compiler takes less time than NumPy's passes
MIN_COMPILED = 5_000_000
# values that the compiled proof takes at a time
COMPILED_BLOCK = 2**17
# a value's interval and its unit's together, in counts
MAX_SPAN = 0.5
# how much narrower the rounding is taken, for what squares of it and float64 itself leave out
MARGIN = 0.999
# sums of whole float32 numbers are exact up to here
MAX_EXACT_SUM = 2**24


Witness = Callable[
    [FilledCells, Transform, Floats | None, float | None, npt.NDArray[np.float32]],
    tuple[npt.NDArray[np.bool_], Floats, Floats],
]


def choose_witness(
    cells: FilledCells, transform: Transform, constant: float | None
) -> tuple[Witness, int]:
    """Return how to look for units, and how many values to look at at a time."""
    is_single = cells.values.dtype == np.float32
    is_large = len(cells.values) >= MIN_COMPILED
    if transform.kind == "log" and constant is not None and is_single and is_large:
        return _compiled, COMPILED_BLOCK
    return witnessed, BLOCK_VALUES


def _compiled(
    cells: FilledCells,
    transform: Transform,
    unit: Floats | None,
    constant: float | None,
    counts: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Do what `witnessed` does, for logarithms of counts whose constant is known."""
    from cellclassifier.data.counts.kernel import prove_logarithms  # brings the compiler

    wanted = None
    if unit is None and constant is not None:
        # the smallest value is near enough to one count to tell the sum, which is whole
        smallest = transform.undone(cells.per_cell(np.minimum, cells.values))
        wanted = np.rint(constant / smallest)
        unit = constant / np.maximum(wanted, 1.0)
    unit = np.ones(len(cells)) if unit is None else unit
    summary = np.empty((3, len(cells)))
    share = MARGIN * FLOAT32_ULPS * transform.steepness
    prove_logarithms(cells.values, cells.bounds, unit, transform.log_base, share, counts, summary)
    n_off, total, largest = summary
    sure = (_span(largest, unit, transform) < MAX_SPAN) & (total < MAX_EXACT_SUM)
    if wanted is not None:
        sure &= total == wanted
    return (n_off == 0) & sure, unit, total


def witnessed(
    cells: FilledCells,
    transform: Transform,
    unit: Floats | None,
    constant: float | None,
    counts: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Count each value in a unit and say of which cells that proves the counts.

    Parameters
    ----------
    cells
        A block of them, small enough for the cache; no value is within its rounding of zero.
    unit
        Shape (n_cells,): what one count is scaled to; without it, the smallest value.
    constant
        What the counts of each cell are scaled to, where `unit` is not given; without it, what they
        add up to.
    counts
        Shape (n_values,), where the counts are written.

    Returns
    -------
    Which cells are proved, the unit of each, and the sum of its counts.
    """
    scaled = _scaled(cells.values, transform)
    single = scaled.astype(np.float32)
    first_unit = cells.per_cell(np.minimum, single) if unit is None else unit
    np.multiply(single, cells.spread((1 / first_unit).astype(np.float32)), out=counts)
    np.rint(counts, out=counts)
    total = cells.per_cell(np.add, counts)
    if unit is None:
        unit = (cells.per_cell(np.add, scaled) if constant is None else constant) / total
    off = cells.spread(unit)
    off *= counts
    off -= scaled
    rounding = _rounding(cells.values, single, transform)
    agrees = np.less_equal(np.abs(off, out=single, casting="same_kind"), rounding)
    sure = (_span(cells.per_cell(np.maximum, counts), unit, transform) < MAX_SPAN) & (
        total < MAX_EXACT_SUM
    )
    return np.logical_and.reduceat(agrees, cells.starts) & sure, unit, total


def _scaled(values: npt.NDArray[Any], transform: Transform) -> Floats:
    """Return scaled counts in double precision."""
    scaled = values.astype(np.float64)
    if transform.kind == "log":
        if transform.log_base != 1.0:
            scaled *= transform.log_base
        np.exp(scaled, out=scaled)  # several times faster than expm1, and as exact as 1 + x was
        scaled -= 1.0
    elif transform.kind == "root":
        scaled *= scaled
    return scaled


def _rounding(
    values: npt.NDArray[Any], scaled: npt.NDArray[np.float32], transform: Transform
) -> npt.NDArray[np.float32]:
    """Return how far scaled counts may be off."""
    share = np.float32(MARGIN * FLOAT32_ULPS * transform.steepness)
    if transform.kind != "log":
        return scaled * share
    rounding = scaled + np.float32(1)
    rounding *= np.maximum(values, share.dtype.type(1)).astype(np.float32, copy=False)
    rounding *= share
    return rounding


def _span(largest: Floats, unit: Floats, transform: Transform) -> Floats:
    """Bound how many counts wide a value's interval and the doubt about its unit are together."""
    slack = FLOAT32_ULPS * transform.steepness
    if transform.kind != "log":
        return 4 * slack * largest
    value = np.maximum(np.log1p(largest * unit) / transform.log_base, 1.0)
    return np.asarray(2 * slack * value * ((largest + 1 / unit) + largest * (1 + 1 / unit)))
