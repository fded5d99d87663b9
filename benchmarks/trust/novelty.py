"""Types that a classifier was not trained on: which score finds their cells.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/novelty.py [--tasks NAMES] [--types 10]

For each task at home, on its first fold: each of the largest types is left out of training in
turn, and all of its cells are unseen; the known ones are the test cells of the other types. With
all types in training, unseen are doublets, each the sum of two test cells of different types, and,
for blood sets with gene names, cells of the pancreas. Scores: our novelty; one minus the top
probability and the entropy of our default; one minus the top probability of a logistic regression
on log1p of counts per 10,000 (C = 1, all genes), as a user of scikit-learn would; the distance to
the ten nearest training cells in 25 principal components, not whitened. For ours also which share
of cells is called unknown at the default threshold. Each cell is named for itself (shift=0). One
row a task, what is unseen, and score goes to benchmarks/results/trust_novelty.jsonl.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
from record import Row, measured_commit, save
from rows import files_of
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, Home, Split, choose_tasks

import cellclassifier as cc
from cellclassifier.classifier.trusting import TrustSettings

RESULTS = "trust_novelty.jsonl"
TASKS = "zheng_sorted_facs,baron_pancreas,cbmc_citeseq"
MIN_CELLS, N_DOUBLETS = 40, 600
FOREIGN = {"zheng_sorted_facs": "baron_pancreas"}

Scores = dict[str, npt.NDArray[np.floating[Any]]]
Cells = Any  # AnnData has no types


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--types", type=int, default=10, help="the largest of each task")
    arguments = parser.parse_args()
    commit = measured_commit()
    for task in choose_tasks(arguments.tasks):
        assert isinstance(task, Home)  # noqa: S101
        about = files_of(task)[0] | {"commit": commit, "task": task.name, "seed": SEED, "fold": 0}
        rows = [about | row for row in measured(task.name, task.split(0), arguments.types)]
        save(RESULTS, rows, partial(is_of, task.name))
        table = pd.DataFrame(rows).pivot_table(
            index="unseen", columns="score", values="auroc", sort=False
        )
        print(table.round(3).to_string(), flush=True)


def is_of(task: str, row: Row) -> bool:
    """Tell whether a row is of a task."""
    return bool(row["task"] == task)


def measured(name: str, split: Split, n_types: int) -> Iterator[Row]:
    """Yield a row for what is unseen and each score."""
    labels = split.training.obs[LABELS_KEY].astype(str)
    scorer = Scorer(split.training)
    known = scorer(split.test)
    yield from _rows("doublets", scorer(doublets(split.test)), known, "doublets")
    if name in FOREIGN:
        (foreign,) = choose_tasks(FOREIGN[name])
        yield from _rows("another tissue", scorer(foreign.split(0).test), known, "foreign")
    sizes = labels.value_counts()
    for unseen in sizes.index[sizes >= MIN_CELLS][:n_types]:
        without = Scorer(split.training[(labels != unseen).to_numpy()].copy())
        apart = split.training[(labels == unseen).to_numpy()].copy()
        others = (split.test.obs[LABELS_KEY].astype(str) != unseen).to_numpy()
        yield from _rows(unseen, without(apart), without(split.test[others].copy()), "type")


def doublets(cells: Cells) -> Cells:
    """Return sums of two cells of different types."""
    rng = np.random.default_rng(SEED)
    one, other = rng.integers(0, cells.n_obs, size=(2, 20 * N_DOUBLETS))
    labels = cells.obs[LABELS_KEY].astype(str).to_numpy()
    pairs = np.flatnonzero(labels[one] != labels[other])[:N_DOUBLETS]
    one, other = one[pairs], other[pairs]
    sizes = cells.obs[LIBRARY_SIZE_KEY].to_numpy()
    obs = pd.DataFrame(
        {LIBRARY_SIZE_KEY: sizes[one] + sizes[other]}, index=[f"pair{n}" for n in range(len(one))]
    )
    return ad.AnnData(cells.X[one] + cells.X[other], obs=obs, var=cells.var)


class Scorer:
    """Our default and two usual scores, all fitted on the same cells."""

    def __init__(self, training: Cells) -> None:
        self.classifier = cc.CellTypeClassifier(seed=SEED)
        self.classifier.fit(training, labels_key=LABELS_KEY, library_size_key=LIBRARY_SIZE_KEY)
        self.genes = training.var_names
        expression = log_expression(training)
        self.regression = LogisticRegression(max_iter=300)
        self.regression.fit(expression, training.obs[LABELS_KEY].astype(str))
        self.axes = PCA(25, svd_solver="arpack", random_state=SEED).fit(expression)
        self.nearest = NearestNeighbors(n_neighbors=10).fit(self.axes.transform(expression))

    def __call__(self, cells: Cells) -> Scores:
        """Return each score of each cell."""
        named = self.classifier.classify(
            cells, library_size_key=LIBRARY_SIZE_KEY, shift=0.0, trust=TrustSettings()
        )
        assert named.trust is not None  # noqa: S101
        expression = log_expression(on_genes(cells, self.genes))
        probabilities = named.probabilities.astype(np.float64)
        distances, _ = self.nearest.kneighbors(self.axes.transform(expression))
        return {
            "novelty": named.trust.novelty,
            "unknown": (named.trust.statuses == "unknown").astype(float),
            "1 - top": 1 - probabilities.max(axis=1),
            "entropy": -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1),
            "logistic 1 - top": 1 - self.regression.predict_proba(expression).max(axis=1),
            "kNN distance": distances.mean(axis=1),
        }


def on_genes(cells: Cells, genes: pd.Index) -> Cells:
    """Return cells with these genes in this order, zero where they were not measured."""
    places = genes.get_indexer(cells.var_names)
    found = np.flatnonzero(places >= 0)
    to_places = sparse.csr_matrix(
        (np.ones(len(found), np.float32), (found, places[found])), (cells.n_vars, len(genes))
    )
    return ad.AnnData(sparse.csr_matrix(cells.X @ to_places), obs=cells.obs)


def log_expression(cells: Cells) -> sparse.csr_matrix:
    """Return log1p of counts per 10,000."""
    expression = sparse.csr_matrix(cells.X, dtype=np.float32, copy=True)
    scale = 1e4 / cells.obs[LIBRARY_SIZE_KEY].to_numpy()
    expression.data = np.log1p(expression.data * np.repeat(scale, np.diff(expression.indptr)))
    return expression


def _rows(unseen: str, scores: Scores, known: Scores, kind: str) -> Iterator[Row]:
    truth = np.r_[np.ones(len(scores["novelty"])), np.zeros(len(known["novelty"]))]
    for score in scores.keys() - {"unknown"}:
        row: Row = {
            "unseen": unseen,
            "kind": kind,
            "score": score,
            "auroc": float(roc_auc_score(truth, np.r_[scores[score], known[score]])),
            "n_unseen": len(scores[score]),
            "n_known": len(known[score]),
        }
        if score == "novelty":
            row["unknown_of_unseen"] = float(scores["unknown"].mean())
            row["unknown_of_known"] = float(known["unknown"].mean())
        yield row


if __name__ == "__main__":
    main()
