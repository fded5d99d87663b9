"""Files of one type, known or not, and small references: what is said of them.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/one_type.py

Named are the test cells of each task, whole and type by type; at home the types of which training
was told nothing, alone and among 200 known cells; and, by models of one to four hundred cells,
cells of the same experiment. By the default, and by `linear`, which does not adapt. A row a file
goes to benchmarks/results/trust_one_type.jsonl: the shift that was measured, how many cells look
more novel than 95 % of known ones and how many are called unknown, how far the types' shares are
from those in training, and for known types accuracy and calibration error. The ranges over all
files of a kind are the table of docs/decisions/0025-novelty.md.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import anndata as ad
import numpy as np
from peer_table import write_between_markers
from record import RESULTS, ROOT, Row, measured_commit, save
from rows import Rows
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, Split, Task, choose_tasks

import cellclassifier as cc
from cellclassifier.classifier.comparison import QueryComparison
from cellclassifier.classifier.naming import settle
from cellclassifier.classifier.view import ModelView
from cellclassifier.data.counts.cells import n_cores

FILE = "trust_one_type.jsonl"
PAGE = ROOT / "docs" / "decisions" / "0025-novelty.md"
MARKER = "<!-- table of benchmarks/trust/one_type.py -->"
NETWORKS = ("wide-deep", "linear")
UNSEEN = ("zheng_sorted_facs", "baron_pancreas", "cbmc_citeseq")
MIN_CELLS, N_KNOWN = 50, 200
SMALL, N_REPEATS, OF_SMALL = (100, 200, 400), 3, "zheng_sorted_facs"
RANGES = {
    "shift": "shift",
    "novel": "novel",
    "unknown": "called unknown",
    "composition": "other shares",
    "ece": "ECE",
}

Cells = Any  # AnnData has no types


def main() -> None:
    """Measure, save and write the table."""
    for network in NETWORKS:
        for task in [*choose_tasks("home"), *choose_tasks("abroad")]:
            about = {"task": task.name, "network": network, "commit": measured_commit()}
            rows = [about | row for row in rows_of(task, network)]
            save(FILE, rows, partial(is_of, task.name, network))
            print(task.name, network, len(rows), flush=True)
    write_between_markers(PAGE, table(Rows(RESULTS / FILE).read()), MARKER)


def is_of(task: str, network: str, row: Row) -> bool:
    """Tell whether a row is of a task and a network."""
    return bool(row["task"] == task and row["network"] == network)


def rows_of(task: Task, network: str) -> Iterator[Row]:
    """Yield what is said of the files that a task's first fold makes."""
    split, where = task.split(0), "at home" if task.group == "home" else "elsewhere"
    classifier = fitted(split.training, network)
    labels = split.test.obs[LABELS_KEY].astype(str).to_numpy()
    large = [name for name in np.unique(labels) if (labels == name).sum() >= MIN_CELLS]
    yield said_of(classifier, split.test, f"known, {where}, all types", "")
    for name in large:
        yield said_of(classifier, split.test[labels == name], f"known, {where}, one type", name)
    if task.name in UNSEEN:
        for name in large:
            yield from unseen(split, labels == name, name, network)
    if task.name == OF_SMALL and network == NETWORKS[0]:
        yield from of_small_references(split)


def unseen(split: Split, own: Any, name: str, network: str) -> Iterator[Row]:  # noqa: ANN401
    """Yield what a model without a type says of its cells, alone and among known ones."""
    known = (split.training.obs[LABELS_KEY].astype(str) != name).to_numpy()
    classifier = fitted(split.training[known].copy(), network)
    yield said_of(classifier, split.test[own], "unseen, at home, one type", name)
    among = ad.concat([split.test[own], split.test[~own][:N_KNOWN]])
    kind = f"unseen, at home, among {N_KNOWN} known cells"
    yield said_of(classifier, among, kind, name, truth=False)


def of_small_references(split: Split) -> Iterator[Row]:
    """Yield what models of few cells say of cells of the same experiment."""
    rng = np.random.default_rng(SEED)
    for n_cells in SMALL:
        for _ in range(N_REPEATS):
            rows = np.sort(rng.permutation(split.training.n_obs)[:n_cells])
            classifier = fitted(split.training[rows].copy(), NETWORKS[0])
            types = classifier.check_fitted().label_space.labels
            known = split.test.obs[LABELS_KEY].astype(str).isin(types).to_numpy()
            kind = f"known, at home, by a model of {n_cells} cells"
            yield said_of(classifier, split.test[known], kind, "")


def fitted(training: Cells, network: str) -> cc.CellTypeClassifier:
    """Return a network as it comes, fitted."""
    classifier = cc.CellTypeClassifier(network, seed=SEED)
    return classifier.fit(training, labels_key=LABELS_KEY, library_size_key=size_key(training))


def size_key(cells: Cells) -> str | None:
    """Return where library sizes are, if known."""
    return LIBRARY_SIZE_KEY if LIBRARY_SIZE_KEY in cells.obs else None


def said_of(
    classifier: cc.CellTypeClassifier, cells: Cells, kind: str, name: str, *, truth: bool = True
) -> Row:
    """Return what is said of a file."""
    cells = cells.copy()
    raw = cc.find_counts(cells, library_size_key=size_key(cells))
    view = ModelView.of(classifier.check_fitted(), raw)
    shifted, judge = settle(view, classifier.predictor(), None, None, None)
    named = judge(raw, shifted.predict(raw, n_cores()))
    found = QueryComparison.of_sample(shifted, judge, named)
    row = {
        "kind": kind, "type": name, "n_cells": len(named), "shift": found.shift,
        "novel": found.novel, "composition": found.composition,
        "unknown": None if named.trust is None else float(named.trust.is_unknown.mean()),
    }  # fmt: skip
    if truth and kind.startswith("known"):
        scores = cc.evaluate(cells.obs[LABELS_KEY].astype(str), named)
        row |= {"accuracy": scores.accuracy, "ece": scores.ece}
    return {key: round(one, 4) if isinstance(one, float) else one for key, one in row.items()}


def table(rows: list[Row]) -> str:
    """Return the least, the median and the most of each score, by kind of file."""
    lines = [
        f"| files | network | how many | {' | '.join(RANGES.values())} |",
        f"|{'---|' * (len(RANGES) + 3)}",
    ]
    for kind, network in sorted({(row["kind"], row["network"]) for row in rows}, key=in_order):
        own = [row for row in rows if (row["kind"], row["network"]) == (kind, network)]
        ranges = [range_of([row.get(score) for row in own]) for score in RANGES]
        lines.append(f"| {kind} | {network} | {len(own)} | {' | '.join(ranges)} |")
    return "\n".join(lines) + "\n"


def in_order(of: tuple[str, str]) -> tuple[bool, str, str]:
    """Put the default first, then known cells before others."""
    return of[1] != NETWORKS[0], of[1], of[0]


def range_of(values: list[float | None]) -> str:
    """Return the least, median and most of what is known.

    >>> range_of([0.1, None, 0.3]), range_of([None])
    ('.10, .20, .30', '')
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    shown = [f"{value:.2f}" for value in np.percentile(known, (0, 50, 100))]
    return ", ".join(text.removeprefix("0") if text != "0.00" else "0" for text in shown)


if __name__ == "__main__":
    main()
