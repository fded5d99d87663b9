"""The confusion plot of a method on a task: what cells of each type were named, over all folds.

    python benchmarks/accuracy/confusion.py [--task zheng_sorted_facs] [--method ours]
        [--out docs/images/confusion.png]

From the rows of benchmarks/results/accuracy.jsonl alone, the newest of each fold. Of the
sorted blood cells it is printed, too, what the errors are; accuracy_page.py writes that into
docs/accuracy.md.
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
SORTED_BLOOD = "zheng_sorted_facs"
HELPER = "CD4+ T Helper"
# beads took these by what stands on their surface
T_CELLS = (
    HELPER,
    "CD4+/CD25+ Treg",
    "CD4+/CD45RA+/CD25- Naive T",
    "CD4+/CD45RO+ Memory T",
    "CD8+ Cytotoxic T",
    "CD8+/CD45RA+ Naive Cytotoxic T",
)


def main() -> None:
    """Draw, and print the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default=SORTED_BLOOD, choices=sorted(TASKS))
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
    if arguments.task == SORTED_BLOOD:
        print(errors_text(evaluation))


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


def errors_text(evaluation: cc.Evaluation) -> str:
    """Return which cells of the sorted blood are named wrongly, in a table."""
    errors = evaluation.confusion.copy()
    np.fill_diagonal(errors, 0)
    labels = list(evaluation.labels)
    is_t = np.isin(labels, T_CELLS)
    among_t = errors[np.ix_(is_t, is_t)].sum()
    helper = labels.index(HELPER)
    # the one is in the row of the label, the other in the column of the name
    with_helper = errors[helper, is_t].sum() + errors[is_t, helper].sum()
    of_others = errors[~is_t].sum()
    lines = [
        "| cells | how many | share of the errors |",
        "|---|---|---|",
        f"| named wrongly, of {evaluation.n_cells:,} | {errors.sum()} | |",
        *(
            f"| {name} | {count} | {count / errors.sum():.0%} |"
            for name, count in (
                ("a T cell named another T cell", among_t),
                (f"of these, {HELPER} for another or another for it", with_helper),
                ("a T cell named none", errors[np.ix_(is_t, ~is_t)].sum()),
                ("B, NK, monocytes and CD34+ named wrongly", of_others),
            )
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
