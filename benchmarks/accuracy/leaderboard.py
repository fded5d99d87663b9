"""Tables and a plot of the accuracy benchmark, from its results file alone.

    python benchmarks/accuracy/leaderboard.py

Writes benchmarks/leaderboard.md and docs/images/leaderboard.png. The newest row of each task, fold
and method counts. A difference between two methods is taken on the same cells; its interval comes
from drawing cells with replacement, fold by fold.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from leaderboard_plot import draw
from macro_f1 import TrueTypes, Truth, macro_f1_gain
from record import RESULTS, ROOT, Row
from rows import Rows, correct_cells

LEADERBOARD = ROOT / "benchmarks" / "leaderboard.md"
PLOT = ROOT / "docs" / "images" / "leaderboard.png"
OURS = "ours"
GROUPS = ("home", "abroad", "missing")
N_DRAWS, SEED, LEVEL = 10_000, 0, 0.95
NOTICE = """<!-- Written by benchmarks/accuracy/leaderboard.py; not to be changed by hand. -->

# Leaderboard

What the tasks are, what each method was given and how it was tuned: [protocol.md](protocol.md).
"""

ABOUT_ACCURACY = (
    "Accuracy / macro-F1, mean over folds; in brackets how many folds, where some are missing."
)
ABOUT_PROBABILITIES = (
    "Log-loss / calibration error (ECE, 15 bins); a dash where a method gives no probabilities."
)
ABOUT_COSTS = (
    "CPU seconds to fit, tuning included / cells named per second / peak memory in MB. All on one "
    "core. Cells per second are those of one cold call on some hundred to some thousand cells; "
    "of ours with all that is said of what a name is worth (`classify`). What it names a second "
    "once it runs, and where that is 100,000: `docs/decisions/0032-naming-from-disk.md`."
)
ABOUT_DIFFERENCES = (
    "Ours less the best peer on the same cells, in points, with a 95 % bootstrap interval over "
    "cells (paired, fold by fold), on the most folds that a peer shares with us. The best peer "
    "is chosen by the same score of the same cells, which favours it. Tie: the interval holds "
    "zero. Of types of a few cells macro-F1 is mostly chance: a sample may have none of them, and "
    "then its mean leaves them out."
)

Scores = dict[str, dict[str, list[Row]]]
# over which tasks differences are averaged
SUMS = {group: (group,) for group in GROUPS} | {"home and abroad": GROUPS[:2], "all": GROUPS}


@dataclass(frozen=True)
class Score:
    """What is compared: its name, its key in a row, and how two rows of the same cells differ.

    `gain` returns by how much ours is better, and the same in samples of as many cells.
    """

    name: str
    key: str
    gain: Callable[[Row, Row, np.random.Generator], tuple[float, Any]]


def accuracy_gain(ours: Row, theirs: Row, rng: np.random.Generator) -> tuple[float, Any]:
    """Return the difference in accuracy, and that in samples."""
    gains = correct_cells(ours).astype(int) - correct_cells(theirs)
    return float(gains.mean()), bootstrap_means(gains, rng)


ACCURACY = Score("Accuracy", "accuracy", accuracy_gain)


def by_macro_f1(truth: Truth) -> Score:
    """Return macro-F1 as a score; `truth` tells the types of a row's test cells."""

    def gain(ours: Row, theirs: Row, rng: np.random.Generator) -> tuple[float, Any]:
        return macro_f1_gain(truth(ours), ours, theirs, rng, N_DRAWS)

    return Score("Macro-F1", "macro_f1", gain)


@dataclass(frozen=True)
class Difference:
    """How much better we are than a peer on the same cells, with a 95 % interval."""

    task: str
    peer: str
    n_folds: int
    mean: float
    low: float
    high: float

    @property
    def word(self) -> str:
        """Return ahead, behind, or tie where the interval holds zero."""
        if self.low <= 0 <= self.high:
            return "tie"
        return "ahead" if self.mean > 0 else "behind"


def main() -> None:
    """Write the tables and the plot."""
    scores = by_task(newest(Rows(RESULTS / "accuracy.jsonl").read()))
    LEADERBOARD.write_text(leaderboard(scores, TrueTypes()), encoding="utf-8")
    draw(accuracies(scores), PLOT)
    print(f"wrote {LEADERBOARD.relative_to(ROOT)} and {PLOT.relative_to(ROOT)}")


