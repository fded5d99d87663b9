"""How long a whole command takes on one small file, from the shell's prompt and back to it.

    PYTHONPATH=benchmarks/accuracy python benchmarks/speed/start.py [--repeats 5]

pbmc3k (2,700 cells) is named by a model of its own cells and written to a copy: what a bench
scientist waits for. Beside it `inspect` of the model; the same `annotate` with Keras imported and
the network built first, without need; and CellTypist by a script of six lines, with its defaults
and a model of the same cells. Each is a process of its own, in turn; the medians go to
benchmarks/results/start_speed.jsonl.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environments import CELLTYPIST
from record import Row, provenance, save, shared_data

DATA, LABELS_KEY, THREADS = "pbmc3k.h5ad", "cell_type", 2
OURS = [sys.executable, "-m", "cellclassifier"]
WITH_KERAS = """
import sys
import cellclassifier as cc  # which chooses JAX
cc.CellTypeClassifier.load(sys.argv[sys.argv.index("--model") + 1]).model_
from cellclassifier.cli import main
main(sys.argv[1:])
"""
TRAIN_CELLTYPIST = """
import sys, anndata, celltypist, scanpy
source, labels_key, model = sys.argv[1:]
cells = anndata.read_h5ad(source)
scanpy.pp.normalize_total(cells, target_sum=1e4)
scanpy.pp.log1p(cells)
celltypist.train(cells, labels=labels_key, check_expression=False, n_jobs=1).write(model)
"""
CELLTYPIST_NAMES = """
import sys, anndata, celltypist, scanpy
source, model, out = sys.argv[1:]
cells = anndata.read_h5ad(source)
scanpy.pp.normalize_total(cells, target_sum=1e4)
scanpy.pp.log1p(cells)
celltypist.annotate(cells, model=model).to_adata().write_h5ad(out)
"""


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    path = shared_data(DATA)
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        runs = _in_turn(_commands(str(path), Path(folder)), Path(folder), args.repeats)
    rows: list[Row] = [
        {
            "what": what,
            **{name: round(statistics.median(values), 2) for name, values in measured.items()},
            "seconds_each": [round(seconds, 2) for seconds in measured["seconds"]],
            "repeats": args.repeats,
            "threads": THREADS,
            "load_average": round(os.getloadavg()[1], 1),
            **provenance(path),
        }
        for what, measured in runs.items()
    ]
    for row in rows:
        print(json.dumps(row))
    if not args.no_save:
        save("start_speed.jsonl", rows, lambda _: True)


def _commands(path: str, folder: Path) -> dict[str, list[str]]:
    """Train both models, and return what is measured by name; OUT stands for the file to write."""
    model, theirs = str(folder / "ours.keras"), str(folder / "theirs.pkl")
    python = str(CELLTYPIST.python())
    _run([*OURS, "train", path, "--labels-key", LABELS_KEY, "--out", model])
    _run([python, "-c", TRAIN_CELLTYPIST, path, LABELS_KEY, theirs])
    annotate = ["annotate", path, "--model", model, "--out", "OUT"]
    return {
        "inspect": [*OURS, "inspect", model],
        "annotate": [*OURS, *annotate],
        "annotate, Keras first": [sys.executable, "-c", WITH_KERAS, *annotate],
        "CellTypist": [python, "-c", CELLTYPIST_NAMES, path, theirs, "OUT"],
    }


def _in_turn(
    commands: dict[str, list[str]], folder: Path, repeats: int
) -> dict[str, dict[str, list[float]]]:
    measured: dict[str, dict[str, list[float]]] = {
        what: {"seconds": [], "cpu_seconds": [], "peak_mb": []} for what in commands
    }
    for _ in range(repeats):
        for what, command in commands.items():
            out = folder / "named.h5ad"
            out.unlink(missing_ok=True)
            seen = _run([str(out) if part == "OUT" else part for part in command])
            for name, value in seen.items():
                measured[what][name].append(value)
    return measured


def _run(command: list[str]) -> dict[str, float]:
    """Run a command; return its seconds on the clock and of all processors, and its peak in MB."""
    threads = {"OMP_NUM_THREADS": str(THREADS), "NUMBA_NUM_THREADS": str(THREADS)}
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | threads,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
    cpu_seconds = used.ru_utime + used.ru_stime
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": used.ru_maxrss / 1024}


if __name__ == "__main__":
    main()
