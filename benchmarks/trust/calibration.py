"""Whether something fitted on the out-of-fold logits makes better probabilities of them.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/calibration.py [--tasks home,abroad]
        [--folds 0,1,2,3,4]

On the fits of sets.py. "temperature": one factor; "bias": a factor and a term for each type
(Alexandari et al. 2020, arXiv:1901.06852); "vector": a factor and a term for each type (Guo et al.
2017); "matrix": a linear map of the logits, less their mean, which folds into the last layer. Each
is drawn to the identity by its squared distance from it, weighted as the constant below says. All
of it is for cells like the training's: on tasks abroad nothing but "none" is scored, beside the
temperature that would have been best, in hindsight, on the test cells. One row a task, fold and
method goes to benchmarks/results/trust_calibration.jsonl; means over folds are printed.

The rows there are of commit 6cc5b52, before "matrix" became part of training (record 0024): since
then the logits of a fit have been through it, and a run asks whether a second one helps.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from held_out import HeldOut, fits_of
from record import Row, save
from rows import files_of
from scipy.optimize import minimize
from scipy.special import log_softmax
from sets import ece_if_calibrated
from tasks import SEED, Task, choose_tasks

from cellclassifier.evaluation import ReliabilityCurve
from cellclassifier.evaluation.metrics import log_loss
from cellclassifier.trust import calibrate_temperature

# over the number of cells: the weight of the squared distance from the identity in the mean loss
PENALTY = 20.0

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Method:
    """A map of logits, and what of it is free: a common factor, factors, terms, the whole matrix.

    `factor`, `factors` and `matrix` exclude one another.
    """

    name: str
    factor: bool = False
    factors: bool = False
    matrix: bool = False
    terms: bool = False

    def free(self, n_types: int) -> Floats:
        """Return which entries of (matrix, terms) are free, (n_types, n_types + 1), as 0 and 1."""
        diagonal = np.eye(n_types) * (self.factors or self.factor)
        matrix = np.ones((n_types, n_types)) if self.matrix else diagonal
        return np.hstack([matrix, np.full((n_types, 1), float(self.terms))])


METHODS = (
    Method("none"),
    Method("temperature", factor=True),
    Method("bias", factor=True, terms=True),
    Method("vector", factors=True, terms=True),
    Method("matrix", matrix=True, terms=True),
)


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default="home,abroad")
    parser.add_argument("--folds", default="0", help="such as 0,1,2")
    arguments = parser.parse_args()
    folds = [int(fold) for fold in arguments.folds.split(",")]
    rows = [
        row
        for task, fold, made in fits_of(choose_tasks(arguments.tasks), folds)
        for row in rows_of(task, fold, made)
    ]
    measured = {(row["task"], row["fold"]) for row in rows}
    save("trust_calibration.jsonl", rows, lambda old: (old["task"], old["fold"]) in measured)
    table = pd.DataFrame(rows)
    table["ece_if_calibrated"] = [row["ece_if_calibrated"]["mean"] for row in rows]
    columns = ["accuracy", "log_loss", "ece", "ece_if_calibrated", "overconfidence", "shift"]
    means = table.groupby(["task", "method"], sort=False)[[*columns, "best_temperature"]].mean()
    print(means.round(4).to_string())


def rows_of(task: Task, fold: int, made: HeldOut) -> list[Row]:
    """Return a row a method."""
    files = files_of(task)
    hindsight = calibrate_temperature(made.test, made.truth)
    about = files[0] | {
        "commit": made.commit,
        "data": list(task.data),
        "data_sha256": [file["data_sha256"] for file in files],
        "task": task.name,
        "group": task.group,
        "fold": fold,
        "seed": SEED,
        "n_cells": len(made.test),
        "n_held_out": len(made.codes),
        "shift": made.shift,
        "best_temperature": hindsight,
    }
    methods = METHODS if task.group == "home" else METHODS[:1]
    return [about | {"method": one.name} | scores_of(one, made) for one in methods]


def scores_of(method: Method, made: HeldOut) -> Row:
    """Return what the test cells' probabilities are worth after a map fitted on held-out ones."""
    mapping = fit(method, centred(made.held_out), made.codes)
    probabilities = np.exp(mapped(mapping, centred(made.test))).astype(np.float32)
    correct = probabilities.argmax(axis=1) == made.truth
    confidence = probabilities.max(axis=1)
    curve = ReliabilityCurve.of(confidence, correct)
    return {
        "accuracy": float(correct.mean()),
        "log_loss": log_loss(made.truth, probabilities),
        "ece": curve.ece,
        "ece_if_calibrated": ece_if_calibrated(confidence),
        "overconfidence": curve.overconfidence,
    }


def centred(logits: npt.NDArray[np.float32]) -> Floats:
    """Return logits less their mean over the types, (n_cells, n_types)."""
    wide = logits.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=1, keepdims=True), dtype=np.float64)


def mapped(mapping: Floats, logits: Floats) -> Floats:
    """Return logarithms of probabilities by a map, (n_types, n_types + 1)."""
    result: Floats = log_softmax(logits @ mapping[:, :-1].T + mapping[:, -1], axis=1)
    return result


def fit(method: Method, logits: Floats, codes: Codes) -> Floats:
    """Return the map with the best penalised log-loss, (n_types, n_types + 1)."""
    n_cells, n_types = logits.shape
    identity = np.eye(n_types, n_types + 1)
    free = method.free(n_types)
    if not free.any():
        return identity
    truth = np.eye(n_types)[codes]

    def change(values: Floats) -> Floats:
        steps = values.reshape(identity.shape) * free
        if method.factor:
            np.fill_diagonal(steps[:, :-1], np.diag(steps[:, :-1]).mean())
        return steps

    def loss(values: Floats) -> tuple[float, Floats]:
        steps = change(values)
        log_probabilities = mapped(identity + steps, logits)
        residual = (np.exp(log_probabilities) - truth) / n_cells
        slope = np.column_stack([residual.T @ logits, residual.sum(axis=0)])
        weight = PENALTY / n_cells
        value = -np.sum(log_probabilities * truth) / n_cells + weight * np.sum(steps**2)
        return float(value), change(slope + 2 * weight * steps).ravel()

    found: Any = minimize(loss, np.zeros(identity.size), jac=True, method="L-BFGS-B")
    return identity + change(found.x)


if __name__ == "__main__":
    main()
