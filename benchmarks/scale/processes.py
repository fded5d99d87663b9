"""What a second process brings: gradient steps of one process and of two, a core each.

    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/processes.py

Each way is measured in turn, several times over: "one" is one process on the first core; "two" are
two processes, each on a core of its own, as `train --processes 2` shares the steps: by units, but
for cnn by cells; in "exchanged" each reads its own cells and gets the others', as on several
machines; in "added" two share them by cells, and add up their gradients; in "apart" two
train a network each, with nothing shared, and their cells are summed: what two cores of the machine
give at most, which share its memory and often a core of the silicon. The cells are drawn: 4,000
genes, 10 types, 320 values a cell. Seconds are those of epochs after the first, which compiles;
"cells_per_second" is their median, "cpu_ms" the processor's time a step in each process, which
tells more where other work runs beside, and "loss" the last one. Medians over all repeats go to
benchmarks/results/scale_processes.jsonl.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median

from record import Row, provenance, save

RESULTS = "scale_processes.jsonl"
WAYS = {"one": 1, "two": 2, "exchanged": 2, "added": 2, "apart": 2}
KEYS = ("network", "batch_size", "way")
MEASURE = """
import json, os, sys, time
way, network, batch_size, n_steps, address, number, count = sys.argv[1:]
batch_size, n_steps, number, count = int(batch_size), int(n_steps), int(number), int(count)
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})
import numpy as np
from scipy import sparse
from cellclassifier.networks import build_cnn, build_mlp, logits_model
from cellclassifier.training import ALONE, Meeting, Ranks, TrainingConfig, Upkeep, shared_model
from cellclassifier.training.adam import train_by_adam
from cellclassifier.training.examples import Examples
from cellclassifier.training.stacking.towers import train_towers
if way == "added":
    shared_model._layouts = lambda *_: {}
rank = Ranks(number, count, on_one_machine=way == "two")
ranks = Meeting(address, rank).join() if count > 1 else ALONE
n_genes, n_types, n_epochs, n_cells = 4000, 10, 4, batch_size * n_steps
rng = np.random.default_rng(0)
cells = sparse.random_array((n_cells, n_genes), density=0.08, format="csr", rng=rng)
codes = np.arange(n_cells, dtype=np.int32) % n_types
cells = sparse.csr_matrix(cells.astype(np.float32))
examples = Examples(cells, codes, np.ones(n_cells, np.float32))
marks, last = [], []
def watch(epoch, n_epochs, scores):
    marks.append((time.perf_counter(), time.process_time()))
    last[:] = [scores["loss"]]
config = TrainingConfig(epochs=n_epochs, batch_size=batch_size, patience=None)
build = {"mlp": build_mlp, "cnn": build_cnn}.get(network)
if build is not None:
    model = logits_model(build(n_genes, n_types))
    train_by_adam(model, examples, examples[codes[:0]], config, rng, watch, Upkeep(ranks=ranks))
else:
    seen = np.arange(n_cells)[:, None] % 4 != np.arange(4)
    train_towers(examples, seen, n_types, 128, config, rng, watch, Upkeep(ranks=ranks))
ranks.disband()
steps = [[b - a for a, b in zip(one, other)] for one, other in zip(marks, marks[1:])]
print(json.dumps({"seconds": [wall for wall, _ in steps], "loss": last[0],
                  "cpu_ms": [1e3 * cpu / n_steps for _, cpu in steps]}))
"""


def measured(way: str, network: str, batch_size: int, n_steps: int) -> Row:
    """Return what the first process says, or of processes apart both together."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    n_processes = WAYS[way]
    count = 1 if way == "apart" else n_processes
    # one thread each, as on one core
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    asked = [way, network, str(batch_size), str(n_steps), address]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MEASURE, *asked, str(number), str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        for number in range(n_processes)
    ]
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"a process of '{way}' ended badly")
    rows: list[Row] = [json.loads(one.splitlines()[-1]) for one in said if one]
    if way == "apart":  # as if one process had taken the cells of both
        pairs = zip(*(row["seconds"] for row in rows), strict=True)
        rows[0]["seconds"] = [1 / sum(1 / seconds for seconds in pair) for pair in pairs]
    return rows[0]


def summary(rows: list[Row], n_cells: int) -> Row:
    """Return the medians of all repeats of a way."""
    seconds = [value for row in rows for value in row["seconds"]]
    return {
        "n_epochs": len(seconds),
        "cells_per_second": round(n_cells / median(seconds)),
        "cpu_ms": round(median(value for row in rows for value in row["cpu_ms"]), 1),
        "loss": round(rows[0]["loss"], 5),
    }


def is_of(own: list[object], old: Row) -> bool:
    """Tell whether a row is of the same work."""
    return [old.get(key) for key in KEYS] == own


def main() -> None:
    """Measure all ways in turn; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=["mlp", "wide-deep", "cnn"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[64, 256, 1024])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40, help="of an epoch")
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    for network in args.networks or ["mlp", "wide-deep"]:
        for batch_size in args.batch_sizes:
            # a network that is shared by cells has one way to do it
            ways = [way for way in WAYS if network != "cnn" or way not in ("exchanged", "added")]
            rows: dict[str, list[Row]] = {way: [] for way in ways}
            for _ in range(args.repeats):
                for way, of_way in rows.items():
                    of_way.append(measured(way, network, batch_size, args.steps))
            of_one = summary(rows["one"], batch_size * args.steps)
            for way, of_way in rows.items():
                found = summary(of_way, batch_size * args.steps)
                times_one = round(found["cells_per_second"] / of_one["cells_per_second"], 2)
                row = {"network": network, "batch_size": batch_size, "way": way, **found}
                row |= {"times_one": times_one, "load_average": round(os.getloadavg()[0], 1)}
                print(json.dumps(row), flush=True)
                if not args.no_save:
                    own = [row[key] for key in KEYS]
                    save(RESULTS, [row | provenance(Path(__file__))], partial(is_of, own))


if __name__ == "__main__":
    main()
