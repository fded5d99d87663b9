"""What was measured, as the tables of docs/scaling.md; for scaling.py."""

from collections.abc import Sequence

from record import Row
from scaling_figures import (
    MIN_TO_BEND,
    Line,
    Measured,
    bend,
    digits,
    memory_growth,
    microseconds,
    table,
)

PARTS = {"read": "read", "align": "align", "name": "name", "train": "train"}
USUAL_CELLS = 100_000
# linear heads of training look at 20,000 cells at most, of five folds each at four fifths
LINEAR_FROM = 30_000
# as `annotate` does them, but for aligning, which the default network does in one with the product
STAGES = ("read", "prove", "network", "trust", "keep")


def conditions(measured: Measured) -> str:
    """Say what the rows were measured on, and what else the machine did meanwhile."""
    rows = list(measured.own())
    loads = [row["load_average"] for row in rows]
    machines, commits = (sorted({row[key] for row in rows}) for key in ("machine", "commit"))
    fewest, most = (choose(row["repeats"] for row in rows) for choose in (min, max))
    times = "once" if most == 1 else f"{fewest} to {most} times; the median counts"
    return (
        f"Measured on {', '.join(machines)}, whose load was {min(loads)} to {max(loads)} "
        f"meanwhile, by version {', '.join(commits)}; each {times}."
    )


def cells_table(measured: Measured) -> str:
    """Return seconds, processor seconds and peak memory of each part by the number of cells."""
    by_part = {part: {r["n_cells"]: r for r in measured.over_cells(part)} for part in PARTS}
    sizes = sorted({n_cells for rows in by_part.values() for n_cells in rows})
    head = ["cells", *(f"{word}: s, CPU s, MB" for word in PARTS.values())]
    return table(
        head,
        (
            [f"{n_cells:,}", *(_cost(rows.get(n_cells)) for rows in by_part.values())]
            for n_cells in sizes
        ),
    )


def _cost(row: Row | None) -> str:
    if row is None:
        return ""
    seconds = ", ".join(digits(row[key]) for key in ("seconds", "cpu_seconds"))
    return f"{seconds}, {row['peak_mb']:,.0f}"


def lines_table(measured: Measured) -> str:
    """Return the line of each part's time, how far it bends, and what memory does."""
    head = ["", "start: s", "a cell: µs", "a cell: CPU µs", "bend", "memory", "a cell: bytes"]
    return table(head, (_line(part, measured.over_cells(part)) for part in PARTS))


def _line(part: str, rows: Sequence[Row]) -> list[str]:
    if part == "train":
        rows = [row for row in rows if row["n_cells"] >= LINEAR_FROM]
    line, cpu = Line.through(rows), Line.through(rows, "cpu_seconds")
    ratio, per_cell = memory_growth(rows, USUAL_CELLS)
    return [
        PARTS[part],
        digits(line.start),
        microseconds(line.per_cell),
        microseconds(cpu.per_cell),
        "" if len(rows) < MIN_TO_BEND else f"{bend(rows):.2f}",
        f"{ratio:.2f}",
        digits(per_cell),
    ]


def models_table(measured: Measured) -> str:
    """Return what a cell takes by the genes and types of the model."""
    head = ["genes", "types", "align: CPU µs", "name: CPU µs", "name: s", "MB"]
    aligned = {_model(row): row for row in measured.over_models("align", USUAL_CELLS)}
    rows = (
        [
            *_model(row),
            microseconds(aligned[_model(row)]["cpu_seconds"] / USUAL_CELLS),
            microseconds(row["cpu_seconds"] / USUAL_CELLS),
            digits(row["seconds"]),
            f"{row['peak_mb']:,.0f}",
        ]
        for row in measured.over_models("name", USUAL_CELLS)
    )
    return table(head, rows)


def _model(row: Row) -> tuple[str, str]:
    genes = row["genes"] if isinstance(row["genes"], str) else f"{row['genes']:,}"
    return genes, str(row["n_types"])


def stages_table(measured: Measured) -> str:
    """Return the processor time of each step of naming, by model, and the network's share."""
    head = ["genes", "types", *STAGES, "write", "the network's share", "align"]
    named = {_model(row): row for row in measured.over_models("name", USUAL_CELLS)}
    rows = (
        [
            *_model(row),
            *(microseconds(row[f"{stage}_cpu_seconds"] / USUAL_CELLS) for stage in STAGES),
            microseconds(named[_model(row)]["table_cpu_seconds"] / USUAL_CELLS),
            f"{100 * network_share(row, named[_model(row)]):.0f} %",
            microseconds(row["align_cpu_seconds"] / USUAL_CELLS),
        ]
        for row in measured.over_models("stages", USUAL_CELLS)
    )
    return table(head, rows)


def network_share(stages: Row, named: Row) -> float:
    """Return the network's share of the processor time of naming, the start left out.

    >>> stages = {f"{stage}_cpu_seconds": 1.0 for stage in STAGES}
    >>> network_share(stages, {"table_cpu_seconds": 5.0})
    0.1
    """
    all_steps = sum(stages[f"{stage}_cpu_seconds"] for stage in STAGES)
    share: float = stages["network_cpu_seconds"] / (all_steps + named["table_cpu_seconds"])
    return share


def cores_table(measured: Measured) -> str:
    """Return the time of the blocks on one core, on two, and by two processes of Dask."""
    rows = [
        ("one core", measured.one("name", USUAL_CELLS, 1)),
        ("two cores", measured.one("name", USUAL_CELLS)),
        *(
            (f"two processes of Dask, {row['n_cells']:,} cells", row)
            for row in measured.over_cells("name on dask")
        ),
    ]
    head = ["", "to settle: s", "blocks: s", "table: s", "in all: CPU s"]
    keys = ("settling_seconds", "blocks_seconds", "table_seconds", "cpu_seconds")
    return table(head, ([word, *(digits(row[key]) for key in keys)] for word, row in rows))


def training_table(measured: Measured) -> str:
    """Return the processor seconds of each step of training, and what is kept on disk."""
    head = ["cells", "genes", "types", "rank", "keep", "epoch", "rest", "scan", "kept: MB", "MB"]
    rows = [*measured.over_cells("train")]
    usual = {(row["n_cells"], *_model(row)) for row in rows}
    rows += [
        row
        for n_cells in sorted({row["n_cells"] for row in rows})
        for row in measured.over_models("train", n_cells)
        if (n_cells, *_model(row)) not in usual
    ]
    keys = [f"{step}_cpu_seconds" for step in ("rank", "keep", "epoch", "rest", "scan")]
    return table(
        head,
        (
            [
                f"{row['n_cells']:,}",
                *_model(row),
                *(digits(row[key]) for key in keys),
                digits(row["kept_mb"]),
                f"{row['peak_mb']:,.0f}",
            ]
            for row in rows
        ),
    )
