"""One fold of one network on one file, fitted in a process of its own."""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from record import Row, provenance

if TYPE_CHECKING:
    import cellclassifier as cc

LABELS_KEY = "cell_type"
N_FOLDS = 5
SEED = 0
THREADS = 2
# the convolutional network trains several times as fast on TensorFlow as on JAX on a CPU
BACKENDS = {"original-cnn": "tensorflow"}
# the file's column with the counts over all genes, where genes were removed
LIBRARY_SIZE_KEYS = {"zheng_sorted_merged.h5ad": "n_counts_all_genes"}


@dataclass(frozen=True)
class Task:
    """One fold of one network on one file, with the genes of a convolutional one in some order."""

    network: str
    data: str
    fold: int
    engine: Literal["keras", "lowlevel"] = "keras"
    order: str = "native"

    @property
    def library_size_key(self) -> str | None:
        """The column of obs with library sizes, if one is needed."""
        return LIBRARY_SIZE_KEYS.get(Path(self.data).name)


def in_own_process(task: Task, predictions: Path) -> Row:
    """Return the row of one fold, fitted in a fresh interpreter with its threads bounded."""
    environment = os.environ | {
        "KERAS_BACKEND": BACKENDS.get(task.network, "jax"),
        "OMP_NUM_THREADS": str(THREADS),
        "TF_NUM_INTRAOP_THREADS": str(THREADS),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, __file__, json.dumps(asdict(task)), str(predictions)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{task.network} {task.order} fold {task.fold}: accuracy {row['accuracy']:.4f}",
        file=sys.stderr,
    )
    return row


def run_task(task: Task, predictions_path: Path) -> Row:
    """Fit on four fifths, score on the last, and keep what was said about it."""
    import numpy as np
    from gene_orders import by_order
    from sklearn.model_selection import StratifiedKFold

    import cellclassifier as cc
    from cellclassifier.data import read_labels

    cells = cc.read_cells(task.data)
    labels = read_labels(cells, LABELS_KEY)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED)
    training, test = list(folds.split(labels, labels))[task.fold]
    raw = cc.find_counts(cells, library_size_key=task.library_size_key)
    genes = None
    if task.network == "original-cnn":
        codes = cc.LabelSpace.of(labels).encode(labels)
        # all that are expressed anywhere, as the original study took them
        expressed = np.flatnonzero(raw.counts.getnnz(axis=0))
        columns = by_order(task.order, raw[training], codes[training])
        genes = list(cells.var_names[columns[np.isin(columns, expressed)]])
    classifier = cc.CellTypeClassifier(task.network, genes=genes, engine=task.engine, seed=SEED)

    started, started_cpu = time.perf_counter(), time.process_time()
    classifier.fit(
        cells[training].copy(), labels_key=LABELS_KEY, library_size_key=task.library_size_key
    )
    fit_seconds, fit_cpu = time.perf_counter() - started, time.process_time() - started_cpu
    started = time.perf_counter()
    predictions = classifier.classify(cells[test].copy(), library_size_key=task.library_size_key)
    predict_seconds = time.perf_counter() - started

    np.savez(
        predictions_path,
        truth=labels[test].astype(str),
        probabilities=predictions.probabilities,
        labels=np.array(predictions.label_space.labels, dtype=str),
    )
    evaluation = cc.evaluate(labels[test], predictions).to_json()
    scores = ("accuracy", "macro_f1", "median_f1", "log_loss", "ece", "n_cells")
    return {
        "network": task.network,
        "fold": task.fold,
        **{key: evaluation[key] for key in scores},
        **described(classifier),
        "engine": task.engine,
        "fit_seconds": round(fit_seconds, 2),
        "fit_cpu_seconds": round(fit_cpu, 2),
        "predict_seconds": round(predict_seconds, 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "split": f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={SEED})",
        "seed": SEED,
        "threads": THREADS,
        **provenance(Path(task.data)),
    }


def described(classifier: "cc.CellTypeClassifier") -> Row:
    """Return what a row says of the fitted classifier."""
    manifest = classifier.manifest_
    return {
        "n_parameters": manifest.network["n_parameters"],
        "n_genes": len(manifest.panel),
        "normalisation": manifest.normalisation.to_json(),
        "training": manifest.training["config"],
        "epochs": len(manifest.training["history"]),
        "backend": manifest.versions["backend"],
    }


if __name__ == "__main__":
    print(json.dumps(run_task(Task(**json.loads(sys.argv[1])), Path(sys.argv[2]))))
