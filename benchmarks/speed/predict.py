"""What naming cells in memory takes, beside the quickest that a user could write.

    PYTHONPATH=benchmarks/accuracy:benchmarks/scale python benchmarks/speed/predict.py

100,000 cells of some 20,000 genes, like real ones (see make_cells.py), are named by
`CellTypeClassifier.classify`, from the AnnData to the probabilities and what they are worth, and by
`predict`, which gives the types alone, on one core and on two. Beside them stands a logistic
regression on log1p of the same genes: columns taken out of the sparse matrix,
normalised, and a sparse product, as with scanpy and scikit-learn. Models differ in genes and types;
their types are parts of real ones, drawn at random: for speed it does not matter. The runs of all
ways take turns; a row has the median of them. Rows go to benchmarks/results/predict_speed.jsonl.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anndata as ad
import numpy as np
import pandas as pd
from make_cells import SOURCE, RealCells, blocks
from record import Row, provenance, save, shared_data
from scipy import sparse

from cellclassifier import CellTypeClassifier, TrainingConfig
from cellclassifier.data import GenePanel, match_genes
from cellclassifier.data.resolution import number_genes

RESULTS = "predict_speed.jsonl"
GENES, TYPES = (1000, 2000, 4000), (10, 50, 200)
REPEATS, N_CELLS, GENES_PER_CELL = 5, 100_000, 1400.0
# enough for weights of the usual kind; how good they are costs nothing
TRAINING = TrainingConfig(
    solver="stacked", epochs=1, penalty=1e-3, validation_fraction=0, patience=None
)
KEY = "type"


def main() -> None:
    """Measure each model, and write its rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", type=int, default=N_CELLS)
    parser.add_argument("--genes", type=int, nargs="+", default=GENES)
    parser.add_argument("--types", type=int, nargs="+", default=TYPES)
    args = parser.parse_args()
    source = shared_data(SOURCE)
    real = without_second_names(RealCells.read(source, 20_000))
    cells = many_cells(real, args.cells)
    facts = provenance(source)
    for n_types in args.types:
        for n_genes in args.genes:
            rows = [facts | row for row in measured(model_of(real, n_genes, n_types), cells)]
            for row in rows:
                print({key: row[key] for key in row if key not in facts}, flush=True)
            save(RESULTS, rows, partial(is_of, (n_genes, n_types)))


def is_of(size: tuple[int, int], row: Row) -> bool:
    """Tell whether a row is of a model of so many genes and types."""
    return (row["n_genes"], row["n_types"]) == size


def without_second_names(real: RealCells) -> RealCells:
    """Leave out columns whose gene has another one, as no 10x run has: adding them is a copy."""
    genes = GenePanel.of_var(real.var, None)
    _, first = np.unique(number_genes(genes.ensembl_ids, genes.symbols), return_index=True)
    kept = np.sort(first)
    return replace(real, counts=real.counts[:, kept], var=real.var.iloc[kept])


def many_cells(real: RealCells, n_cells: int) -> ad.AnnData:
    """Draw cells like real ones."""
    counts = [block for block, _ in blocks(real, n_cells, GENES_PER_CELL, 0)]
    names = pd.Index([f"cell{number}" for number in range(n_cells)])
    return ad.AnnData(
        sparse.vstack(counts, format="csr"), obs=pd.DataFrame(index=names), var=real.var
    )


def model_of(real: RealCells, n_genes: int, n_types: int) -> CellTypeClassifier:
    """Fit a model of so many types: the real ones, put together or cut into parts at random."""
    n_cells = len(real.codes)
    # cells in the order of their types, cut into equal parts
    parts = np.arange(n_cells) * n_types // n_cells
    names = pd.Index([f"cell{number}" for number in range(n_cells)])
    reference = ad.AnnData(
        real.counts,
        obs=pd.DataFrame({KEY: [f"type{part}" for part in parts]}, index=names),
        var=real.var,
    )
    return CellTypeClassifier(genes=n_genes, training=TRAINING).fit(reference, labels_key=KEY)


def measured(classifier: CellTypeClassifier, cells: ad.AnnData) -> list[Row]:
    """Return a row for each way of naming the cells."""
    ways = {
        **{("classify", n_cores): lambda: classifier.classify(cells) for n_cores in (1, 2)},
        **{("predict", n_cores): lambda: classifier.predict(cells) for n_cores in (1, 2)},
        ("logistic regression", 1): logistic_regression(classifier, cells),
    }
    for name_cells in ways.values():
        name_cells()  # so that all is compiled
    runs: dict[tuple[str, int], list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(REPEATS):
        for way, name_cells in ways.items():
            runs[way].append(timed(name_cells, n_cores=way[1]))
    manifest, n_cells = classifier.check_fitted(), cells.n_obs
    in_panel = match_genes(GenePanel.of_var(cells.var, None), manifest.panel).target >= 0
    size = {
        "n_genes": len(manifest.panel),
        "n_types": len(manifest.label_space),
        "n_cells": n_cells,
        "values_per_cell": round(cells.X.nnz / n_cells),
        "panel_values_per_cell": round(int(in_panel[cells.X.indices].sum()) / n_cells),
    }
    return [
        size
        | {
            "way": way,
            "cores": n_cores,
            "cells_per_second": round(n_cells / statistics.median(wall for wall, _ in seconds)),
            "cpu_us_per_cell": round(
                1e6 * statistics.median(cpu for _, cpu in seconds) / n_cells, 2
            ),
        }
        for (way, n_cores), seconds in runs.items()
    ]


def timed(name_cells: Callable[[], object], n_cores: int) -> tuple[float, float]:
    """Return the seconds on the clock, and those of all cores, on so many cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:n_cores])
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        name_cells()
        return time.perf_counter() - wall, time.process_time() - cpu
    finally:
        os.sched_setaffinity(0, allowed)


def logistic_regression(
    classifier: CellTypeClassifier, cells: ad.AnnData
) -> Callable[[], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Return what names cells by a linear model of the same genes and types."""
    manifest = classifier.check_fitted()
    target = match_genes(GenePanel.of_var(cells.var, None), manifest.panel).target
    columns = np.flatnonzero(target >= 0)
    rng = np.random.default_rng(0)
    shape = len(columns), len(manifest.label_space)
    kernel = rng.normal(size=shape).astype(np.float32)

    def decision_function() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        library_size = np.asarray(cells.X.sum(axis=1)).ravel()
        expression = cells.X[:, columns]
        scale = np.float32(1e4) / library_size
        expression.data *= np.repeat(scale, np.diff(expression.indptr))
        np.log1p(expression.data, out=expression.data)
        decision: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = expression @ kernel
        return decision

    return decision_function


if __name__ == "__main__":
    main()
