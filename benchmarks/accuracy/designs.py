"""The settings behind each network's defaults, chosen inside training data.

    python benchmarks/accuracy/designs.py [--networks linear mlp]

Of each data set four fifths (fold 0 of five stratified ones, seed 0) are training data; the last
fifth is not looked at. Each setting is scored on five stratified folds inside the training data.
One JSON line a set, setting and fold is written to benchmarks/results/designs.jsonl, and the
means are printed.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from record import Row, provenance, save, shared_data
from sklearn.model_selection import StratifiedKFold

import cellclassifier as cc
from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.data import read_labels

DATA = ("zheng_sorted_facs.h5ad", "baron_pancreas.h5ad", "paul15.h5ad")
LABELS_KEY = "cell_type"
MIN_CELLS_PER_TYPE = 10
N_FOLDS = 5
SEED = 0


@dataclass(frozen=True)
class Design:
    """What differs from the network's defaults."""

    name: str
    network: str
    training: dict[str, Any]
    counts_per_cell: float | None = None


DESIGNS = (
    Design("default", "linear", {}),
    Design("no early stopping", "linear", {"validation_fraction": 0.0}),
    Design("no refit on all cells", "linear", {"refit": False}),
    Design("penalty 1e-5", "linear", {"penalty": 1e-5}),
    Design("penalty 1e-4", "linear", {"penalty": 1e-4}),
    Design("penalty 3e-4", "linear", {"penalty": 3e-4}),
    Design("no class weights", "linear", {"class_weights": "none"}),
    Design("balanced class weights", "linear", {"class_weights": "balanced"}),
    Design("per 10,000", "linear", {}, 1e4),
    Design("per 1,000", "linear", {}, 1e3),
    Design("default", "mlp", {}),
    Design("sqrt class weights", "mlp", {"class_weights": "sqrt"}),
    Design("per 10,000", "mlp", {}, 1e4),
)


def main() -> None:
    """Score every design of the networks asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["linear", "mlp"])
    networks = parser.parse_args().networks
    rows: list[Row] = []
    for data in DATA:
        for design in DESIGNS:
            if design.network in networks:
                rows += scored(data, design)
                print(f"{data} {design.network} {design.name}", file=sys.stderr)
    save("designs.jsonl", rows, lambda row: row["network"] in networks)
    means = pd.DataFrame(rows).pivot_table(
        index=["network", "design"],
        columns="data",
        values=["accuracy", "log_loss", "ece"],
        sort=False,
    )
    print(means.round(4).to_string())


def scored(data: str, design: Design) -> list[Row]:
    """Return one row an inner fold."""
    reference = training_part(data)
    labels = read_labels(reference, LABELS_KEY)
    recipe = find_recipe(design.network)
    normalisation = recipe.normalisation
    if design.counts_per_cell is not None:
        normalisation = replace(normalisation, counts_per_cell=design.counts_per_cell)
    rows = []
    for fold, (training, held_out) in enumerate(folds(labels)):
        classifier = cc.CellTypeClassifier(
            design.network,
            normalisation=normalisation,
            training=replace(recipe.training, **design.training),
            seed=SEED,
        )
        started = time.process_time()
        classifier.fit(reference[training].copy(), labels_key=LABELS_KEY)
        fit_cpu_seconds = time.process_time() - started
        evaluation = cc.evaluate(
            labels[held_out], classifier.classify(reference[held_out].copy())
        ).to_json()
        rows.append(
            {
                "network": design.network,
                "design": design.name,
                "inner_fold": fold,
                **{key: evaluation[key] for key in ("accuracy", "macro_f1", "log_loss", "ece")},
                "epochs": classifier.manifest_.training["best_epoch"],
                "fit_cpu_seconds": round(fit_cpu_seconds, 2),
                "normalisation": normalisation.to_json(),
                "training": classifier.manifest_.training["config"],
                "split": "inner folds of the training part of fold 0",
                "seed": SEED,
                **provenance(shared_data(data)),
            }
        )
    return rows


def training_part(data: str) -> Any:  # noqa: ANN401  (AnnData has no types)
    """Return four fifths of the cells of the types with ten cells or more."""
    cells = cc.read_cells(shared_data(data))
    sizes = cells.obs[LABELS_KEY].value_counts()
    cells = cells[cells.obs[LABELS_KEY].isin(sizes.index[sizes >= MIN_CELLS_PER_TYPE])].copy()
    training, _ = next(folds(read_labels(cells, LABELS_KEY)))
    return cells[training].copy()


def folds(labels: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """Yield the rows of training and held-out cells of each stratified fold."""
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED)
    yield from splitter.split(labels, labels)


if __name__ == "__main__":
    main()
