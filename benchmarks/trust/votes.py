"""When a vote of like cells helps, and when it hurts.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/votes.py [--tasks NAMES]

The default names the test cells of each task (at home those of the first fold); then the clusters
that `find_clusters` finds among them vote, at several resolutions, by majority and by mean
log-probability, and a cluster's word stands from several shares of agreement on. For each: accuracy
and macro-F1, beside those of the cells themselves, and the recall over all cells of rare types,
those of less than 2 % of the test cells. What the default says is cached in
`$XDG_CACHE_HOME/cellclassifier/benchmarks/votes`. A row a task goes to
benchmarks/results/votes.jsonl.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from environments import cache_folder
from record import Row, measured_commit, save
from rows import files_of
from scipy import sparse
from sklearn.metrics import f1_score
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, Task, choose_tasks

import cellclassifier as cc
from cellclassifier.classifier.clustering import find_clusters
from cellclassifier.classifier.view import ModelView

RESULTS = "votes.jsonl"
TASKS = "abroad,zheng_sorted_facs,baron_pancreas,zeisel_cortex"
RESOLUTIONS = (1.0, 5.0, 20.0)
RULES = ("majority", "mean log-probability")
AGREEMENTS = (0.0, 0.5, 0.7, 0.9)
RARE = 0.02
SMALLEST = 1e-7

Codes = npt.NDArray[np.intp]


class Named(NamedTuple):
    """What the default says of the test cells of a task: log-probabilities, types, expression."""

    logs: npt.NDArray[np.float32]
    truth: Codes
    expression: sparse.csr_matrix


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default=TASKS)
    arguments = parser.parse_args()
    commit = measured_commit()
    for task in choose_tasks(arguments.tasks):
        named = cached(task)
        alone = named.logs.argmax(axis=1)
        row = files_of(task)[0] | {"commit": commit, "task": task.name, "group": task.group}
        row |= {"seed": SEED, "fold": 0, "n_cells": len(alone)}
        row |= {"alone": scores(alone, named.truth), "votes": list(votes(named, alone))}
        save(RESULTS, [row], partial(is_of, task.name))
        print(task.name, len(alone), "alone", row["alone"])
        print(pd.DataFrame(row["votes"]).round(4).to_string(index=False), flush=True)


def is_of(task: str, row: Row) -> bool:
    """Tell whether a row is of a task."""
    return bool(row["task"] == task)


def cached(task: Task) -> Named:
    """Return what the default says, from the cache or of a new fit."""
    path = cache_folder() / "votes" / f"{task.name}.npz"
    if not path.exists():
        write(path, fitted(task))
    with np.load(path, allow_pickle=False) as arrays:
        shape = (len(arrays["truth"]), int(arrays["n_genes"]))
        parts = arrays["data"], arrays["indices"], arrays["indptr"]
        return Named(arrays["logs"], arrays["truth"], sparse.csr_matrix(parts, shape=shape))


def write(path: Path, named: Named) -> None:
    """Write an .npz, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, matrix = path.with_suffix(".part.npz"), named.expression
    parts: dict[str, Any] = {
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
    }
    np.savez(temporary, logs=named.logs, truth=named.truth, n_genes=matrix.shape[1], **parts)
    temporary.replace(path)


def fitted(task: Task) -> Named:
    """Fit the default as it comes, and name the test cells as they come."""
    split = task.split(0)
    classifier = cc.CellTypeClassifier(seed=SEED)
    classifier.fit(split.training, labels_key=LABELS_KEY, library_size_key=LIBRARY_SIZE_KEY)
    labels = split.test.obs[LABELS_KEY].astype(str).to_numpy()
    test = split.test[np.isin(labels, classifier.classes_)].copy()
    named = classifier.classify(test, library_size_key=LIBRARY_SIZE_KEY)
    raw = cc.find_counts(test, library_size_key=LIBRARY_SIZE_KEY)
    view = ModelView.of(classifier.manifest_, raw)
    expression = classifier.manifest_.normalisation.apply(view.aligned(raw))
    truth = named.label_space.encode(test.obs[LABELS_KEY].astype(str)).astype(np.intp)
    logs = np.log(np.maximum(named.probabilities, SMALLEST))
    return Named(logs.astype(np.float32), truth, expression)


def votes(named: Named, alone: Codes) -> Iterator[Row]:
    """Yield the scores by resolution, rule and agreement asked for."""
    for resolution in RESOLUTIONS:
        clusters = find_clusters(named.expression, resolution=resolution, seed=SEED)
        for rule in RULES:
            said, agreement = by_rule(named.logs, alone, clusters, rule)
            for least in AGREEMENTS:
                stands = agreement >= least
                yield {
                    "resolution": resolution,
                    "n_clusters": int(clusters.max()) + 1,
                    "rule": rule,
                    "agreement": least,
                    "share_voted": float(stands.mean()),
                    **scores(np.where(stands, said, alone), named.truth),
                }


def by_rule(
    logs: npt.NDArray[np.float32], alone: Codes, clusters: Codes, rule: str
) -> tuple[Codes, npt.NDArray[np.float64]]:
    """Return the word of each cell's cluster, and the share of its cells that say so."""
    members = sparse.csr_matrix((np.ones(len(alone)), (clusters, np.arange(len(alone)))))
    shares = np.asarray(members @ np.eye(logs.shape[1])[alone])
    shares = shares / shares.sum(axis=1)[:, None]
    word = (shares if rule == RULES[0] else members @ logs).argmax(axis=1)
    return word[clusters], shares[np.arange(len(word)), word][clusters]


def scores(said: Codes, truth: Codes) -> Row:
    """Return accuracy, macro-F1, and the recall over all cells of rare types."""
    sizes = np.bincount(truth)
    rare = sizes[truth] < RARE * len(truth)
    return {
        "accuracy": float((said == truth).mean()),
        "macro_f1": float(f1_score(truth, said, labels=np.unique(truth), average="macro")),
        "rare_recall": float((said == truth)[rare].mean()) if rare.any() else None,
    }


if __name__ == "__main__":
    main()
