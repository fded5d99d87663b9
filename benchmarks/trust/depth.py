"""Shallow cells and missing genes: what scores are worth there, calibrated for it and not.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/depth.py

The default is fitted on four fifths of each set; the counts of the last fifth, which no part of
training saw, are thinned (each is kept with the same probability), and genes are left out at
random. "As it is" is the same model without the cells that training set apart, and so without what
calibrates its scores (`docs/decisions/0035-shallow-cells.md`). One row a set and setting goes to
benchmarks/results/trust_depth.jsonl, and the table into docs/trust.md.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import anndata as ad
import numpy as np
from held_out import default_of
from peer_table import write_between_markers
from record import RESULTS, ROOT, Row, provenance, save, shared_data
from rows import Rows
from scipy import sparse
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, Home, Task, choose_tasks

import cellclassifier as cc

RESULTS_FILE = "trust_depth.jsonl"
PAGE = ROOT / "docs" / "trust.md"
MARKER = "<!-- table of benchmarks/trust/depth.py -->"
# shares of the counts and of the genes that are left
SETTINGS = ((0.5, 1.0), (0.25, 1.0), (0.1, 1.0), (1.0, 0.5), (0.5, 0.5))
COVERAGE = 0.9
SCORES = {
    "accuracy": "accuracy",
    "log_loss": "log-loss",
    "ece": "ECE",
    "coverage": "sets of 90 %",
    "unknown": "called unknown",
}

Cells = Any  # AnnData has no types


def main() -> None:
    """Measure, save and write the table."""
    tasks = [*choose_tasks("home"), Home("pbmc3k", ("pbmc3k.h5ad",))]
    for task in tasks:
        rows = list(rows_of(task))
        save(RESULTS_FILE, rows, partial(is_of, task.name))
        print(task.name, flush=True)
    write_between_markers(PAGE, table(Rows(RESULTS / RESULTS_FILE).read()), MARKER)


def is_of(task: str, row: Row) -> bool:
    """Return whether a row is of a set."""
    return bool(row["task"] == task)


def rows_of(task: Task) -> Iterator[Row]:
    """Yield a row for each setting, of the first fold."""
    split = task.split(0)
    calibrated, size_key = default_of(split)
    as_it_is = copy(calibrated)
    as_it_is.manifest_ = replace(calibrated.manifest_, sample=None)
    recipe = provenance(shared_data(task.data[0]))
    for counts_left, genes_left in SETTINGS:
        cells = cut_down(split.test, counts_left, genes_left)
        yield {
            "task": task.name,
            "fold": 0,
            "n_cells": cells.n_obs,
            "counts_left": counts_left,
            "genes_left": genes_left,
            "as_it_is": scores_of(as_it_is, cells, size_key),
            "calibrated": scores_of(calibrated, cells, size_key),
            **recipe,
        }


def cut_down(cells: Cells, counts_left: float, genes_left: float) -> Cells:
    """Return cells with a share of their counts, and of their genes."""
    rng = np.random.default_rng(SEED)
    genes = np.sort(rng.permutation(cells.n_vars)[: round(genes_left * cells.n_vars)])
    whole = sparse.csr_matrix(cells.X, dtype=np.float32)
    counts = whole.copy()
    counts.data = rng.binomial(np.rint(counts.data).astype(np.int64), counts_left).astype("f4")
    counts.eliminate_zeros()
    obs = cells.obs.copy()
    if LIBRARY_SIZE_KEY in obs:
        outside = (
            obs[LIBRARY_SIZE_KEY].to_numpy(dtype=float) - np.asarray(whole.sum(axis=1)).ravel()
        )
        kept = rng.binomial(np.rint(np.maximum(outside, 0)).astype(np.int64), counts_left)
        obs[LIBRARY_SIZE_KEY] = np.asarray(counts.sum(axis=1)).ravel() + kept
    return ad.AnnData(counts, obs=obs, var=cells.var.copy())[:, genes].copy()


def scores_of(classifier: cc.CellTypeClassifier, cells: Cells, size_key: str | None) -> Row:
    """Return what comes of cells, and the depth that scores were calibrated for."""
    named = classifier.classify(cells, library_size_key=size_key)
    found = cc.evaluate(cells.obs[LABELS_KEY].astype(str), named)
    unknown = found.by_status.get("unknown")
    assert found.sets is not None  # noqa: S101
    return {
        "accuracy": round(found.accuracy, 4),
        "log_loss": round(found.log_loss, 4),
        "ece": round(found.ece, 4),
        "coverage": round(found.sets.coverage, 4),
        "set_size": round(found.sets.mean_size, 3),
        "unknown": 0.0 if unknown is None else round(unknown.n_cells / found.n_cells, 4),
        "calibrated_depth": named.calibrated_depth,
        "shift": named.shift,
    }


def table(rows: list[Row]) -> str:
    """Return the Markdown table."""
    columns = ["set", "counts left", "genes left", *SCORES.values()]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in rows:
        pairs = [f"{row['as_it_is'][name]:.3f} → {row['calibrated'][name]:.3f}" for name in SCORES]
        facts = [row["task"], f"{row['counts_left']:g}", f"{row['genes_left']:g}"]
        lines.append(f"| {' | '.join([*facts, *pairs])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