def newest(rows: Iterable[Row]) -> list[Row]:
    """Return the last row of each task, fold and method, in the order of first appearance."""
    return list({(row["task"], row["fold"], row["method"]): row for row in rows}.values())


def by_task(rows: list[Row]) -> Scores:
    """Return the rows of each task and method, folds in order."""
    scores: Scores = {}
    for row in sorted(rows, key=lambda row: (GROUPS.index(row["group"]), row["task"], row["fold"])):
        scores.setdefault(row["task"], {}).setdefault(row["method"], []).append(row)
    return scores


def accuracies(scores: Scores) -> pd.DataFrame:
    """Return the mean accuracy over folds: a row a method, a column a task."""
    means = {
        task: {method: mean_of(rows, "accuracy") for method, rows in methods.items()}
        for task, methods in scores.items()
    }
    return pd.DataFrame(means)


def mean_of(rows: list[Row], name: str) -> float:
    """Return the mean over folds, NaN where a method has no such score."""
    values = [row[name] for row in rows]
    return float("nan") if None in values else fmean(values)


def leaderboard(scores: Scores, truth: Truth) -> str:
    """Return the whole text."""
    parts = [NOTICE]
    for group in GROUPS:
        own = {task: methods for task, methods in scores.items() if group_of(methods) == group}
        if own:
            parts += [f"## {group.capitalize()}\n", *tables_of(own)]
    parts += ["## Ours against the best peer\n", differences_text(scores, truth)]
    return "\n".join(parts)


def group_of(methods: dict[str, list[Row]]) -> str:
    """Return the group of the task whose rows these are."""
    return str(next(iter(methods.values()))[0]["group"])


def tables_of(scores: Scores) -> list[str]:
    """Return the tables of scores, of probabilities and of costs of some tasks."""
    return [
        f"{ABOUT_ACCURACY}\n",
        table(scores, accuracy_cell),
        f"{ABOUT_PROBABILITIES}\n",
        table(scores, probability_cell),
        f"{ABOUT_COSTS}\n",
        table(scores, cost_cell),
    ]


def table(scores: Scores, cell: Callable[[list[Row], int], str]) -> str:
    """Return a Markdown table: a row a method, a column a task."""
    tasks = list(scores)
    n_folds = {task: max(len(rows) for rows in scores[task].values()) for task in tasks}
    lines = [f"| method | {' | '.join(tasks)} |", f"|---|{'---|' * len(tasks)}"]
    for method in methods_in_order(scores):
        cells = [
            cell(scores[task][method], n_folds[task]) if method in scores[task] else ""
            for task in tasks
        ]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def methods_in_order(scores: Scores) -> list[str]:
    """Return ours first, then the peers, best first.

    By accuracy less the task's mean, so that a method gains nothing by leaving hard tasks out.
    """
    table_of_all = accuracies(scores)
    means = (table_of_all - table_of_all.mean()).mean(axis=1)
    return sorted(means.index, key=lambda name: (not is_ours(name), -means[name]))


def is_ours(method: str) -> bool:
    """Tell whether a method is of this project."""
    return method == OURS or method.startswith(f"{OURS}-")


def accuracy_cell(rows: list[Row], n_folds: int) -> str:
    """Return accuracy and macro-F1."""
    text = f"{mean_of(rows, 'accuracy'):.3f} / {mean_of(rows, 'macro_f1'):.3f}"
    return text if len(rows) == n_folds else f"{text} ({len(rows)})"


def probability_cell(rows: list[Row], n_folds: int) -> str:  # noqa: ARG001  (as all cells)
    """Return log-loss and calibration error."""
    loss, ece = mean_of(rows, "log_loss"), mean_of(rows, "ece")
    return "-" if np.isnan(loss) else f"{loss:.3f} / {ece:.3f}"


