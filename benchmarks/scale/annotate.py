"""What naming a large file takes beside merely reading it: seconds and memory, by kind of file.

    python benchmarks/scale/make_cells.py CELLS.h5ad
    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/annotate.py CELLS.h5ad --model M.keras

Reading goes through all blocks and does nothing with them: "read" with the reader that
`annotate_file` uses, "read by anndata" with anndata's `sparse_dataset(...)[start:stop]`, on which
that one is built; it differs for HDF5, where it reads into the same memory again and again. "Not
judged" is by the same model without prediction sets, novelty and status. Each
run is a process of its own, the kinds of work in turn, so that what else the machine
does meets all of them; seconds are those of the work alone, without imports and the loading of the
model, which are the same for any number of cells. Rows go to benchmarks/results/scale.jsonl: the
median over repeats, and of the ratios to the reading of the same repeat.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from record import Row, provenance, save

RESULTS = "scale.jsonl"
# what is measured, and what it writes
WORK = {
    "read by anndata": None,
    "read": None,
    "annotations, not judged": "named.csv",
    "annotations": "named.csv",
    "copy": "named",
}
MEASURE = """
import json, re, resource, sys, time
from dataclasses import replace
from pathlib import Path
work, cells, model, out, block_cells = sys.argv[1:]
def peak_mb():  # not ru_maxrss, which begins with that of the process that started this one
    return round(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024)
begin = time.perf_counter()
import cellclassifier as cc
from cellclassifier.classifier.streaming import Streaming, annotate_file
from cellclassifier.data.streaming import open_cells
streaming = Streaming(block_cells=int(block_cells) or None)
classifier = None if "read" in work else cc.CellTypeClassifier.load(model)
if "not judged" in work:
    classifier.manifest_ = replace(classifier.manifest_, conformal=None, novelty=None)
base, start, cpu = peak_mb(), time.perf_counter(), time.process_time()
if "read" in work:
    stored = open_cells(cells)
    matrix = stored.matrices["X"]
    for first, last in streaming.bounds(stored.n_cells):
        stored.rows("X", first, last) if work == "read" else matrix[first:last]
else:
    annotate_file(classifier, cells, out, streaming=streaming)
print(json.dumps({"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu,
    "seconds_before": start - begin, "peak_mb_before": base, "peak_mb": peak_mb()}))
"""


def measured(work: str, cells: Path, model: Path, folder: Path, block_cells: int) -> Row:
    """Do one piece of work in a process of its own."""
    name = WORK[work]
    out = folder / (f"{name}{cells.suffix}" if work == "copy" else str(name))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, work, cells, model, out, str(block_cells)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    subprocess.run(["rm", "-rf", out], check=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def kind_of(cells: Path) -> str:
    """Say how the file is stored."""
    if cells.suffix == ".zarr":
        return "zarr, blosc-lz4"
    import h5py

    with h5py.File(cells) as file:
        compression = file["X/data"].compression
    return f"h5ad, {compression or 'uncompressed'}"


def size_of(cells: Path) -> dict[str, Any]:
    """Return cells, genes and bytes."""
    from cellclassifier.data.streaming import identity_of, open_cells

    stored = open_cells(cells)
    matrix = stored.matrices["X"]
    n_values = int(matrix.group["data"].shape[0])
    return {
        "n_cells": matrix.shape[0],
        "n_genes": matrix.shape[1],
        "values_per_cell": round(n_values / matrix.shape[0]),
        "gigabytes": round(int(identity_of(cells)["bytes"]) / 1e9, 2),
    }


def times(runs: list[dict[str, Row]], work: str, reading: str) -> Row:
    """Return how many times as long as reading some work took, repeat by repeat."""
    ratios = [run[work]["seconds"] / run[reading]["seconds"] for run in runs]
    name = f"times_{reading.replace(' ', '_')}"
    return {
        name: round(statistics.median(ratios), 2),
        f"{name}_each": [round(ratio, 2) for ratio in ratios],
    }


def rows_of(runs: list[dict[str, Row]], facts: Row) -> Iterator[Row]:
    """Yield the medians of each kind of work."""
    for work in runs[0]:
        medians = {key: statistics.median(run[work][key] for run in runs) for key in runs[0][work]}
        yield {
            **facts,
            "work": work,
            "repeats": len(runs),
            **{key: round(value, 2) for key, value in medians.items()},
            "cells_per_second": round(facts["n_cells"] / medians["seconds"]),
            **times(runs, work, "read"),
            **times(runs, work, "read by anndata"),
        }


def main() -> None:
    """Measure some files; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--block-cells", type=int, default=0)
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    rows: list[Row] = []
    for cells in args.cells:
        facts = {"kind": kind_of(cells), **size_of(cells), "block_cells": args.block_cells or None}
        with tempfile.TemporaryDirectory(prefix="scale-", dir=cells.parent) as folder:
            measured("read", cells, args.model, Path(folder), args.block_cells)  # warm
            runs = [
                {
                    work: measured(work, cells, args.model, Path(folder), args.block_cells)
                    for work in WORK
                }
                for _ in range(args.repeats)
            ]
        for row in rows_of(runs, facts):
            row["load_average"] = round(os.getloadavg()[1], 1)
            print(json.dumps(row), flush=True)
            rows.append(row)
    if not args.no_save:
        keys = ("kind", "n_cells", "work", "block_cells")
        recipe = provenance(args.model)
        measured_now = {tuple(row[key] for key in keys) for row in rows}
        save(
            RESULTS,
            [row | recipe for row in rows],
            lambda old: tuple(old.get(key) for key in keys) in measured_now,
        )


if __name__ == "__main__":
    main()
