"""The table of docs/trust.md: how far the scores can be believed, from the results alone.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/believed.py

All that is ours is of the rows of sets.py; the log-loss of peers on the same cells is of those of
the accuracy benchmark. Writes the table between the markers of the page.
"""

from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt
from leaderboard import OURS, Scores, by_task, newest
from peer_table import write_between_markers
from record import RESULTS, ROOT, Row
from rows import Rows
from sets import together
from tasks import SEED, TASKS

from cellclassifier.evaluation import ReliabilityCurve

PAGE = ROOT / "docs" / "trust.md"
MARKER = "<!-- table of benchmarks/trust/believed.py -->"
COLUMNS = (
    "task",
    "cells",
    "shift",
    "accuracy",
    "ECE",
    "by chance",
    "log-loss",
    "best peer's",
    "sets of 90 %",
    "called unknown",
)
N_DRAWS = 2_000
COVERAGE = 0.9


@dataclass(frozen=True)
class Believed:
    """What the scores of a task are worth, the cells of all folds together.

    `ece` is the calibration error; of as many cells with these scores, were they right, it would
    have the mean `by_chance`, and one time in twenty more than `rarely`. `peer` has the lowest
    log-loss of all peers, on the folds that it shares with us.
    """

    task: str
    n_cells: int
    shift: float
    accuracy: float
    ece: float
    by_chance: float
    rarely: float
    log_loss: float
    peer_log_loss: float
    peer: str
    coverage: float
    unknown: float


def main() -> None:
    """Write the table into the page."""
    write_between_markers(PAGE, table(believed()), MARKER)
    print(f"wrote the table of {PAGE.relative_to(ROOT)}")


def believed() -> list[Believed]:
    """Return what the results say of each task, in the order of tasks.py."""
    rows = {(row["task"], row["fold"]): row for row in Rows(RESULTS / "trust_sets.jsonl").read()}
    scores = by_task(newest(Rows(RESULTS / "accuracy.jsonl").read()))
    own = {task: [row for (name, _), row in rows.items() if name == task] for task in TASKS}
    return [believed_of(task, found, scores) for task, found in own.items() if found]


def believed_of(task: str, rows: list[Row], scores: Scores) -> Believed:
    """Return what the folds of a task say together."""
    sizes = np.array([row["n_cells"] for row in rows])

    def over_cells(values: list[float]) -> float:
        return float(np.average(values, weights=sizes))

    curve = together([ReliabilityCurve.from_json(row["reliability"]) for row in rows])
    drawn = drawn_errors(curve)
    own = {row["fold"]: row["log_loss"] for row in rows}
    ours, theirs, peer = log_losses(own, scores[task])
    return Believed(
        task,
        int(sizes.sum()),
        fmean(row["shift"] for row in rows),
        over_cells([row["accuracy"] for row in rows]),
        curve.ece,
        float(drawn.mean()),
        float(np.quantile(drawn, 0.95)),
        ours,
        theirs,
        peer,
        over_cells([coverage_of(row) for row in rows]),
        over_cells([row["unknown"] for row in rows]),
    )


def drawn_errors(curve: ReliabilityCurve) -> npt.NDArray[np.float64]:
    """Return calibration errors of as many cells that are right as often as they say, drawn."""
    some = curve.n_cells > 0
    n_cells, confidence = curve.n_cells[some], curve.confidence[some]
    right = np.random.default_rng(SEED).binomial(n_cells, confidence, (N_DRAWS, some.sum()))
    off = np.abs(right - n_cells * confidence).sum(axis=1)
    return np.asarray(off / n_cells.sum(), dtype=np.float64)


def log_losses(ours: dict[int, float], scores: dict[str, list[Row]]) -> tuple[float, float, str]:
    """Return ours, and the lowest of a peer on as many folds as any peer shares with us.

    Both are of the same folds; `ours` is by fold, `scores` are rows by method.
    """
    peers = {
        name: {row["fold"]: row["log_loss"] for row in rows if row["fold"] in ours}
        for name, rows in scores.items()
        if not name.startswith(OURS) and None not in [row["log_loss"] for row in rows]
    }
    most = max(len(folds) for folds in peers.values())
    complete = {name: folds for name, folds in peers.items() if len(folds) == most}
    best = min(complete, key=lambda name: fmean(complete[name].values()))
    folds = complete[best]
    return fmean(ours[fold] for fold in folds), fmean(folds.values()), best


def coverage_of(row: Row) -> float:
    """Return how often the sets of a fold hold the true type, no type kept beyond what is asked."""
    about = {"method": "best-first", "keep_best": False, "wanted": COVERAGE}
    return float(next(one["coverage"] for one in row["sets"] if about.items() <= one.items()))


def table(found: list[Believed]) -> str:
    """Return the Markdown table."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [
        f"| {one.task} | {one.n_cells:,} | {one.shift:.2f} | {one.accuracy:.3f} | {one.ece:.3f} "
        f"| {one.by_chance:.3f} to {one.rarely:.3f} | {one.log_loss:.3f} "
        f"| {one.peer_log_loss:.3f} ({one.peer}) | {one.coverage:.3f} | {one.unknown:.3f} |"
        for one in found
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
