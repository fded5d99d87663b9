"""How long training the default takes, on two cores: the whole of zheng_sorted_facs.

    PYTHONPATH=benchmarks/accuracy python benchmarks/speed/fit.py [--repeats 3]

Each repeat is a process of its own: seconds of `fit` alone, from AnnData in memory to a classifier
with all that it says of itself, packages imported before. The median goes to
benchmarks/results/fit_speed.jsonl, with the load that the machine had meanwhile: others' work on
the same two cores shows there.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

from record import Row, provenance, save, shared_data

DATA, LABELS_KEY, THREADS = "zheng_sorted_facs.h5ad", "cell_type", 2
FIT = """
import json, sys, time
import cellclassifier as cc
cells = cc.read_cells(sys.argv[1]).to_memory()
classifier = cc.CellTypeClassifier(seed=0)
start, cpu = time.perf_counter(), time.process_time()
classifier.fit(cells, labels_key=sys.argv[2])
print(json.dumps({"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu,
    "n_cells": cells.n_obs, "n_genes": cells.n_vars}))
"""


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    path = shared_data(DATA)
    runs = [measured(str(path)) for _ in range(repeats)]
    row = {
        **runs[0],
        **{
            name: round(statistics.median(run[name] for run in runs), 1)
            for name in ("seconds", "cpu_seconds")
        },
        "seconds_each": [round(run["seconds"], 1) for run in runs],
        "repeats": repeats,
        "threads": THREADS,
        "load_average": round(os.getloadavg()[1], 1),
        **provenance(path),
    }
    print(json.dumps(row))
    save("fit_speed.jsonl", [row], lambda _: True)


def measured(path: str) -> Row:
    """Fit once, in a process of its own."""
    threads = {"OMP_NUM_THREADS": str(THREADS), "NUMBA_NUM_THREADS": str(THREADS)}
    done = subprocess.run(
        [sys.executable, "-c", FIT, path, LABELS_KEY],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | threads,
    )
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


if __name__ == "__main__":
    main()
