"""Cells of another tissue beside known cells from another laboratory: which are called unknown.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/foreign.py

The default is fitted on the training cells of each task abroad. It names their test cells, whose
types are all known, and the cells of another tissue: of the pancreas for a model of blood. How many
look more novel than 95 % and than 99.9 % of known cells, and how many are called unknown, goes to
benchmarks/results/trust_foreign.jsonl, a row each,
and the table into docs/decisions/0025-novelty.md.
"""

from collections.abc import Iterator
from typing import Any

from held_out import default_of
from peer_table import write_between_markers
from record import ROOT, Row, provenance, save, shared_data
from tasks import Task, choose_tasks

import cellclassifier as cc
from cellclassifier.classifier.trusting import NOVEL, VERY_NOVEL

FOREIGN = "baron_pancreas.h5ad"
PAGE = ROOT / "docs" / "decisions" / "0025-novelty.md"
MARKER = "<!-- table of benchmarks/trust/foreign.py -->"
COLUMNS = {
    "task": "task",
    "cells": "cells",
    "shift": "shift",
    "novel": "novel",
    "very_novel": "very novel",
    "unknown": "called unknown",
}

Cells = Any  # AnnData has no types


def main() -> None:
    """Measure, save and print."""
    rows = [row for task in choose_tasks("abroad") for row in rows_of(task)]
    save("trust_foreign.jsonl", rows, lambda _: True)
    write_between_markers(PAGE, table(rows), MARKER)


def table(rows: list[Row]) -> str:
    """Return the Markdown table."""
    lines = [f"| {' | '.join(COLUMNS.values())} |", f"|{'---|' * len(COLUMNS)}"]
    for row in rows:
        shown = [row[name] if name in ("task", "cells") else f"{row[name]:.3f}" for name in COLUMNS]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def rows_of(task: Task) -> Iterator[Row]:
    """Yield what is said of known cells from elsewhere, and of cells of another tissue."""
    split = task.split(0)
    classifier, size_key = default_of(split)
    foreign = cc.read_cells(shared_data(FOREIGN)).to_memory()
    recipe = provenance(shared_data(task.data[-1]))
    for name, cells, key in (("known", split.test, size_key), ("pancreas", foreign, None)):
        yield {"task": task.name, "cells": name, **said_of(classifier, cells, key), **recipe}


def said_of(classifier: cc.CellTypeClassifier, cells: Cells, size_key: str | None) -> Row:
    """Return how novel cells look, and how many are called unknown."""
    named = classifier.classify(cells, library_size_key=size_key)
    trust = named.trust
    assert trust is not None  # noqa: S101
    return {
        "n_cells": len(named),
        "shift": named.shift,
        "novel": round(float((trust.novelty >= NOVEL).mean()), 4),
        "very_novel": round(float((trust.novelty >= VERY_NOVEL).mean()), 4),
        "unknown": round(float((trust.statuses == "unknown").mean()), 4),
    }


if __name__ == "__main__":
    main()
