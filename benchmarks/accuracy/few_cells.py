"""What a reference with one to three cells of a type is worth, with and without lifted biases.

    PYTHONPATH=src python benchmarks/accuracy/few_cells.py [--tasks cbmc_citeseq] [--draws 0 1]

Of each set the training part of designs.py is split into four fifths and one, the latter to be
named. Two types, drawn among those with eight cells or more to be named, keep one, two or three
of their cells to learn from. The default is fitted with and without what
`training.stacking.rare` adds to the biases. A row for each type is written to
benchmarks/results/few_cells.jsonl: how many of its cells are named, and how many others are lost
to it. The means over types and draws are printed, as docs/decisions/0034 shows them. About half an
hour on two cores.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from designs import folds, training_part
from record import RESULTS, Row, provenance, shared_data
from rows import Rows
from tasks import LABELS_KEY

import cellclassifier as cc
from cellclassifier.data import read_labels
from cellclassifier.training.stacking import rare

TASKS = ("zheng_sorted_facs", "baron_pancreas", "cbmc_citeseq", "paul15")
N_KEPT = (1, 2, 3)
DRAWS = (0, 1)
N_TYPES, MIN_TEST_CELLS = 2, 8
# below how many cells a bias is lifted: as it comes, and never
VARIANTS = {"lifted": rare.FEW_CELLS, "as fitted": 0}
RESULTS_FILE = RESULTS / "few_cells.jsonl"

Cells = Any  # AnnData has no types


def main() -> None:
    """Measure what is asked for, then print the means of all that stands."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="*", default=TASKS, choices=TASKS)
    parser.add_argument("--draws", nargs="+", type=int, default=DRAWS)
    arguments = parser.parse_args()
    rows = Rows(RESULTS_FILE)
    for task, n_kept, draw in product(arguments.tasks, N_KEPT, arguments.draws):
        origin = provenance(shared_data(f"{task}.h5ad"))
        for row in measured(task, n_kept, draw):
            rows.append(origin | row)
            print({name: row[name] for name in ("task", "type", "n_kept", "variant", "n_named")})
    print(as_table(rows.read()).to_string(index=False))


def measured(task: str, n_kept: int, draw: int) -> Iterator[Row]:
    """Yield a row for each variant and type."""
    reference, test, few = problem_of(task, n_kept, draw)
    truth = np.array(read_labels(test, LABELS_KEY))
    for variant, few_cells in VARIANTS.items():
        with patch.object(rare, "FEW_CELLS", few_cells):
            classifier = cc.CellTypeClassifier(seed=0).fit(reference, labels_key=LABELS_KEY)
        named = np.array(classifier.classify(test).labels)
        common = ~np.isin(truth, few)
        for one in few:
            yield {
                "task": task,
                "draw": draw,
                "n_kept": n_kept,
                "variant": variant,
                "type": one,
                "n_cells": int((truth == one).sum()),
                "n_named": int((named[truth == one] == one).sum()),
                "n_others": int((truth != one).sum()),
                "n_lost": int((named[truth != one] == one).sum()),
                "accuracy_of_common": float((named[common] == truth[common]).mean()),
            }


def problem_of(task: str, n_kept: int, draw: int) -> tuple[Cells, Cells, list[str]]:
    """Return cells to learn from, cells to name, and the types of which few cells are kept."""
    cells = training_part(f"{task}.h5ad")
    labels = np.array(read_labels(cells, LABELS_KEY))
    training, test = list(folds(labels))[draw]
    names, sizes = np.unique(labels[test], return_counts=True)
    rng = np.random.default_rng(draw)
    few = sorted(rng.permutation(names[sizes >= MIN_TEST_CELLS])[:N_TYPES].tolist())
    kept = [training[~np.isin(labels[training], few)]]
    kept += [rng.permutation(training[labels[training] == one])[:n_kept] for one in few]
    return cells[np.sort(np.concatenate(kept))].copy(), cells[test].copy(), few


def as_table(rows: list[Row]) -> pd.DataFrame:
    """Return the means over sets, types and draws, of the newest rows."""
    frame = pd.DataFrame(rows)
    key = ["task", "draw", "n_kept", "variant", "type"]
    frame = frame.drop_duplicates(key, keep="last")
    frame["named, %"] = 100 * frame["n_named"] / frame["n_cells"]
    frame["lost, %"] = 100 * frame["n_lost"] / frame["n_others"]
    frame["accuracy of the others, %"] = 100 * frame["accuracy_of_common"]
    columns = ["named, %", "lost, %", "accuracy of the others, %"]
    return frame.groupby(["n_kept", "variant"])[columns].mean().round(2).reset_index()


if __name__ == "__main__":
    main()
