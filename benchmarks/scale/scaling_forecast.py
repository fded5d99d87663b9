"""From what was measured to 100 million cells, with the arithmetic; for scaling.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from record import Row
from scaling_figures import (
    SMALLEST,
    Line,
    Measured,
    digits,
    duration,
    memory_growth,
    microseconds,
    table,
)
from scaling_tables import LINEAR_FROM, USUAL_CELLS, network_share

CELLS = 100_000_000
# assumed
MANY_CORES, MACHINES = 32, 10
DISKS = {"a hard disk": 0.2, "a solid-state disk": 2.0}  # GB/s
BUS_GB_PER_SECOND, BYTES_PER_VALUE = 12.0, 4
STEPS = ("rank", "keep", "epoch", "rest")


@dataclass(frozen=True)
class Figure:
    """A number that follows from others.

    Parameters
    ----------
    what
        It is.
    arithmetic
        How it follows.
    result
        With its unit.
    """

    what: str
    arithmetic: str
    result: str


def figures_table(figures: Iterator[Figure]) -> str:
    """Return figures as a Markdown table."""
    rows = ([figure.what, figure.arithmetic, figure.result] for figure in figures)
    return table(["", "arithmetic", "result"], rows)


def naming(measured: Measured) -> Iterator[Figure]:
    """Yield what naming takes, on one machine, on a larger one, on ten, and with a GPU."""
    rows = measured.over_cells("name")
    line, ending = Line.through(rows), Line.through(rows, "table_seconds")
    read = Line.through(measured.over_cells("read"), "cpu_seconds")
    blocks = Line.through(rows, "blocks_cpu_seconds")
    on_dask = measured.over_cells("name on dask")
    dask, by_one = (Line.through(on_dask, f"{part}_seconds") for part in ("blocks", "table"))

    yield _time("one machine, two cores, as measured", line.start, {"": line.per_cell})
    yield _time("of it, what is left of the table in the end", 0, {"": ending.per_cell})
    shared = blocks.per_cell / MANY_CORES
    bound = "reading" if read.per_cell > shared else "naming"
    slower = max(read.per_cell, shared)
    yield Figure(
        f"one machine, {MANY_CORES} cores: a cell",
        f"the longer of reading, {microseconds(read.per_cell)} µs on one core, and the work, "
        f"{microseconds(blocks.per_cell)} µs / {MANY_CORES}",
        f"{microseconds(slower)} µs, {bound}",
    )
    yield _time(
        f"one machine, {MANY_CORES} cores, at best",
        line.start,
        {"": slower, "the table": ending.per_cell},
    )
    each = dask.per_cell / MACHINES
    yield _time(
        f"{MACHINES} machines of two cores, on Dask",
        dask.start,
        {f"a tenth of {microseconds(dask.per_cell)}": each, "the table": by_one.per_cell},
    )
    yield from _gpu(measured, line)


def _gpu(measured: Measured, line: Line) -> Iterator[Figure]:
    stages = measured.one("stages", USUAL_CELLS, 1)
    share, genes = network_share(stages, measured.one("name", USUAL_CELLS)), stages["genes"]
    yield _time(
        "two cores and a GPU, at best",
        line.start,
        {f"{microseconds(line.per_cell)} less {100 * share:.0f} %": line.per_cell * (1 - share)},
    )
    n_bytes = genes * BYTES_PER_VALUE
    yield Figure(
        "its cells over the bus, dense",
        f"{genes:,} genes x {BYTES_PER_VALUE} bytes / {BUS_GB_PER_SECOND:.0f} GB/s x {CELLS:,}",
        duration(n_bytes / (BUS_GB_PER_SECOND * 1e9) * CELLS),
    )


def _time(what: str, start: float, per_cell: dict[str, float]) -> Figure:
    """Return the time of all cells: a start, and microseconds a cell, each with its reason."""
    words = " + ".join(
        f"{microseconds(seconds)} µs{f' ({why})' if why else ''}"
        for why, seconds in per_cell.items()
    )
    words = f"({words})" if len(per_cell) > 1 else words
    total = start + sum(per_cell.values()) * CELLS
    before = f"{digits(start)} s + " if abs(start) >= SMALLEST else ""
    return Figure(what, f"{before}{words} x {CELLS:,}", duration(total))


def room(measured: Measured) -> Iterator[Figure]:
    """Yield what naming needs of disks and of memory."""
    row = measured.over_cells("name")[-1]
    per_cell = 1e6 * row["file_mb"] / row["n_cells"]
    total = per_cell * CELLS
    yield Figure(
        "the file, not compressed", f"{per_cell:,.0f} bytes x {CELLS:,}", f"{total / 1e12:.2f} TB"
    )
    for disk, speed in DISKS.items():
        yield Figure(
            f"reading it from {disk}",
            f"{total / 1e12:.2f} TB / {speed} GB/s",
            duration(total / (speed * 1e9)),
        )
    line = Line.through(measured.over_cells("name"))
    yield Figure(
        "what two cores ask of the disk",
        f"{per_cell:,.0f} bytes / {microseconds(line.per_cell)} µs",
        f"{per_cell / line.per_cell / 1e9:.2f} GB/s",
    )
    of_table = 1e6 * row["table_mb"] / row["n_cells"]
    yield Figure(
        "the table of annotations",
        f"{of_table:,.0f} bytes x {CELLS:,}",
        f"{of_table * CELLS / 1e9:.1f} GB",
    )
    yield _memory("memory", measured.over_cells("name"))


def _memory(what: str, rows: Sequence[Row]) -> Figure:
    _, per_cell = memory_growth(rows, USUAL_CELLS)
    last = rows[-1]
    more = max(per_cell, 0.0) * (CELLS - last["n_cells"])
    return Figure(
        what,
        f"{last['peak_mb'] / 1e3:.2f} GB at {last['n_cells']:,} + {digits(max(per_cell, 0.0))} "
        f"bytes for each more",
        f"{last['peak_mb'] / 1e3 + more / 1e9:.1f} GB",
    )


def training(measured: Measured) -> Iterator[Figure]:
    """Yield what training takes on one machine of two cores."""
    rows = [row for row in measured.over_cells("train") if row["n_cells"] >= LINEAR_FROM]
    lines = {step: Line.through(rows, f"{step}_seconds") for step in STEPS}
    names = {
        "rank": "first pass: proved, genes ranked",
        "keep": "second pass: counts of the panel kept",
        "epoch": "towers: all cells once",
        "rest": "linear heads, weights, trust",
    }
    for step, line in lines.items():
        yield _time(names[step], max(line.start, 0.0), {"": max(line.per_cell, 0.0)})
    total = sum(max(line.start, 0.0) + max(line.per_cell, 0.0) * CELLS for line in lines.values())
    yield Figure("in all, two cores", "the sum", duration(total))
    epoch, scan = lines["epoch"].per_cell, Line.through(rows, "scan_seconds").per_cell
    yield Figure(
        "towers with a GPU, at best",
        f"no less than reading what is kept, {microseconds(scan)} µs x {CELLS:,}, of "
        f"{microseconds(epoch)} µs",
        duration(scan * CELLS),
    )
    kept = 1e6 * rows[-1]["kept_mb"] / rows[-1]["n_cells"]
    yield Figure(
        "counts kept on disk", f"{kept:,.0f} bytes x {CELLS:,}", f"{kept * CELLS / 1e9:.0f} GB"
    )