def cost_cell(rows: list[Row], n_folds: int) -> str:  # noqa: ARG001  (as all cells)
    """Return seconds, cells per second and memory."""
    peak = max(row["peak_memory_mb"] for row in rows)
    seconds, speed = mean_of(rows, "fit_cpu_seconds"), mean_of(rows, "cells_per_second")
    return f"{seconds:.1f} / {speed:,.0f} / {peak:,}"


def differences(scores: Scores, score: Score = ACCURACY) -> list[Difference]:
    """Compare us with the best peer of each task, on the most folds that a peer shares with us."""
    found = []
    for task, methods in scores.items():
        ours = {row["fold"] for row in methods.get(OURS, [])}
        shared = {
            name: ours & {row["fold"] for row in rows}
            for name, rows in methods.items()
            if not is_ours(name)
        }
        folds = max(shared.values(), key=len, default=set())
        if folds:
            reached = {
                name: mean_of(rows_of(methods[name], folds), score.key)
                for name, common in shared.items()
                if common == folds
            }
            peer = max(reached.items(), key=itemgetter(1))[0]
            own, other = (rows_of(methods[name], folds) for name in (OURS, peer))
            found.append(difference(task, peer, own, other, score))
    return found


def rows_of(rows: list[Row], folds: set[int]) -> list[Row]:
    """Return the rows of some folds."""
    return [row for row in rows if row["fold"] in folds]


def difference(
    task: str, peer: str, ours: list[Row], theirs: list[Row], score: Score = ACCURACY
) -> Difference:
    """Return the mean over folds of the paired difference, with its bootstrap interval."""
    rng = np.random.default_rng(SEED)
    means, drawn = [], []
    for own, other in zip(ours, theirs, strict=True):
        if own["truth_sha256"] != other["truth_sha256"]:
            raise ValueError(f"{task} fold {own['fold']}: ours and {peer} named other cells")
        mean, samples = score.gain(own, other, rng)
        means.append(mean)
        drawn.append(samples)
    edges = np.quantile(np.mean(drawn, axis=0), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(task, peer, len(ours), fmean(means), float(edges[0]), float(edges[1]))


def bootstrap_means(gains: Any, rng: np.random.Generator) -> Any:  # noqa: ANN401  (arrays)
    """Return the means of samples of as many cells, drawn with replacement.

    A gain is -1, 0 or 1, so that how often each is drawn says all.
    """
    shares = np.array([(gains == value).mean() for value in (-1, 0, 1)])
    counts = rng.multinomial(len(gains), shares / shares.sum(), size=N_DRAWS)
    return (counts[:, 2] - counts[:, 0]) / len(gains)


def differences_text(scores: Scores, truth: Truth) -> str:
    """Return the tables of differences, and their means over groups of tasks."""
    parts = [f"{ABOUT_DIFFERENCES}\n"]
    for score in (ACCURACY, by_macro_f1(truth)):
        found = differences(scores, score)
        if not found:
            return "No task has rows of ours and of a peer on the same folds.\n"
        parts += [
            f"### {score.name}\n",
            difference_table(found),
            means_table(found, {task: group_of(methods) for task, methods in scores.items()}),
        ]
    return "\n".join(parts)


def difference_table(found: list[Difference]) -> str:
    """Return a line for each task."""
    lines = [
        "| task | best peer | folds | difference | 95 % interval | |",
        "|---|---|---|---|---|---|",
        *(
            f"| {one.task} | {one.peer} | {one.n_folds} | {100 * one.mean:+.1f} | "
            f"{100 * one.low:+.1f} to {100 * one.high:+.1f} | {one.word} |"
            for one in found
        ),
    ]
    return "\n".join(lines) + "\n"


def means_table(found: list[Difference], group: dict[str, str]) -> str:
    """Return the mean difference over each group of tasks, over two of them and over all."""
    lines = [
        "| tasks | how many | mean difference | ahead | tie | behind |",
        "|---|---|---|---|---|---|",
    ]
    for name, groups in SUMS.items():
        own = [one for one in found if group[one.task] in groups]
        if own:
            words = [one.word for one in own]
            counts = " | ".join(str(words.count(word)) for word in ("ahead", "tie", "behind"))
            mean = 100 * fmean(one.mean for one in own)
            lines.append(f"| {name} | {len(own)} | {mean:+.2f} | {counts} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
