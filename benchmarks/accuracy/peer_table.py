"""The table of README and docs/benchmarks/index.md: us beside each peer, from the results alone.

    python benchmarks/accuracy/peer_table.py

Writes it between the markers of both pages. Each peer is compared on all tasks that it was run on,
fold by fold on the same cells; a task counts once, however many folds it has.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from leaderboard import (
    OURS,
    Difference,
    Scores,
    by_task,
    difference,
    is_ours,
    mean_of,
    newest,
    rows_of,
)
from record import RESULTS, ROOT
from rows import Rows

PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks" / "index.md")
BEGIN = "<!-- table of benchmarks/accuracy/peer_table.py -->"
END = "<!-- end of the table -->"
# a peer that was run on fewer tasks says too little of them all
MIN_TASKS = 5
NAMES = {
    "actinn-jax": "ACTINN (jax)",
    "celltypist": "CellTypist",
    "celltypist-selected": "CellTypist, genes selected",
    "knn": "nearest neighbours",
    "lightgbm": "LightGBM",
    "linear-svm": "linear SVM, tuned",
    "logistic-regression": "logistic regression, tuned",
    "scanvi": "scANVI",
    "singler": "SingleR",
    "singler-auc": "SingleR, markers by AUC",
}


@dataclass(frozen=True)
class Comparison:
    """Us and a peer over the tasks that both did: mean accuracy and macro-F1, each difference."""

    peer: str
    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    differences: list[Difference]

    @property
    def gain(self) -> float:
        """The mean difference in accuracy, in points."""
        return 100 * fmean(one.mean for one in self.differences)


def main() -> None:
    """Write the table into the pages."""
    text = table(compare(by_task(newest(Rows(RESULTS / "accuracy.jsonl").read()))))
    for page in PAGES:
        write_between_markers(page, text)
        print(f"wrote the table of {page.relative_to(ROOT)}")


def compare(scores: Scores) -> list[Comparison]:
    """Compare us with each peer on all that both did, nearest peer first."""
    peers = {name for methods in scores.values() for name in methods if not is_ours(name)}
    found = (compare_with(peer, scores) for peer in sorted(peers))
    kept = [one for one in found if len(one.differences) >= MIN_TASKS]
    return sorted(kept, key=lambda one: one.gain)


def compare_with(peer: str, scores: Scores) -> Comparison:
    """Compare us with a peer on the folds of each task that both did."""
    found, means = [], []
    for task, methods in scores.items():
        ours, theirs = methods.get(OURS, []), methods.get(peer, [])
        folds = {row["fold"] for row in ours} & {row["fold"] for row in theirs}
        if folds:
            both = rows_of(ours, folds), rows_of(theirs, folds)
            found.append(difference(task, peer, *both))
            means.append([mean_of(rows, key) for key in ("accuracy", "macro_f1") for rows in both])
    columns = [fmean(column) for column in zip(*means, strict=True)] or [float("nan")] * 4
    return Comparison(peer, (columns[0], columns[1]), (columns[2], columns[3]), found)


def table(comparisons: list[Comparison]) -> str:
    """Return the Markdown table; A, T and B count the tasks on which we are ahead, tie, behind."""
    lines = [
        "| peer | tasks | accuracy: ours, theirs | macro-F1: ours, theirs | points | A/T/B |",
        "|---|---|---|---|---|---|",
    ]
    for one in comparisons:
        words = [difference.word for difference in one.differences]
        counts = "/".join(str(words.count(word)) for word in ("ahead", "tie", "behind"))
        lines.append(
            f"| {NAMES.get(one.peer, one.peer)} | {len(words)} | {one.accuracy[0]:.3f}, "
            f"{one.accuracy[1]:.3f} | {one.macro_f1[0]:.3f}, {one.macro_f1[1]:.3f} | "
            f"{one.gain:+.1f} | {counts} |"
        )
    return "\n".join(lines) + "\n"


def write_between_markers(page: Path, text: str, marker: str = BEGIN) -> None:
    """Put a text between the markers of a page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(marker)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} needs the lines {marker} and {END}, in this order")
    page.write_text(f"{before}{marker}\n\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
