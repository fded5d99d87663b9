"""The tables of docs/scaling.md and its plot, from the rows of growth.py alone.

    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/scaling.py

Writes each table between its markers, and docs/images/scaling.png.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import scaling_forecast
import scaling_tables
from record import RESULTS, ROOT
from scaling_figures import Measured
from scaling_plot import draw

PAGE = ROOT / "docs" / "scaling.md"
PLOT = ROOT / "docs" / "images" / "scaling.png"
BEGIN, END = "<!-- {name}, by benchmarks/scale/scaling.py -->", "<!-- end of {name} -->"
TABLES: Mapping[str, Callable[[Measured], str]] = {
    "conditions": scaling_tables.conditions,
    "cells": scaling_tables.cells_table,
    "lines": scaling_tables.lines_table,
    "models": scaling_tables.models_table,
    "stages": scaling_tables.stages_table,
    "cores": scaling_tables.cores_table,
    "training": scaling_tables.training_table,
    "naming 100 million": lambda measured: scaling_forecast.figures_table(
        scaling_forecast.naming(measured)
    ),
    "room for 100 million": lambda measured: scaling_forecast.figures_table(
        scaling_forecast.room(measured)
    ),
    "training on 100 million": lambda measured: scaling_forecast.figures_table(
        scaling_forecast.training(measured)
    ),
}


def main() -> None:
    """Write the tables, and draw the plot."""
    measured = read(RESULTS / "scale.jsonl")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), measured), encoding="utf-8")
    draw(measured, PLOT)
    print(f"wrote {PAGE.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")


def read(path: Path) -> Measured:
    """Return the rows of a results file."""
    return Measured([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])


def with_tables(page: str, measured: Measured) -> str:
    """Return a page with each table between its markers.

    Raises
    ------
    ValueError
        Markers are missing.
    """
    for name, make in TABLES.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, found, rest = page.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"the page needs the lines {begin} and {end}, in this order")
        page = f"{before}{begin}\n\n{make(measured)}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    main()
