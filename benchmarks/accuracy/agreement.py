"""How many cells unlike methods name wrongly by the same label: a look at the ceiling of a task.

    python benchmarks/accuracy/agreement.py [--task zheng_sorted_facs]
        [--methods logistic-regression lightgbm knn scanvi]

Without --methods these four are counted, and then the four and ours. From the rows of
benchmarks/results/accuracy.jsonl alone, on the folds that all of the methods have. Where methods
that work in different ways agree with each other and not with the label, the label may ask for
something that the counts do not hold. The shares are printed, with the pairs of labels behind them,
and kept in benchmarks/results/agreement.jsonl; accuracy_page.py writes them into docs/accuracy.md.
"""

import argparse
from collections import Counter

import numpy as np
from leaderboard import OURS, newest
from record import RESULTS, Row, save
from rows import Rows, correct_cells, predicted_codes, truth_of
from tasks import TASKS

USUAL_METHODS = ("logistic-regression", "lightgbm", "knn", "scanvi")
USUAL_TASK = "zheng_sorted_facs"
N_PAIRS = 10


def main() -> None:
    """Count, print and keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default=USUAL_TASK, choices=sorted(TASKS))
    parser.add_argument("--methods", nargs="+")
    arguments = parser.parse_args()
    asked = [arguments.methods] if arguments.methods else usual_sets()
    for row in keep(arguments.task, asked):
        print(
            f"{row['task']}, {row['n_cells']:,} cells of folds {row['folds']}: "
            f"{', '.join(row['methods'])} agree on the same wrong label for "
            f"{row['same_wrong_label']:.1%}, and are all wrong for {row['all_wrong']:.1%}"
        )
        for pair in row["pairs"]:
            print(f"{pair['n_cells']:5} {pair['label']} named {pair['named']}")


def usual_sets() -> list[list[str]]:
    """Return the methods that are compared if nobody says otherwise: without ours, and with."""
    return [[*USUAL_METHODS], [*USUAL_METHODS, OURS]]


def keep(task: str, asked: list[list[str]]) -> list[Row]:
    """Count for each set of methods, keep the rows in the results file and return them."""
    rows = newest(Rows(RESULTS / "accuracy.jsonl").read())
    found = [agreed(task, {name: of_method(rows, task, name) for name in one}) for one in asked]
    save("agreement.jsonl", found, lambda old: old["task"] == task and old["methods"] in asked)
    return found


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
        "accuracy": {
            name: sum(of_fold[fold]["accuracy"] * of_fold[fold]["n_cells"] for fold in folds)
            / n_cells
            for name, of_fold in rows.items()
        },
        "pairs": [
            {"label": label, "named": named, "n_cells": count}
            for (label, named), count in pairs.most_common(N_PAIRS)
        ],
        "commits": sorted({row["commit"] for own in rows.values() for row in own.values()}),
        "data_sha256": next(iter(next(iter(rows.values())).values()))["data_sha256"],
    }


def text(rows: list[Row]) -> str:
    """Return what the page shows: a line for each set of methods, the pairs, and the range."""
    lines = ["| methods | all wrong | all by the same label |", "|---|---|---|"]
    for row in rows:
        methods = ", ".join(row["methods"])
        lines.append(f"| {methods} | {row['all_wrong']:.1%} | {row['same_wrong_label']:.1%} |")
    (last,) = (row for row in rows if OURS in row["methods"])
    pairs = "; ".join(
        f"{pair['label']} named {pair['named']} ({pair['n_cells']})" for pair in last["pairs"][:5]
    )
    first, same = rows[0]["same_wrong_label"], last["same_wrong_label"]
    believed = (
        f"Reached is {last['accuracy'][OURS]:.1%}. Whoever knew for each cell which of the "
        f"{len(last['methods'])} to believe would reach {1 - last['all_wrong']:.1%}"
    )
    otherwise = (
        f"{last['n_cells']:,} cells. Of those that the peers call by the same wrong label, ours "
        f"calls {1 - same / first:.0%} otherwise"
    )
    left = f"without the cells that all call by the same wrong label, {1 - same:.1%} are left"
    sentences = [
        f"- {otherwise}.",
        f"- What all call by the same wrong label, ours included, is most often {pairs}.",
        f"- {believed}; {left}.",
    ]
    return "\n".join([*lines, "", *sentences]) + "\n"


if __name__ == "__main__":
    main()
