"""The confusion plot of a method on a task: what cells of each type were named, over all folds.

    python benchmarks/accuracy/confusion.py [--task zheng_sorted_facs] [--method ours]
        [--out docs/images/confusion.png]

From the rows of benchmarks/results/accuracy.jsonl alone, the newest of each fold.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from agreement import of_method
from leaderboard import newest
from record import RESULTS
from rows import Rows, predicted_codes, truth_of
from tasks import TASKS

import cellclassifier as cc

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Draw, and print the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="zheng_sorted_facs", choices=sorted(TASKS))
    parser.add_argument("--method", default="ours")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "confusion.png")
    arguments = parser.parse_args()
    evaluation = over_folds(arguments.task, arguments.method)
    axes = cc.plots.confusion(evaluation)
    axes.set_title(f"{arguments.task}: {axes.get_title()}", fontsize=10)
    cc.plots.save_figure(axes, arguments.out)
    print(
        f"{arguments.task}, {arguments.method}, {evaluation.n_cells:,} cells: accuracy "
        f"{evaluation.accuracy:.4f}, macro-F1 {evaluation.macro_f1:.4f}; wrote {arguments.out}"
    )


def over_folds(task: str, method: str) -> cc.Evaluation:
    """Return how the test cells of all folds were named; rows hold names, no probabilities."""
    truth, named = [], []
    rows = of_method(newest(Rows(RESULTS / "accuracy.jsonl").read()), task, method)
    for fold, row in sorted(rows.items()):
        codes, types = truth_of(TASKS[task].split(fold))
        truth.append(np.array(types)[codes])
        named.append(np.array(row["types"])[predicted_codes(row)])
    labels = np.unique(np.concatenate(truth + named))
    called = np.searchsorted(labels, np.concatenate(named))
    certain = np.eye(len(labels), dtype=np.float32)[called]
    cells = pd.RangeIndex(len(called)).astype(str)
    predictions = cc.Predictions(cc.LabelSpace(labels.tolist()), certain, cells)
    return cc.evaluate(np.concatenate(truth), predictions)


if __name__ == "__main__":
    main()
