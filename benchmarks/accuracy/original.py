"""The original study's networks, and today's linear default, on the sorted blood cells.

    python benchmarks/accuracy/original.py [--networks linear original-mlp original-cnn]

Five stratified folds (seed 0) of the ten bead-sorted populations of Zheng et al. 2017; the
convolutional network on fold 0 only, generalised to all 16,791 genes. Each fold is fitted in a
process of its own, so that its peak memory is its own. One JSON line a fold is written to
benchmarks/results/original.jsonl, and a table is printed.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "zheng_sorted_facs.h5ad"
RESULTS = ROOT / "benchmarks" / "results" / "original.jsonl"
LABELS_KEY = "cell_type"
N_FOLDS = 5
SEED = 0
THREADS = 2
# the convolutional network trains several times as fast on TensorFlow as on JAX on a CPU
BACKENDS = {"original-cnn": "tensorflow"}
FOLDS = {"original-cnn": (0,)}
MARKS = {"linear": 0.92, "original-mlp": 0.84, "original-cnn": 0.82}


def main() -> None:
    """Run what is asked for, fold by fold, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(MARKS), choices=list(MARKS))
    parser.add_argument("--fold", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"this benchmark needs {DATA.name} in the folder shared/data beside the project")
    if arguments.fold is not None:
        print(json.dumps(run_fold(arguments.networks[0], arguments.fold)))
        return
    rows = []
    for network in arguments.networks:
        for fold in FOLDS.get(network, range(N_FOLDS)):
            rows.append(in_own_process(network, fold))
            print(f"{network} fold {fold}: accuracy {rows[-1]['accuracy']:.4f}", file=sys.stderr)
    save(rows, arguments.networks)
    print_table(rows)


def in_own_process(network: str, fold: int) -> dict[str, Any]:
    """Return the row of one fold, fitted in a fresh interpreter with its threads bounded."""
    environment = os.environ | {
        "KERAS_BACKEND": BACKENDS.get(network, "jax"),
        "OMP_NUM_THREADS": str(THREADS),
        "TF_NUM_INTRAOP_THREADS": str(THREADS),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, __file__, "--networks", network, "--fold", str(fold)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def run_fold(network: str, fold: int) -> dict[str, Any]:
    """Fit on four fifths and score on the last."""
    from sklearn.model_selection import StratifiedKFold

    import cellclassifier as cc
    from cellclassifier.data import read_labels

    cells = cc.read_cells(DATA)
    labels = read_labels(cells, LABELS_KEY)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED)
    training, test = list(folds.split(labels, labels))[fold]
    genes = list(cells.var_names) if network == "original-cnn" else None
    classifier = cc.CellTypeClassifier(network, genes=genes, seed=SEED)

    started, started_cpu = time.perf_counter(), time.process_time()
    classifier.fit(cells[training].copy(), labels_key=LABELS_KEY)
    fit_seconds, fit_cpu = time.perf_counter() - started, time.process_time() - started_cpu
    started = time.perf_counter()
    predictions = classifier.classify(cells[test].copy())
    predict_seconds = time.perf_counter() - started

    evaluation = cc.evaluate(labels[test], predictions).to_json()
    manifest = classifier.manifest_
    return {
        "network": network,
        "fold": fold,
        **{
            key: evaluation[key]
            for key in ("accuracy", "macro_f1", "median_f1", "log_loss", "ece", "n_cells")
        },
        "n_parameters": manifest.network["n_parameters"],
        "n_genes": len(manifest.panel),
        "normalisation": manifest.normalisation.to_json(),
        "training": manifest.training["config"],
        "epochs": len(manifest.training["history"]),
        "fit_seconds": round(fit_seconds, 2),
        "fit_cpu_seconds": round(fit_cpu, 2),
        "predict_seconds": round(predict_seconds, 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        **provenance(manifest.versions),
    }


def provenance(versions: Mapping[str, str]) -> dict[str, Any]:
    """Return what is needed to repeat a row."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    return {
        "commit": commit,
        "data": DATA.name,
        "data_sha256": hashlib.sha256(DATA.read_bytes()).hexdigest(),
        "split": f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={SEED})",
        "seed": SEED,
        "threads": THREADS,
        "versions": dict(versions) | {"jax": version("jax"), "python": platform.python_version()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def save(rows: list[dict[str, Any]], networks: list[str]) -> None:
    """Replace the rows of these networks in the results file."""
    kept = (
        [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    )
    kept = [row for row in kept if row["network"] not in networks]
    temporary = RESULTS.with_suffix(".part")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in kept + rows))
    temporary.replace(RESULTS)


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the mean over folds of each network, beside its mark."""
    print(f"{'network':14} folds  accuracy (mark)  macro-F1  log-loss    ECE   fit s  peak MB")
    for network in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == network]
        mean = {
            key: sum(row[key] for row in own) / len(own)
            for key in ("accuracy", "macro_f1", "log_loss", "ece", "fit_seconds")
        }
        peak = max(row["peak_memory_mb"] for row in own)
        print(
            f"{network:14} {len(own):5}  {mean['accuracy']:.4f}   ({MARKS[network]:.2f})  "
            f"{mean['macro_f1']:.4f}    {mean['log_loss']:.4f}  {mean['ece']:.4f}  "
            f"{mean['fit_seconds']:6.1f}  {peak:7}"
        )


if __name__ == "__main__":
    main()
