"""How many cells unlike methods name wrongly by the same label: a look at the ceiling of a task.

    python benchmarks/accuracy/agreement.py [--task zheng_sorted_facs]
        [--methods logistic-regression lightgbm knn scanvi]

From the rows of benchmarks/results/accuracy.jsonl alone, on the folds that all of the methods have.
Where methods that work in different ways agree with each other and not with the label, the label
asks for something that the counts do not hold. The shares are printed, with the pairs of labels
behind them, and kept in benchmarks/results/agreement.jsonl.
"""

import argparse
from collections import Counter

import numpy as np
from leaderboard import newest
from record import RESULTS, Row, save
from rows import Rows, correct_cells, predicted_codes, truth_of
from tasks import TASKS

USUAL_METHODS = ("logistic-regression", "lightgbm", "knn", "scanvi")
N_PAIRS = 10


def main() -> None:
    """Count, print and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="zheng_sorted_facs", choices=sorted(TASKS))
    parser.add_argument("--methods", nargs="+", default=list(USUAL_METHODS))
    arguments = parser.parse_args()
    task, methods = arguments.task, arguments.methods
    rows = newest(Rows(RESULTS / "accuracy.jsonl").read())
    row = agreed(task, {name: of_method(rows, task, name) for name in methods})
    save("agreement.jsonl", [row], lambda old: (old["task"], old["methods"]) == (task, methods))
    print(
        f"{task}, {row['n_cells']:,} cells of folds {row['folds']}: {', '.join(methods)} agree on "
        f"the same wrong label for {row['same_wrong_label']:.1%}, and are all wrong for "
        f"{row['all_wrong']:.1%}"
    )
    for pair in row["pairs"]:
        print(f"{pair['n_cells']:5} {pair['label']} named {pair['named']}")


def of_method(rows: list[Row], task: str, method: str) -> dict[int, Row]:
    """Return the rows of a method on a task, by fold."""
    own = {row["fold"]: row for row in rows if (row["task"], row["method"]) == (task, method)}
    if not own:
        raise SystemExit(f"accuracy.jsonl has no row of {method} on {task}")
    return own


def agreed(task: str, rows: dict[str, dict[int, Row]]) -> Row:
    """Return the shares of cells that all methods name wrongly, and the labels behind them."""
    folds = sorted(set.intersection(*(set(of_fold) for of_fold in rows.values())))
    pairs: Counter[tuple[str, str]] = Counter()
    n_cells = n_wrong = 0
    for fold in folds:
        own = [of_fold[fold] for of_fold in rows.values()]
        if len({row["truth_sha256"] for row in own}) > 1:
            raise ValueError(f"{task} fold {fold}: the methods named other cells")
        named = np.stack([predicted_codes(row) for row in own])
        wrong = ~np.stack([correct_cells(row) for row in own]).any(axis=0)
        truth, types = truth_of(TASKS[task].split(fold))
        n_cells, n_wrong = n_cells + own[0]["n_cells"], n_wrong + int(np.sum(wrong))
        same = wrong & (named == named[0]).all(axis=0)
        pairs.update(
            (types[label], types[code])
            for label, code in zip(truth[same], named[0][same], strict=True)
        )
    return {
        "task": task,
        "methods": list(rows),
        "folds": folds,
        "n_cells": n_cells,
        "same_wrong_label": pairs.total() / n_cells,
        "all_wrong": n_wrong / n_cells,
        "pairs": [
            {"label": label, "named": named, "n_cells": count}
            for (label, named), count in pairs.most_common(N_PAIRS)
        ],
        "commits": sorted({row["commit"] for own in rows.values() for row in own.values()}),
        "data_sha256": next(iter(next(iter(rows.values())).values()))["data_sha256"],
    }


if __name__ == "__main__":
    main()
