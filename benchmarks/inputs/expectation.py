"""Whether the accuracy that `check` expects comes true.

    PYTHONPATH=benchmarks/accuracy python benchmarks/inputs/expectation.py

At home: five stratified folds (seed 0) of zheng_sorted_facs and of baron_pancreas (types of ten
cells and more); the cells of each fold, never seen in training, lose a share of their genes at
random and are thinned, and what `check` expects of the default classifier is put beside what it
scores. Abroad: the model of all zheng_sorted_facs cells on the other two selections of
zheng_sorted_merged. One row a fold and setting goes to benchmarks/results/expectation.jsonl; the
means are printed.
"""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from record import Row, provenance, save, shared_data
from scipy import sparse
from sklearn.model_selection import StratifiedKFold

import cellclassifier as cc
from cellclassifier.data import read_labels

HOMES = ("zheng_sorted_facs.h5ad", "baron_pancreas.h5ad")
ABROAD = "zheng_sorted_merged.h5ad"
LABELS_KEY, LIBRARY_SIZE_KEY = "cell_type", "n_counts_all_genes"
N_FOLDS, SEED, MIN_CELLS_PER_TYPE = 5, 0, 10
# shares of the genes and of the counts that are left
SETTINGS = ((1.0, 1.0), (0.7, 1.0), (0.4, 1.0), (1.0, 0.5), (1.0, 0.2), (1.0, 0.05), (0.5, 0.3))

Cells = Any  # AnnData has no types


def main() -> None:
    """Score all settings; print and save."""
    rows = [row for data in HOMES for row in at_home(data)] + list(abroad())
    save("expectation.jsonl", rows, lambda _: True)
    table = pd.DataFrame(rows)
    print(
        table.groupby(["data", "cells", "genes_left", "counts_left"], sort=False)[
            ["expected", "accuracy", "inside"]
        ]
        .mean()
        .round(3)
        .to_string()
    )


def at_home(data: str) -> Iterator[Row]:
    """Yield one row a fold and setting."""
    cells = cc.read_cells(shared_data(data)).to_memory()
    sizes = cells.obs[LABELS_KEY].value_counts()
    cells = cells[cells.obs[LABELS_KEY].isin(sizes.index[sizes >= MIN_CELLS_PER_TYPE])].copy()
    labels = read_labels(cells, LABELS_KEY)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED).split(labels, labels)
    for fold, (training, test) in enumerate(folds):
        classifier = cc.CellTypeClassifier("linear", seed=SEED).fit(
            cells[training].copy(), labels_key=LABELS_KEY
        )
        for genes_left, counts_left in SETTINGS:
            changed = cut_down(cells[test].copy(), genes_left, counts_left)
            yield scored(classifier, changed, data) | {
                "cells": "held out",
                "fold": fold,
                "genes_left": genes_left,
                "counts_left": counts_left,
            }
        print(f"{data} fold {fold}", file=sys.stderr)


def abroad() -> Iterator[Row]:
    """Yield one row a selection of cells that the model has not seen."""
    cells = cc.read_cells(shared_data(ABROAD)).to_memory()
    home = cells[cells.obs["upstream"] == "facs"].copy()
    classifier = cc.CellTypeClassifier("linear", seed=SEED).fit(
        home, labels_key=LABELS_KEY, library_size_key=LIBRARY_SIZE_KEY
    )
    for selection in ("mudan", "same"):
        other = cells[cells.obs["upstream"] == selection].copy()
        yield scored(classifier, other, ABROAD, library_size_key=LIBRARY_SIZE_KEY) | {
            "cells": f"selection {selection}",
            "fold": None,
            "genes_left": 1.0,
            "counts_left": 1.0,
        }


def cut_down(cells: Cells, genes_left: float, counts_left: float) -> Cells:
    """Return cells with a random share of their genes, and of their counts."""
    rng = np.random.default_rng(SEED)
    kept = np.sort(rng.permutation(cells.n_vars)[: round(genes_left * cells.n_vars)])
    cells = cells[:, kept].copy()
    counts = sparse.csr_matrix(cells.X)
    if counts_left < 1:
        counts.data = rng.binomial(counts.data.astype(np.int64), counts_left).astype(np.float32)
    counts.eliminate_zeros()
    cells.X = counts
    return cells[np.asarray(counts.sum(axis=1)).ravel() > 0].copy()


def scored(classifier: cc.CellTypeClassifier, cells: Cells, data: str, **counts: Any) -> Row:  # noqa: ANN401
    """Return what was expected, and what came."""
    told = cc.check(cells, classifier, **counts).model
    if told is None or told.expected is None:
        raise SystemExit("the model kept no validation cells")
    accuracy = cc.evaluate(
        read_labels(cells, LABELS_KEY), classifier.classify(cells, **counts)
    ).accuracy
    low, high = told.expected.interval
    return {
        "expected": round(told.expected.accuracy, 4),
        "interval": [round(low, 4), round(high, 4)],
        "accuracy": round(accuracy, 4),
        "inside": low <= accuracy <= high,
        "n_cells": cells.n_obs,
        "gene_coverage": round(told.gene_coverage, 4),
        "n_validation_cells": told.expected.n_cells,
        "split": f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={SEED})",
        "seed": SEED,
        **provenance(shared_data(data)),
    }


if __name__ == "__main__":
    main()
