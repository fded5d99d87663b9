"""How often prediction sets hold the true type, how large they are, and what refusing brings.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/sets.py [--tasks home,abroad]
        [--folds 0,1,2,3,4]

The default is fitted on the tasks of the accuracy benchmark; sets are calibrated on its out-of-fold
probabilities and scored on the test cells. "best-first" is what `ConformalScores` does; the other
scores, by the same rule for types, are what it was chosen among: "raps" (regularised adaptive sets,
penalty 0.02 a type beyond two), "aps" (without penalty) and "lac" (1 - probability). Each with the
most probable type kept in every set, and without. One row a task and fold goes to
benchmarks/results/trust_sets.jsonl; printed is each
task over its folds.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from held_out import HeldOut, fits_of
from record import Row, save
from rows import files_of
from scipy.special import softmax
from tasks import SEED, Task, choose_tasks

from cellclassifier.evaluation import AnsweredCurve, ReliabilityCurve, SetScores
from cellclassifier.evaluation.metrics import log_loss
from cellclassifier.trust import conformal

COVERAGES = (0.8, 0.9, 0.95)
# of the cells, the surest, that are answered
SHARES = tuple(percent / 100 for percent in range(50, 101, 5))
PENALTY, FREE_TYPES = 0.02, 2
# with fewer test cells, the coverage of a type is mostly chance
MIN_TEST_CELLS = 50
MARK_OF_A_TYPE = 0.05
N_DRAWS = 500

Floats = npt.NDArray[np.floating[Any]]
Sets = npt.NDArray[np.bool_]
# (probabilities) -> scores, both (n_cells, n_types)
Score = Callable[[Floats], Floats]


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default="home,abroad")
    parser.add_argument("--folds", default="0", help="such as 0,1,2")
    arguments = parser.parse_args()
    folds = [int(fold) for fold in arguments.folds.split(",")]
    rows = []
    for task, fold, made in fits_of(choose_tasks(arguments.tasks), folds):
        rows.append(row_of(task, fold, made))
        print(task.name, fold, flush=True)
    measured = {(row["task"], row["fold"]) for row in rows}
    save("trust_sets.jsonl", rows, lambda old: (old["task"], old["fold"]) in measured)
    print(over_folds(rows).to_string(index=False))
    print(reliability_of_tasks(rows).to_string(index=False))


def reliability_of_tasks(rows: list[Row]) -> pd.DataFrame:
    """Return the calibration error of each task, the cells of all folds in the same bins.

    And its mean over folds, which with few cells a bin is mostly chance: see `ece_if_calibrated`.
    """
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        curves = [ReliabilityCurve.from_json(row["reliability"]) for row in own]
        sizes = [row["n_cells"] for row in own]
        found.append(
            {
                "task": task,
                "ece of all folds": together(curves).ece,
                "mean ece": np.mean([row["ece"] for row in own]),
                "mean if calibrated": np.mean([row["ece_if_calibrated"]["mean"] for row in own]),
                "log_loss": np.average([row["log_loss"] for row in own], weights=sizes),
                "accuracy_at_90": np.mean([row["accuracy_at_90"] for row in own]),
                "called unknown": np.average([row["unknown"] for row in own], weights=sizes),
            }
        )
    return pd.DataFrame(found).round(4)


def together(curves: list[ReliabilityCurve]) -> ReliabilityCurve:
    """Return the curve of the cells of several."""
    sizes = np.array([curve.n_cells for curve in curves])
    n_cells = sizes.sum(axis=0)
    with np.errstate(invalid="ignore"):
        confidence, accuracy = (
            np.nansum(sizes * np.array([getattr(curve, name) for curve in curves]), axis=0)
            / n_cells
            for name in ("confidence", "accuracy")
        )
    return ReliabilityCurve(n_cells, confidence, accuracy)


def over_folds(rows: list[Row]) -> pd.DataFrame:
    """Return what the sets of each task are worth, the cells of all folds taken together.

    Types are put together by name; "off" are those of 50 test cells and more whose coverage is not
    within five points of the wanted one.
    """
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        for place, one in enumerate(own[0]["sets"]):
            parts = [row["sets"][place] for row in own]
            sizes = [row["n_cells"] for row in own]
            names = ("coverage", "mean_size", "empty", "more", "without_best")
            means = {
                name: np.average([part[name] for part in parts], weights=sizes) for name in names
            }
            off, large = types_off(own, parts)
            about = {name: one[name] for name in ("method", "keep_best", "wanted")}
            found.append({"task": task} | about | means | {"off": off, "large types": large})
    return pd.DataFrame(found).round(3)


def types_off(rows: list[Row], parts: list[Row]) -> tuple[int, int]:
    """Return how many large types have a coverage far from the wanted one, and of how many."""
    n_held: dict[str, int] = {}
    n_cells: dict[str, int] = {}
    for row, part in zip(rows, parts, strict=True):
        for name, held, cells in zip(
            row["types"], part["n_held_per_type"], row["n_cells_per_type"], strict=True
        ):
            n_held[name] = n_held.get(name, 0) + held
            n_cells[name] = n_cells.get(name, 0) + cells
    large = [name for name, cells in n_cells.items() if cells >= MIN_TEST_CELLS]
    wanted = parts[0]["wanted"]
    off = [n for n in large if abs(n_held[n] / n_cells[n] - wanted) > MARK_OF_A_TYPE]
    return len(off), len(large)


def row_of(task: Task, fold: int, made: HeldOut) -> Row:
    """Return the row of a fit."""
    files = files_of(task)
    cells = probabilities_of(made.test)
    correct = cells.argmax(axis=1) == made.truth
    confidence = cells.max(axis=1)
    reliability = ReliabilityCurve.of(confidence, correct)
    answered = AnsweredCurve.of(confidence, correct)
    return files[0] | {
        "commit": made.commit,
        "data": list(task.data),
        "data_sha256": [file["data_sha256"] for file in files],
        "task": task.name,
        "group": task.group,
        "fold": fold,
        "seed": SEED,
        "n_cells": len(cells),
        "n_cells_per_type": n_cells_per_type(made).tolist(),
        "types": made.labels.tolist(),
        "n_types": cells.shape[1],
        "n_held_out": len(made.codes),
        "shift": made.shift,
        "unknown": made.unknown,
        "accuracy": float(correct.mean()),
        "log_loss": log_loss(made.truth, cells),
        "ece": reliability.ece,
        "reliability": reliability.to_json(),
        "overconfidence": reliability.overconfidence,
        "ece_if_calibrated": ece_if_calibrated(confidence),
        "accuracy_at_90": answered.at(0.9),
        "accuracy_at": {f"{share:.2f}": answered.at(share) for share in SHARES},
        "area_under_risk": answered.area,
        "top_k": {str(wanted): smallest_k(cells, made.truth, wanted) for wanted in COVERAGES},
        "sets": list(scored_sets(made, cells)),
    }


def probabilities_of(logits: Floats) -> npt.NDArray[np.float32]:
    """Return what the classifier would say, (n_cells, n_types)."""
    return np.asarray(softmax(logits, axis=1), dtype=np.float32)


def scored_sets(made: HeldOut, cells: npt.NDArray[np.float32]) -> Iterator[Row]:
    """Yield the scores of each method at each coverage, the best type kept or not."""
    held_out = probabilities_of(made.held_out)
    best_first = conformal.ConformalScores.of(held_out, made.codes)
    best = cells.argmax(axis=1)
    for wanted in COVERAGES:
        exact = {"best-first": best_first.sets(cells, wanted, keep_best=False)} | {
            name: score(cells) <= thresholds(score(held_out), made.codes, wanted)
            for name, score in SCORES.items()
        }
        for name, sets in exact.items():
            kept = sets.copy()
            kept[np.arange(len(cells)), best] = True
            for keep_best, own in ((False, sets), (True, kept)):
                about = {"method": name, "keep_best": keep_best}
                yield about | scores_of(own, made.truth, best, wanted)


def n_cells_per_type(made: HeldOut) -> npt.NDArray[np.intp]:
    """Return how many test cells there are of each type, (n_types,)."""
    return np.bincount(made.truth, minlength=len(made.labels))


def scores_of(
    sets: Sets, truth: npt.NDArray[np.int64], best: npt.NDArray[np.intp], wanted: float
) -> Row:
    """Return what sets are worth; of types with 50 test cells and more, the worst coverage."""
    scores = SetScores.of(truth, sets, wanted)
    n_cells = np.bincount(truth, minlength=sets.shape[1])
    of_large = scores.per_type[n_cells >= MIN_TEST_CELLS]
    has_best = sets[np.arange(len(sets)), best]
    return {
        "wanted": wanted,
        "coverage": scores.coverage,
        "worst_type": float(of_large.min()) if len(of_large) else None,
        "n_large_types": len(of_large),
        "n_types_off": int((np.abs(of_large - wanted) > MARK_OF_A_TYPE).sum()),
        "mean_size": scores.mean_size,
        "empty": scores.empty,
        "one": scores.one,
        "more": scores.more,
        "without_best": float((sets.any(axis=1) & ~has_best).mean()),
        "n_held_per_type": np.round(np.nan_to_num(scores.per_type) * n_cells).astype(int).tolist(),
    }


def smallest_k(cells: Floats, truth: npt.NDArray[np.int64], wanted: float) -> Row:
    """Return how many of the most probable types hold the true one as often as wanted."""
    order = np.argsort(-cells, axis=1, kind="stable")
    hits = (order == truth[:, None]).mean(axis=0).cumsum()
    enough = np.flatnonzero(hits >= wanted)
    k = int(enough[0]) + 1 if len(enough) else cells.shape[1]
    return {"k": k, "coverage": float(hits[k - 1])}


def ece_if_calibrated(confidence: npt.NDArray[np.float32]) -> Row:
    """Return the calibration error that so many cells have if their probabilities are right.

    Each cell is right or wrong by its confidence, time and again: the mean, and the value that 5 %
    of the draws exceed.
    """
    rng = np.random.default_rng(SEED)
    drawn = [
        ReliabilityCurve.of(confidence, rng.random(len(confidence)) < confidence).ece
        for _ in range(N_DRAWS)
    ]
    return {"mean": float(np.mean(drawn)), "top_5_percent": float(np.quantile(drawn, 0.95))}


def thresholds(scores: Floats, codes: npt.NDArray[np.int64], wanted: float) -> Floats:
    """Return the largest score with which each type is in a set, as `ConformalScores` does."""
    of_truth = scores[np.arange(len(codes)), codes]
    n_cells = np.bincount(codes, minlength=scores.shape[1])
    small = n_cells[codes] < conformal.MIN_TYPE_CELLS
    together = of_truth[small] if small.sum() >= conformal.MIN_GROUP_CELLS else of_truth
    return np.array(
        [
            order_statistic(
                of_truth[codes == code] if size >= conformal.MIN_TYPE_CELLS else together, wanted
            )
            for code, size in enumerate(n_cells)
        ]
    )


def order_statistic(scores: Floats, wanted: float) -> float:
    """Return the score of rank ceil((n + 1) x wanted)."""
    rank = int(np.ceil((len(scores) + 1) * wanted))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf


def adaptive(probabilities: Floats, penalty: float) -> Floats:
    """Return the scores of adaptive sets, with lots from a seed."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    places = np.argsort(order, axis=1)
    ordered = np.take_along_axis(probabilities.astype(np.float64), order, axis=1)
    # others for each set of cells, lest chance speak for all tasks alike
    lots = np.random.default_rng([SEED, *probabilities.shape]).random((len(probabilities), 1))
    scores = ordered.cumsum(axis=1) - (1 - lots) * ordered
    scores += penalty * np.maximum(np.arange(1, ordered.shape[1] + 1) - FREE_TYPES, 0)
    return np.take_along_axis(scores, places, axis=1)


def raps(probabilities: Floats) -> Floats:
    """Return the scores of regularised adaptive sets (Angelopoulos et al. 2021)."""
    return adaptive(probabilities, PENALTY)


def aps(probabilities: Floats) -> Floats:
    """Return the scores of adaptive sets (Romano et al. 2020)."""
    return adaptive(probabilities, 0.0)


def lac(probabilities: Floats) -> Floats:
    """Return the scores of the least ambiguous sets (Sadinle et al. 2019)."""
    return 1 - probabilities.astype(np.float64)


SCORES: dict[str, Score] = {"raps": raps, "aps": aps, "lac": lac}


if __name__ == "__main__":
    main()
