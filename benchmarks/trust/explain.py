"""Whether the genes that a model goes by are those of the textbooks, by how they are weighed.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/explain.py [--networks NAMES]

Each network is trained on four fifths of sorted blood cells, with all T cells as one type, and of
pancreas cells; the other fifth is explained as what the model calls it. For seven types: how many
of their textbook markers are among the 20 best genes, from a baseline of mean expression and of no
counts, ranked by the whole contribution and by its part from cells that have more of the gene than
the baseline. Beside it the difference of mean expression, which needs no model. And how long 10,000
cells take (test cells, repeated). A row a set and network goes to benchmarks/results/explain.jsonl.
"""

import argparse
from functools import partial
from time import perf_counter
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from record import Row, measured_commit, save
from rows import files_of
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, choose_tasks, relabelled

import cellclassifier as cc

RESULTS = "explain.jsonl"
# the task, and how its labels are merged
SETS = {"zheng_sorted_facs": "merged_coarse", "baron_pancreas": None}
NETWORKS = "wide-deep,linear,mlp"
N_BEST, N_TIMED = 20, 10_000
# as in tests/classifier/test_explaining_real.py: long known for the type, or what it is sorted by
MARKERS = {
    "B cell": "CD19 CD37 CD74 CD79A CD79B HLA-DRA MS4A1 TCL1A",
    "NK cell": "GNLY GZMB FCER1G KLRB1 KLRD1 KLRF1 NKG7 PRF1 TYROBP",
    "Monocyte": "CD14 CST3 FCN1 LYZ S100A8 S100A9 TYROBP",
    "T cell": "CD2 CD3D CD3E CD3G CD7 CD8A IL32 IL7R LTB TRAC",
    "beta": "ADCYAP1 DLK1 ERO1B G6PC2 IAPP INS MAFA NKX6-1 PDX1",
    "alpha": "ARX GC GCG IRX2 LOXL4 PCSK2 TM4SF4 TTR",
    "acinar": "CELA3A CELA3B CPA1 CTRB1 CTRB2 PRSS1 PRSS2 REG1A",
}
EVERYWHERE = ("RPL", "RPS", "MT-")

Cells = Any  # AnnData has no types


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", default=NETWORKS)
    arguments = parser.parse_args()
    commit = measured_commit()
    for name, label_map in SETS.items():
        (task,) = choose_tasks(name)
        split = task.split(0)
        training, test = (relabelled(cells, label_map) for cells in (split.training, split.test))
        for network in arguments.networks.split(","):
            classifier = cc.CellTypeClassifier(network, seed=SEED)
            classifier.fit(training, labels_key=LABELS_KEY, library_size_key=LIBRARY_SIZE_KEY)
            row = files_of(task)[0] | {"commit": commit, "task": name, "network": network}
            row |= {"seed": SEED, "fold": 0, "ways": list(ways(classifier, test))}
            row["seconds_for_10000_cells"] = seconds(classifier, test)
            save(RESULTS, [row], partial(is_of, name, network))
            shown = pd.DataFrame(row["ways"]).pivot_table(
                index="cell_type", columns="way", values="n_markers", sort=False
            )
            print(name, network, f"{row['seconds_for_10000_cells']:.1f} s", flush=True)
            print(shown.to_string(), flush=True)


def is_of(task: str, network: str, row: Row) -> bool:
    """Tell whether a row is of a task and a network."""
    return bool(row["task"] == task and row["network"] == network)


def explained(classifier: cc.CellTypeClassifier, cells: Cells, **settings: Any) -> cc.Explanation:  # noqa: ANN401
    """Return the explanation of cells as what they are called, each named for itself."""
    return classifier.explain(
        cells,
        shift=0.0,
        settings=cc.ExplainSettings(n_genes=None, seed=SEED, **settings),
        library_size_key=LIBRARY_SIZE_KEY,
    )


def ways(classifier: cc.CellTypeClassifier, cells: Cells) -> Any:  # noqa: ANN401
    """Yield what is found of each type's markers, by each way to rank its genes."""
    for baseline in ("mean", "zero"):
        table = explained(classifier, cells, baseline=baseline).table
        for column in ("by_presence", "contribution"):
            yield from counted(table, column, f"{baseline}, {column}")
    table["difference"] = table["mean_expression"] - table["mean_expression_rest"]
    yield from counted(table, "difference", "difference of means")


def counted(table: pd.DataFrame, column: str, way: str) -> Any:  # noqa: ANN401
    """Yield the best genes of each type with markers, and how many of these are among them."""
    for cell_type, names in MARKERS.items():
        own = table[table["cell_type"] == cell_type]
        if not len(own):
            continue
        best = own.nlargest(N_BEST, column)["gene_symbol"].tolist()
        markers = set(names.split()) & set(own["gene_symbol"])
        yield {
            "cell_type": cell_type,
            "way": way,
            "n_markers": len(markers & set(best)),
            "n_markers_measured": len(markers),
            "n_everywhere": sum(gene.startswith(EVERYWHERE) for gene in best),
            "best": best,
        }


def seconds(classifier: cc.CellTypeClassifier, cells: Cells) -> float:
    """Return how long 10,000 cells take, all of them taken apart; the second time."""
    rows = np.resize(np.arange(cells.n_obs), N_TIMED)
    obs = cells.obs.iloc[rows].set_index(pd.Index([f"cell{n}" for n in range(N_TIMED)]))
    many = ad.AnnData(cells.X[rows], obs=obs, var=cells.var)
    explained(classifier, cells)
    begin = perf_counter()
    found = explained(classifier, many, cells_per_type=N_TIMED)
    assert sum(found.n_cells.values()) == N_TIMED  # noqa: S101
    return perf_counter() - begin


if __name__ == "__main__":
    main()
