"""The original study's networks, and today's linear default, on the sorted blood cells.

    python benchmarks/accuracy/original.py [--networks linear original-mlp original-cnn]

Five stratified folds (seed 0) of the ten bead-sorted populations of Zheng et al. 2017; the
convolutional network on fold 0 only, generalised to all 16,791 genes. Each fold is fitted in a
process of its own, so that its peak memory is its own. One JSON line a fold is written to
benchmarks/results/original.jsonl, and a table is printed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

from record import Row, provenance, save, shared_data

DATA = "zheng_sorted_facs.h5ad"
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
    if arguments.fold is not None:
        print(json.dumps(run_fold(arguments.networks[0], arguments.fold)))
        return
    rows = []
    for network in arguments.networks:
        for fold in FOLDS.get(network, range(N_FOLDS)):
            rows.append(in_own_process(network, fold))
            print(f"{network} fold {fold}: accuracy {rows[-1]['accuracy']:.4f}", file=sys.stderr)
    save("original.jsonl", rows, lambda row: row["network"] in arguments.networks)
    print_table(rows)


def in_own_process(network: str, fold: int) -> Row:
    """Return the row of one fold, fitted in a fresh interpreter with its threads bounded."""
    environment = os.environ | {
        "KERAS_BACKEND": BACKENDS.get(network, "jax"),
        "OMP_NUM_THREADS": str(THREADS),
        "TF_NUM_INTRAOP_THREADS": str(THREADS),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, __file__, "--networks", network, "--fold", str(fold)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def run_fold(network: str, fold: int) -> Row:
    """Fit on four fifths and score on the last."""
    from sklearn.model_selection import StratifiedKFold

    import cellclassifier as cc
    from cellclassifier.data import read_labels

    cells = cc.read_cells(shared_data(DATA))
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
        "backend": manifest.versions["backend"],
        "split": f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={SEED})",
        "seed": SEED,
        "threads": THREADS,
        **provenance(shared_data(DATA)),
    }


def print_table(rows: list[Row]) -> None:
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
