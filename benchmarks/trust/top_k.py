"""Sets that hold the type nine times in ten, beside a peer's most probable types.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/top_k.py

A peer without prediction sets can give its k most probable types for each cell. The peer is the
best linear one of the accuracy benchmark, logistic regression, with the C that its inner folds
chose there; first fold of each task at home. Ours are the rows of sets.py on the same cells: sets
of 90 % with the most probable type kept, and without. Rows go to
benchmarks/results/trust_top_k.jsonl, the table into docs/trust.md.
"""

import warnings
from typing import Any

import numpy as np
import scanpy as sc
from peer_table import write_between_markers
from record import RESULTS, ROOT, Row, provenance, save, shared_data
from rows import Rows
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from tasks import LABELS_KEY, Task, choose_tasks

PAGE = ROOT / "docs" / "trust.md"
MARKER = "<!-- table of benchmarks/trust/top_k.py -->"
PEER, FOLD, COVERAGE = "logistic-regression", 0, 0.9
MAX_K = 3
MIN_CELLS_OF_A_GENE = 3

Cells = Any  # AnnData has no types


def main() -> None:
    """Measure, save and write the table."""
    rows = [row_of(task) for task in choose_tasks("home")]
    save("trust_top_k.jsonl", rows, lambda _: True)
    write_between_markers(PAGE, table(rows), MARKER)


def row_of(task: Task) -> Row:
    """Return how often the k most probable types of the peer hold the true one."""
    split, c = task.split(FOLD), chosen_c(task.name)
    seen = np.asarray(split.training.X.getnnz(axis=0)).ravel() >= MIN_CELLS_OF_A_GENE
    training, test = (log_normalised(cells)[:, seen].X for cells in (split.training, split.test))
    peer = LogisticRegression(C=c)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(training, split.training.obs[LABELS_KEY].astype(str))
    ranked = peer.classes_[np.argsort(-peer.predict_proba(test), axis=1)]
    is_true = ranked == split.test.obs[LABELS_KEY].astype(str).to_numpy()[:, None]
    return {
        "task": task.name,
        "fold": FOLD,
        "peer": PEER,
        "C": c,
        "n_cells": len(is_true),
        "top": {str(k): round(float(is_true[:, :k].any(axis=1).mean()), 4) for k in ks()},
        **provenance(shared_data(task.data[0])),
    }


def ks() -> range:
    """Return how many types are given."""
    return range(1, MAX_K + 1)


def chosen_c(task: str) -> float:
    """Return the C that the accuracy benchmark chose."""
    rows = Rows(RESULTS / "accuracy.jsonl").read()
    own = [row for row in rows if (row["task"], row["method"], row["fold"]) == (task, PEER, FOLD)]
    return float(own[-1]["chosen"]["C"])


def log_normalised(cells: Cells) -> Cells:
    """Return log1p of counts per 10,000."""
    cells = cells.copy()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    return cells


def table(rows: list[Row]) -> str:
    """Return the Markdown table."""
    sets = {
        row["task"]: row for row in Rows(RESULTS / "trust_sets.jsonl").read() if row["fold"] == FOLD
    }
    columns = ["task", "sets: hold it", "types", "with the best kept", "types"]
    columns += [f"peer's first {k}" if k > 1 else "peer's first" for k in ks()]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in rows:
        ours = [set_of(sets[row["task"]], keep_best=kept) for kept in (False, True)]
        shown = [f"{one['coverage']:.3f} | {one['mean_size']:.2f}" for one in ours]
        shown += [f"{row['top'][str(k)]:.3f}" for k in ks()]
        lines.append(f"| {row['task']} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def set_of(row: Row, *, keep_best: bool) -> Row:
    """Return the scores of the sets of 90 % of one kind."""
    about = {"method": "best-first", "keep_best": keep_best, "wanted": COVERAGE}
    found: Row = next(one for one in row["sets"] if about.items() <= one.items())
    return found


if __name__ == "__main__":
    main()
