"""Rows of the results file: what one holds, which one stands, how predictions are packed."""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from exchange import Cells, Named, Problem
from methods import Method
from record import Row, provenance, shared_data
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, Split, Task

from cellclassifier.evaluation.metrics import (
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    per_type_scores,
)

Codes = npt.NDArray[np.integer[Any]]
# two rows with the same values here measure the same thing
KEY_FIELDS = (
    "task",
    "fold",
    "method",
    "settings",
    "data_sha256",
    "truth_sha256",
    "code_sha256",
    "threads",
)


class Rows:
    """The rows of a results file, which grows by whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Row]:
        """Return all rows, oldest first."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def stand(self, key: Row) -> bool:
        """Tell whether a row measures the same thing."""
        wanted = [json.loads(json.dumps(key[name])) for name in KEY_FIELDS]
        return any([row.get(name) for name in KEY_FIELDS] == wanted for row in self.read())

    def append(self, row: Row) -> None:
        """Write one more row at the end."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def key_of(task: Task, fold: int, method: Method, split: Split, threads: int) -> Row:
    """Return what a row is of: all that decides what will be measured, and where it comes from."""
    files = files_of(task)
    return files[0] | {
        "data": list(task.data),
        "data_sha256": [file["data_sha256"] for file in files],
        "task": task.name,
        "group": task.group,
        "split": task.how,
        "fold": fold,
        "seed": SEED,
        "method": method.name,
        "settings": method.settings_for(task),
        "truth_sha256": hashlib.sha256(truth_of(split)[0].tobytes()).hexdigest(),
        "code_sha256": method.code_sha256,
        "threads": threads,
    }


def files_of(task: Task) -> list[Row]:
    """Return where each file of a task comes from."""
    return [provenance(shared_data(name)) for name in task.data]


def truth_of(split: Split) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Return the codes of the test cells, and the types of the training cells in order."""
    types = tuple(sorted(set(split.training.obs[LABELS_KEY].astype(str))))
    if len(types) > np.iinfo(np.uint8).max:
        raise ValueError(f"{len(types)} types do not fit into one byte")
    labels = split.test.obs[LABELS_KEY].astype(str).to_numpy()
    return np.searchsorted(np.array(types), labels).astype(np.uint8), types


def problem_of(split: Split, settings: dict[str, Any]) -> Problem:
    """Return what a method is told: no label of a test cell is in it."""
    types = truth_of(split)[1]
    training = cells_of(split.training, split.training.obs[LABELS_KEY].astype(str).to_numpy())
    return Problem(training, cells_of(split.test, None), types, SEED, settings)


def cells_of(cells: Any, labels: npt.NDArray[Any] | None) -> Cells:  # noqa: ANN401  (AnnData)
    """Return the counts of an AnnData and what is known of them."""
    known = LIBRARY_SIZE_KEY in cells.obs
    return Cells(
        # in order, as some methods take no other
        cells.X.tocsr().sorted_indices(),
        np.array(cells.var_names, dtype=str),
        cells.obs[LIBRARY_SIZE_KEY].to_numpy(dtype=np.float64) if known else None,
        None if labels is None else labels.astype(str),
    )


def make_row(key: Row, method: Method, split: Split, named: Named, report: Row) -> Row:
    """Return the row of an answer; `named` has to have its columns in the order of the types."""
    truth, types = truth_of(split)
    predicted = np.searchsorted(np.array(types), named.predicted).astype(np.uint8)
    seconds = max(report.pop("predict_seconds"), 1e-6)
    return (
        key
        | scores(truth, predicted, named.probabilities, trusted=method.gives_probabilities)
        | report
        | {
            "n_cells": len(truth),
            "n_types": len(types),
            "n_training_cells": split.training.n_obs,
            "n_genes": split.test.n_vars,
            "n_cells_of_unknown_types": split.n_cells_of_unknown_types,
            "cells_per_second": round(len(truth) / seconds, 1),
            "types": types,
            "predicted": as_text(packed(predicted)),
            "correct": as_text(packed(np.packbits(predicted == truth))),
        }
    )


def scores(
    truth: npt.NDArray[np.uint8],
    predicted: npt.NDArray[np.uint8],
    probabilities: npt.NDArray[np.float32],
    *,
    trusted: bool,
) -> Row:
    """Return the scores of a row; without probabilities, log-loss and calibration are null."""
    whole, own = truth.astype(int), predicted.astype(int)
    confusion = confusion_matrix(whole, own, probabilities.shape[1])
    f1 = per_type_scores(confusion)[confusion.sum(axis=1) > 0, 2]
    confidence = probabilities[np.arange(len(own)), own]
    return {
        "accuracy": float((whole == own).mean()),
        "macro_f1": float(f1.mean()),
        "median_f1": float(np.median(f1)),
        "log_loss": log_loss(whole, probabilities) if trusted else None,
        "ece": expected_calibration_error(confidence, whole == own) if trusted else None,
    }


def packed(codes: npt.NDArray[np.uint8]) -> bytes:
    """Return one byte a code, compressed."""
    return zlib.compress(codes.tobytes(), 9)


def as_text(content: bytes) -> str:
    """Return bytes as text that JSON takes."""
    return base64.b64encode(content).decode()


def correct_cells(row: Row) -> npt.NDArray[np.bool_]:
    """Return which test cells of a row were named rightly, in the order of the test cells."""
    bits = np.frombuffer(zlib.decompress(base64.b64decode(row["correct"])), dtype=np.uint8)
    return np.unpackbits(bits, count=row["n_cells"]).astype(bool)


def predicted_codes(row: Row) -> npt.NDArray[np.uint8]:
    """Return the predicted types of a row's test cells, as positions in its `types`."""
    return np.frombuffer(zlib.decompress(base64.b64decode(row["predicted"])), dtype=np.uint8)
