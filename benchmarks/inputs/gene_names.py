"""How many genes the shipped tables know.

    PYTHONPATH=benchmarks/accuracy python benchmarks/inputs/gene_names.py

Each file of the data folder, with the names it has and, where it has ids too, by `gene_symbol`
alone; with the share of its counts that falls to known genes, and how long the names take. Rows go
to benchmarks/results/gene_names.jsonl.
"""

import statistics
import time

import numpy as np
import pandas as pd
from record import Row, provenance, save, shared_data

import cellclassifier as cc
from cellclassifier.data import GenePanel

FILES = (
    "pbmc3k", "zheng_sorted_facs", "zheng_sorted_merged", "baron_pancreas", "pbmc_10x_3prime",
    "paul15", "zeisel_cortex", "cbmc_citeseq",
)  # fmt: skip
SYMBOLS = "gene_symbol"
N_REPEATS = 5


def main() -> None:
    """Resolve the names of each file; print and save."""
    rows = []
    for name in FILES:
        cells = cc.read_cells(shared_data(f"{name}.h5ad")).to_memory()
        counts = np.asarray(cells.X.sum(axis=0)).ravel()
        rows.append(resolved(name, "as they are", cells.var, counts))
        if SYMBOLS in cells.var:
            symbols = cells.var[[]].set_axis(cells.var[SYMBOLS].astype(str))
            rows.append(resolved(name, "symbols", symbols, counts))
    save("gene_names.jsonl", rows, lambda _: True)
    for row in rows:
        print({key: row[key] for key in list(row)[:8]})


def resolved(name: str, names: str, var: pd.DataFrame, counts: np.ndarray) -> Row:
    """Return what became of the names of one file."""
    panel, seconds = GenePanel.of_var(var), []
    for _ in range(N_REPEATS):
        started = time.perf_counter()
        panel = GenePanel.of_var(var)
        seconds.append(time.perf_counter() - started)
    known = panel.ensembl_ids != ""
    return {
        "file": name,
        "names": names,
        "species": panel.species,
        "n_genes": len(panel),
        "known": round(float(known.mean()), 5),
        "counts_known": round(float(counts[known].sum() / counts.sum()), 5),
        "seconds": round(statistics.median(seconds), 3),
        **provenance(shared_data(f"{name}.h5ad")),
    }


if __name__ == "__main__":
    main()
