"""The marks that were set before the default was built, beside what it reaches and the best peers.

What docs/accuracy.md shows of them, from the rows of the leaderboard; accuracy_page.py writes it.
Marks of cells that are not in the data folder are not here.
"""

from dataclasses import dataclass
from statistics import fmean

from leaderboard import (
    ACCURACY,
    OURS,
    SUMS,
    Difference,
    Score,
    Scores,
    by_macro_f1,
    differences,
    group_of,
    mean_of,
)
from macro_f1 import Truth

# how far under the best peer a task may be, and how far above all of them the mean should be
POINTS_UNDER, POINTS_ABOVE = 0.5, 2.0
# what may be lost with so many genes missing, in points of the accuracy with all of them
MAY_LOSE = {"facs_missing_30": 3, "facs_missing_50": 7}
WITH_ALL_GENES = "zheng_sorted_facs"
# to as many digits marks are given, and scores compared with them
DIGITS = 3


@dataclass(frozen=True)
class Mark:
    """What was asked on a task, mean over folds; NaN where no macro-F1 was asked."""

    task: str
    accuracy: float
    macro_f1: float = float("nan")


MARKS = (
    Mark("zheng_sorted_facs", 0.935, 0.90),
    Mark("baron_pancreas", 0.983, 0.966),
    Mark("zeisel_cortex", 0.815, 0.71),
    Mark("paul15", 0.825, 0.83),
    Mark("merged_to_3prime", 0.925),
    Mark("facs_to_mudan", 0.890, 0.82),
    Mark("pbmc3k_to_3prime", 0.850, 0.81),
)


def text(scores: Scores, truth: Truth) -> str:
    """Return the table of marks, and in sentences what is missed."""
    by_score = [(score, differences(scores, score)) for score in (ACCURACY, by_macro_f1(truth))]
    gains = {score.key: {one.task: one for one in found} for score, found in by_score}
    lines = [
        "| task | score | mark | ours | missed by | best peer | difference | 95 % interval | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for mark in MARKS:
        lines += [
            line_of(mark, score, scores, gains[score.key][mark.task]) for score, _ in by_score
        ]
    sentences = [
        f"- Marks missed: {missed_marks(scores)}.",
        *(under_the_best_peer(score, found) for score, found in by_score),
        mean_above(by_score[0][1], scores),
        lost_with_genes(scores),
    ]
    return "\n".join([*lines, "", *sentences]) + "\n"


def line_of(mark: Mark, score: Score, scores: Scores, one: Difference) -> str:
    """Return the line of a task and a score."""
    asked = getattr(mark, score.key)
    short = shortfall(mark, score.key, scores)
    cells = [
        mark.task,
        score.name,
        "-" if asked != asked else f"{asked:.{DIGITS}f}",
        f"{reached(mark.task, score.key, scores):.{DIGITS}f}",
        f"{short:.{DIGITS}f}" if short > 0 else "",
        one.peer,
        f"{100 * one.mean:+.1f}",
        f"{100 * one.low:+.1f} to {100 * one.high:+.1f}",
        one.word,
    ]
    return f"| {' | '.join(cells)} |"


def reached(task: str, key: str, scores: Scores) -> float:
    """Return what the default reaches, mean over folds."""
    return mean_of(scores[task][OURS], key)


def shortfall(mark: Mark, key: str, scores: Scores) -> float:
    """Return how much the default is short of a mark, to the mark's digits; NaN without a mark."""
    asked: float = getattr(mark, key)
    return round(asked - round(reached(mark.task, key, scores), DIGITS), DIGITS)


def missed_marks(scores: Scores) -> str:
    """Return which marks are missed, and by how much."""
    found = [
        f"{mark.task} by {short:.{DIGITS}f} of {name}"
        for mark in MARKS
        for key, name in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"))
        if (short := shortfall(mark, key, scores)) > 0
    ]
    return ", ".join(found) or "none"


def under_the_best_peer(score: Score, found: list[Difference]) -> str:
    """Return on which tasks the default is further under the best peer than it may be."""
    under = sorted((one for one in found if 100 * one.mean < -POINTS_UNDER), key=by_mean)
    names = ", ".join(f"{one.task} ({100 * one.mean:+.1f}, {one.word})" for one in under)
    return (
        f"- {score.name} more than {POINTS_UNDER} points under the best peer, of {len(found)} "
        f"tasks: {names or 'none'}."
    )


def by_mean(one: Difference) -> float:
    """Return what sorts the largest loss to the front."""
    return one.mean


def mean_above(found: list[Difference], scores: Scores) -> str:
    """Return how far above the best peer of each task the mean is, over groups of tasks."""
    means = {
        name: fmean(one.mean for one in found if group_of(scores[one.task]) in groups)
        for name, groups in SUMS.items()
    }
    words = ", ".join(f"{name} {100 * mean:+.2f}" for name, mean in means.items())
    return (
        f"- Accuracy above the best peer of each task, in the mean, of {POINTS_ABOVE} points "
        f"asked: {words}."
    )


def lost_with_genes(scores: Scores) -> str:
    """Return how much accuracy missing genes cost."""
    whole = reached(WITH_ALL_GENES, "accuracy", scores)
    words = ", ".join(
        f"{100 * (whole - reached(task, 'accuracy', scores)):.1f} on {task} (at most {most})"
        for task, most in MAY_LOSE.items()
    )
    return f"- Points of accuracy lost with genes missing: {words}."
