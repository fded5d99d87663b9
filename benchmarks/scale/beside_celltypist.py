r"""Naming a file beside CellTypist: cells a second and memory, in turn in one run.

    python benchmarks/scale/make_cells.py CELLS.h5ad --cells 20000
    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/beside_celltypist.py CELLS.h5ad \
        --model M.keras

CellTypist is trained once on the cells that the model was trained on and that `make_cells.py` drew
from, with its defaults. Both read the same file and give a label to each cell, in a process each;
seconds begin when packages and models are loaded. CellTypist takes log-normalised values, so that
normalising is in its seconds as it is in ours. Rows go to benchmarks/results/scale.jsonl.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from annotate import RESULTS, kind_of, measured, size_of
from environments import CELLTYPIST
from record import Row, provenance, save, shared_data

TRAIN = """
import sys, anndata, celltypist, numpy, scanpy
source, model = sys.argv[1:]
cells = anndata.read_h5ad(source)
scanpy.pp.normalize_total(cells, target_sum=1e4)
scanpy.pp.log1p(cells)
celltypist.train(cells, labels="cell_type", check_expression=False, n_jobs=1).write(model)
"""
NAME = """
import json, re, sys, time
import anndata, celltypist, scanpy
from celltypist.classifier import Classifier
def peak_mb():
    return round(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024)
path, model = sys.argv[1:]
model = celltypist.models.Model.load(model)
base, start, cpu = peak_mb(), time.perf_counter(), time.process_time()
cells = anndata.read_h5ad(path)
scanpy.pp.normalize_total(cells, target_sum=1e4)
scanpy.pp.log1p(cells)
Classifier(cells, model).celltype()
print(json.dumps({"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu,
    "peak_mb_before": base, "peak_mb": peak_mb()}))
"""


def main() -> None:
    """Measure both; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    python, source = CELLTYPIST.python(), shared_data("baron_pancreas.h5ad")
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(prefix="scale-", dir=args.cells.parent) as folder:
        model = Path(folder, "celltypist.pkl")
        subprocess.run([python, "-c", TRAIN, source, model], check=True)
        for _ in range(args.repeats):
            ours.append(measured("annotations", args.cells, args.model, Path(folder), 0))
            done = subprocess.run(
                [python, "-c", NAME, args.cells, model],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            theirs.append(json.loads(done.stdout.splitlines()[-1]))
    facts = {"kind": kind_of(args.cells), **size_of(args.cells), "repeats": args.repeats}
    rows = [
        {**facts, "work": work, **medians(runs, facts["n_cells"])}
        for work, runs in (("beside CellTypist", ours), ("CellTypist", theirs))
    ]
    rows[0]["times_as_fast"] = round(
        statistics.median(
            their["seconds"] / our["seconds"] for our, their in zip(ours, theirs, strict=True)
        ),
        1,
    )
    rows[0]["share_of_memory"] = round(rows[0]["peak_mb"] / rows[1]["peak_mb"], 3)
    for row in rows:
        print(json.dumps(row))
    if not args.no_save:
        recipe = provenance(args.model)
        names = {row["work"] for row in rows}
        save(RESULTS, [row | recipe for row in rows], lambda old: old.get("work") in names)


def medians(runs: list[Row], n_cells: int) -> Row:
    """Return the medians of what was measured."""
    found = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    rounded = {key: round(value, 2) for key, value in found.items()}
    return {**rounded, "cells_per_second": round(n_cells / found["seconds"])}


if __name__ == "__main__":
    main()
