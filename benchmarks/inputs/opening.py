"""What opening a large file takes: seconds and memory of `read_cells`, by its kind.

    PYTHONPATH=benchmarks/accuracy python benchmarks/inputs/opening.py

Three files of 5 GB are made in a temporary folder, opened each in a process of its own, with the
system's memory of it dropped where it lets us, and deleted. Rows go to
benchmarks/results/opening.jsonl. The cells are made by this script, whose hash stands in the rows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import zarr
from anndata.io import write_elem
from record import Row, provenance, save

N_GENES, GENES_PER_CELL, CELLS_PER_BLOCK = 20_000, 2_000, 10_000
MEASURE = """
import json, re, sys, time
def peak_mb():  # not ru_maxrss, which begins with that of the process that started this one
    status = open("/proc/self/status").read()
    return round(int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) / 1024)
start = time.perf_counter()
from cellclassifier import read_cells
imported, base = time.perf_counter(), peak_mb()
cells = read_cells(sys.argv[1])
opened, peak = time.perf_counter(), peak_mb()
cells[1000:1100].copy()
rows = time.perf_counter()
print(json.dumps({"seconds_import": round(imported - start, 2),
    "seconds_open": round(opened - imported, 2), "seconds_100_cells": round(rows - opened, 3),
    "peak_mb_import": base, "peak_mb_open": peak, "n_cells": cells.n_obs}))
"""

Array = npt.NDArray[Any]
Blocks = Iterator[tuple[Array, Array]]


def main() -> None:
    """Make, open, delete; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=5.0)
    size = parser.parse_args().gigabytes * 1e9
    rows = []
    for kind, (name, write) in KINDS.items():
        with tempfile.TemporaryDirectory(prefix="opening-") as folder:
            path = Path(folder, name)
            write(path, size)
            row = {"kind": kind, "gigabytes": round(_drop_from_memory(path) / 1e9, 2)}
            done = subprocess.run(
                [sys.executable, "-c", MEASURE, path], check=True, stdout=subprocess.PIPE, text=True
            )
            rows.append(row | json.loads(done.stdout))
            print(json.dumps(rows[-1]))
    recipe: Row = provenance(Path(__file__))
    save("opening.jsonl", [row | recipe for row in rows], lambda _: True)


def write_h5ad(path: Path, size: float) -> None:
    """Write a sparse matrix as anndata does, uncompressed."""
    with h5py.File(path, "w") as file:
        _write_anndata(file, _n_cells(size, value_bytes=8))


def write_zarr(path: Path, size: float) -> None:
    """Write the same store."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _write_anndata(zarr.open_group(path, mode="w"), _n_cells(size, value_bytes=8))


def write_tenx(path: Path, size: float) -> None:
    """Write the layout of Cell Ranger 3."""
    n_cells = _n_cells(size, value_bytes=12)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        _write_sparse(group, n_cells, np.dtype(np.int32), np.dtype(np.int64))
        group["shape"] = np.array([N_GENES, n_cells])
        group["barcodes"] = np.array(_barcodes(n_cells), dtype="S")
        for key, texts in (
            ("id", [f"ENSG{number:011d}" for number in range(N_GENES)]),
            ("name", [f"GENE{number}" for number in range(N_GENES)]),
            ("feature_type", ["Gene Expression"] * N_GENES),
            ("genome", ["GRCh38"] * N_GENES),
        ):
            group[f"features/{key}"] = np.array(texts, dtype="S")


def _write_anndata(root: Any, n_cells: int) -> None:  # noqa: ANN401  (a group of h5py or zarr)
    rng = np.random.default_rng(0)
    types = pd.Categorical.from_codes(rng.integers(0, 30, n_cells), pd.Index(map(str, range(30))))
    obs = pd.DataFrame(
        {"cell_type": types, "n_counts": rng.random(n_cells)}, index=_barcodes(n_cells)
    )
    var = pd.DataFrame(index=[f"ENSG{number:011d}" for number in range(N_GENES)])
    write_elem(root, "obs", obs)
    write_elem(root, "var", var)
    write_elem(root, "obsm", {"X_pca": rng.random((n_cells, 50), dtype=np.float32)})
    group = root.create_group("X")
    group.attrs["encoding-type"], group.attrs["encoding-version"] = "csr_matrix", "0.1.0"
    group.attrs["shape"] = [n_cells, N_GENES]
    _write_sparse(group, n_cells, np.dtype(np.float32), np.dtype(np.int32))


def _write_sparse(
    group: Any,  # noqa: ANN401
    n_cells: int,
    value: np.dtype[Any],
    index: np.dtype[Any],
) -> None:
    n_values, chunk = n_cells * GENES_PER_CELL, CELLS_PER_BLOCK * GENES_PER_CELL // 8
    made = {
        name: group.create_dataset(name, shape=(n_values,), dtype=kind, chunks=(chunk,))
        if isinstance(group, h5py.Group)
        else group.create_array(
            name, shape=(n_values,), dtype=kind, chunks=(chunk,), compressors=None
        )
        for name, kind in (("data", value), ("indices", index))
    }
    for start, (values, columns) in enumerate(_blocks(n_cells)):
        place = slice(start * CELLS_PER_BLOCK * GENES_PER_CELL, None)
        place = slice(place.start, place.start + len(values))
        made["data"][place], made["indices"][place] = values.astype(value), columns.astype(index)
    write_elem(group, "indptr", np.arange(n_cells + 1, dtype=np.int64) * GENES_PER_CELL)


def _blocks(n_cells: int) -> Blocks:
    """Yield counts and genes of blocks of cells; the counts are shuffled anew for each block."""
    rng = np.random.default_rng(1)
    step = N_GENES // GENES_PER_CELL
    genes = np.arange(0, N_GENES, step) + rng.integers(0, step, (CELLS_PER_BLOCK, GENES_PER_CELL))
    counts = rng.poisson(1.0, CELLS_PER_BLOCK * GENES_PER_CELL) + 1
    for start in range(0, n_cells, CELLS_PER_BLOCK):
        n = min(CELLS_PER_BLOCK, n_cells - start)
        values = np.roll(counts, start)[: n * GENES_PER_CELL]
        yield values, genes[:n].ravel()


def _n_cells(size: float, *, value_bytes: int) -> int:
    return int(size / GENES_PER_CELL / value_bytes)


def _barcodes(n_cells: int) -> list[str]:
    return [f"AAACCTGAG{number:09d}-1" for number in range(n_cells)]


def _drop_from_memory(path: Path) -> int:
    """Ask the system to forget the content; return the bytes on disk."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return sum(file.stat().st_size for file in files)


KINDS: dict[str, tuple[str, Callable[[Path, float], None]]] = {
    "h5ad": ("cells.h5ad", write_h5ad),
    "zarr": ("cells.zarr", write_zarr),
    "10x h5": ("cells.h5", write_tenx),
}

if __name__ == "__main__":
    main()
