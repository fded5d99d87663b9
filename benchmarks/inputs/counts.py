"""What finding counts takes: seconds and memory of `find_counts`, raw and normalised.

    PYTHONPATH=benchmarks/accuracy python benchmarks/inputs/counts.py

20,000 cells of 20,000 genes, each the sum of two cells of pbmc3k drawn at random (about 1,400
values a cell), as raw counts and under three normalisations; every result is compared with the
counts put in. Each kind is measured in a process of its own. Rows go to
benchmarks/results/find_counts.jsonl. Wall seconds say little where other work runs on the machine:
its load, and the seconds of all cores together, stand beside them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import numpy.typing as npt
from record import Row, provenance, save, shared_data
from scipy import sparse

DATA = "pbmc3k.h5ad"
N_GENES, N_REPEATS, SEED = 20_000, 5, 0

Floats = npt.NDArray[np.float64]
KINDS: dict[str, tuple[float | None, Callable[[Floats], Floats]]] = {
    "raw": (None, lambda scaled: scaled),
    "log1p per 10,000": (1e4, np.log1p),
    "log1p per 1,000,000": (1e6, np.log1p),
    "log2(1 + x) per 10,000": (1e4, lambda scaled: np.log2(1 + scaled)),
}


def main() -> None:
    """Measure each kind in a process of its own; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--kind", choices=list(KINDS))
    arguments = parser.parse_args()
    if arguments.kind:
        print(json.dumps(measured(arguments.kind, arguments.cells)))
        return
    rows = []
    for kind in KINDS:
        command = [sys.executable, __file__, "--kind", kind, "--cells", str(arguments.cells)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(done.stdout) | provenance(shared_data(DATA))
        print({name: row[name] for name in list(row)[:12]})
        rows.append(row)
    save("find_counts.jsonl", rows, lambda row: row["n_cells"] == arguments.cells)


def measured(kind: str, n_cells: int) -> Row:
    """Time `find_counts` on one kind of values."""
    from cellclassifier.data import find_counts

    counts = drawn_counts(shared_data(DATA), n_cells)
    cells = ad.AnnData(normalised(counts, kind))
    before, walls, cores = _peak_mb_from_here(), [], []
    for _ in range(N_REPEATS):
        wall, core = time.perf_counter(), time.process_time()
        raw = find_counts(cells)
        walls.append(time.perf_counter() - wall)
        cores.append(time.process_time() - core)
        if np.any((raw.counts - counts).data):
            raise SystemExit(f"{kind}: the counts found are not those put in")
    median = float(np.median(walls))
    return {
        "kind": kind,
        "n_cells": n_cells,
        "n_genes": counts.shape[1],
        "values_per_cell": round(counts.nnz / n_cells),
        "evidence": raw.evidence,
        "seconds": round(median, 3),
        "seconds_range": [round(min(walls), 3), round(max(walls), 3)],
        "cells_per_second": round(n_cells / median),
        "core_seconds": round(float(np.median(cores)), 3),
        "load_average": round(os.getloadavg()[0], 1),
        "mb_before": before,
        "peak_mb": _memory_mb("VmHWM"),
        "seed": SEED,
    }


def drawn_counts(path: Path, n_cells: int) -> sparse.csr_matrix:
    """Add up random pairs of different real cells, over the genes with most counts."""
    rng = np.random.default_rng(SEED)
    real = sparse.csr_matrix(ad.read_h5ad(path).X)
    most = np.argsort(-np.asarray(real.sum(axis=0)).ravel(), kind="stable")[:N_GENES]
    real = real[:, np.sort(most)]
    first = rng.integers(real.shape[0], size=n_cells)
    second = (first + rng.integers(1, real.shape[0], size=n_cells)) % real.shape[0]
    counts: sparse.csr_matrix = (real[first] + real[second]).tocsr()
    counts.sort_indices()
    return counts


def normalised(counts: sparse.csr_matrix, kind: str) -> sparse.csr_matrix:
    """Return the values of one kind, float32."""
    constant, transform = KINDS[kind]
    scaled = counts.data.astype(np.float64)
    if constant is not None:
        library_size = np.asarray(counts.sum(axis=1)).ravel()
        scaled *= np.repeat(constant / library_size, np.diff(counts.indptr))
    values = transform(scaled).astype(np.float32)
    return sparse.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)


def _peak_mb_from_here() -> int:
    """Forget the peak of memory so far, and return what is held."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return round(int(status.split(f"{field}:")[1].split()[0]) / 1024)


if __name__ == "__main__":
    main()
