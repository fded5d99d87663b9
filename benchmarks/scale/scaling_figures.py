"""Lines through measured points, and the words for their numbers; for scaling.py."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from record import Row

BENCHMARK = "growth"
GENES, TYPES = 2000, 10
# what is measured on one core, one thread doing all of it
ON_ONE_CORE = ("read", "align", "stages")
SMALLEST, MIN_TO_BEND = 1e-6, 3
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True)
class Line:
    """Time as a line over cells.

    Parameters
    ----------
    start
        Seconds whatever the number of cells.
    per_cell
        Seconds a cell.
    """

    start: float
    per_cell: float

    @classmethod
    def through(cls, rows: Sequence[Row], key: str = "seconds") -> "Line":
        """Return the line of the smallest relative errors.

        >>> rows = [{"n_cells": n, "seconds": 2 + 0.5 * n} for n in (10, 20, 90)]
        >>> line = Line.through(rows)
        >>> round(line.start, 6), round(line.per_cell, 6)
        (2.0, 0.5)
        """
        n_cells = np.array([row["n_cells"] for row in rows], dtype=float)
        seconds = np.array([row[key] for row in rows])
        per_cell, start = np.polyfit(n_cells, seconds, 1, w=1 / seconds)
        return cls(float(start), float(per_cell))

    def at(self, n_cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the seconds of so many cells."""
        return self.start + self.per_cell * n_cells


@dataclass(frozen=True)
class Measured:
    """The rows of growth.py.

    Parameters
    ----------
    rows
        Of a results file; rows of other benchmarks are passed over.
    """

    rows: Sequence[Row]

    def over_cells(self, part: str, cores: int | None = None) -> list[Row]:
        """Return a part's rows with the usual model, by their cells."""
        cores = (1 if part in ON_ONE_CORE else 2) if cores is None else cores
        found = [
            row
            for row in self.own()
            if (row["part"], row["cores"]) == (part, cores)
            and (row["genes"], row["n_types"]) in ((GENES, TYPES), (None, None))
        ]
        return sorted(found, key=lambda row: int(row["n_cells"]))

    def over_models(self, part: str, n_cells: int) -> list[Row]:
        """Return a part's rows on so many cells, by genes and types; one core count each."""
        cores = 1 if part in ON_ONE_CORE else 2
        found = [
            row
            for row in self.own()
            if (row["part"], row["n_cells"], row["cores"]) == (part, n_cells, cores)
        ]
        return sorted(found, key=_size_of_model)

    def one(self, part: str, n_cells: int, cores: int | None = None) -> Row:
        """Return the row of a part with the usual model."""
        (row,) = (row for row in self.over_cells(part, cores) if row["n_cells"] == n_cells)
        return row

    def own(self) -> Iterable[Row]:
        """Yield the rows, without those of other benchmarks."""
        return (row for row in self.rows if row.get("benchmark") == BENCHMARK)


def _size_of_model(row: Row) -> tuple[int, float]:
    return row["n_types"], float("inf") if row["genes"] == "all" else row["genes"]


def bend(rows: Sequence[Row], key: str = "cpu_seconds") -> float:
    """Return the slope between the last two points over that between the first two.

    It takes three points; NaN where there are fewer.

    >>> bend([{"n_cells": n, "cpu_seconds": n * n} for n in (1, 2, 3, 4)])
    2.3333333333333335
    """
    if len(rows) < MIN_TO_BEND:
        return float("nan")
    first, second, *_ = rows
    *_, before, last = rows
    return _slope(before, last, key) / _slope(first, second, key)


def _slope(before: Row, after: Row, key: str) -> float:
    slope: float = (after[key] - before[key]) / (after["n_cells"] - before["n_cells"])
    return slope


def memory_growth(rows: Sequence[Row], from_cells: int) -> tuple[float, float]:
    """Return peak memory at the largest file over that at so many cells, and bytes a cell between.

    The bytes are those of the work, what was there before it began left out.

    >>> rows = [
    ...     {"n_cells": 10, "peak_mb": 5.0, "peak_mb_before": 2.0},
    ...     {"n_cells": 20, "peak_mb": 6.0, "peak_mb_before": 2.5},
    ... ]
    >>> memory_growth(rows, 10)
    (1.2, 50000.0)
    """
    # the largest file is not compared with itself
    base = [row for row in rows[:-1] if row["n_cells"] <= from_cells][-1]
    ratio: float = rows[-1]["peak_mb"] / base["peak_mb"]
    per_cell = _slope(base, rows[-1], "peak_mb") - _slope(base, rows[-1], "peak_mb_before")
    return ratio, 1e6 * per_cell


def duration(seconds: float) -> str:
    """Return a time in the unit that reads best.

    >>> [duration(seconds) for seconds in (2.345, 700, 9000, 400_000)]
    ['2.3 s', '12 min', '2.5 h', '4.6 days']
    """
    for unit, length, digits in (("days", DAY, 1), ("h", HOUR, 1), ("min", MINUTE, 0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds:.1f} s"


def microseconds(seconds: float) -> str:
    """Return seconds as microseconds, to three digits.

    >>> microseconds(0.00012345)
    '123'
    """
    return digits(1e6 * seconds)


def digits(value: float, n_digits: int = 3) -> str:
    """Return a number to some digits, never in powers of ten.

    >>> [digits(value) for value in (0.01234, 9.999, 12.345, 123456.0, 1e-15)]
    ['0.0123', '10.0', '12.3', '123,456', '0']
    """
    if abs(value) < SMALLEST:
        return "0"
    # rounded first, for it may gain a digit
    power = int(f"{value:.{n_digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(n_digits - 1 - power, 0)}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
