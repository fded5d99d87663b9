"""Predictions against the truth, as one value."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.errors import FileFormatError, LabelError
from cellclassifier.evaluation.metrics import confusion_matrix, log_loss, per_type_scores
from cellclassifier.evaluation.refusing import AnsweredCurve
from cellclassifier.evaluation.reliability import N_BINS, ReliabilityCurve
from cellclassifier.evaluation.set_scores import SetScores, merge_sets
from cellclassifier.files import replacing
from cellclassifier.labels import LabelSpace, shown
from cellclassifier.predictions import STATUSES, Predictions

ABOUT = (
    "confusion: rows are true labels, columns predicted ones, both in the order of 'labels'. "
    "macro_f1, median_f1: over the labels that have cells. log_loss: nats, a probability below "
    "1.2e-7 counted as that. ece: expected calibration error of the top probability over "
    f"{N_BINS} bins of equal width; reliability: cells, mean confidence and accuracy of each bin. "
    "answered: accuracy over the surest share of the cells, and the area under the curve of errors "
    "against that share. sets: how often sets of types hold the true one ('coverage'), where a "
    "coverage was 'wanted'. by_status: cells of each status, and the accuracy of their most "
    "probable type, which is what all scores are of, also where cells are labelled unknown. "
    "A label of the truth that the model does not know "
    "('labels_unknown_to_the_model') can only be missed."
)


@dataclass(frozen=True)
class TypeScores:
    """The scores of one type; `n_cells` is how many cells truly are of it."""

    precision: float
    recall: float
    f1: float
    n_cells: int


@dataclass(frozen=True)
class StatusScores:
    """How many cells have a status, and how often their most probable type is the true one."""

    accuracy: float
    n_cells: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well predictions fit the truth.

    `confusion` has the shape (n_labels, n_labels), rows true, columns predicted, in the order of
    `labels`; `macro_f1` and `median_f1` are taken over labels with cells; `log_loss` is in nats;
    `reliability` is over 15 bins of equal width; `answered` says what refusing the least certain
    cells would gain; `sets` is None where the predictions have none; `by_status` has the statuses
    that there are, and no cell is taken out for its status anywhere else.
    """

    n_cells: int
    accuracy: float
    macro_f1: float
    median_f1: float
    log_loss: float
    reliability: ReliabilityCurve
    answered: AnsweredCurve
    per_type: dict[str, TypeScores]
    labels: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    labels_unknown_to_the_model: tuple[str, ...] = ()
    sets: SetScores | None = None
    by_status: dict[str, StatusScores] = field(default_factory=dict)

    @property
    def ece(self) -> float:
        """The expected calibration error over 15 bins of equal width."""
        return self.reliability.ece

    def to_json(self) -> dict[str, Any]:
        """Return what ``evaluation.json`` holds."""
        return {
            "about": ABOUT,
            "n_cells": self.n_cells,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "median_f1": self.median_f1,
            "log_loss": self.log_loss,
            "ece": self.ece,
            "reliability": self.reliability.to_json(),
            "answered": self.answered.to_json(),
            "sets": None if self.sets is None else self.sets.to_json(self._known_labels),
            "by_status": {status: asdict(scores) for status, scores in self.by_status.items()},
            "per_type": {label: asdict(scores) for label, scores in self.per_type.items()},
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
            "labels_unknown_to_the_model": list(self.labels_unknown_to_the_model),
        }

    @property
    def _known_labels(self) -> tuple[str, ...]:
        return self.labels[: len(self.labels) - len(self.labels_unknown_to_the_model)]

    def save(self, path: str | Path) -> None:
        """Write ``evaluation.json``, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    def to_frame(self) -> pd.DataFrame:
        """Return the table of types: precision, recall, f1, n_cells."""
        return pd.DataFrame({label: asdict(s) for label, s in self.per_type.items()}).T.astype(
            {"n_cells": int}
        )

    def __repr__(self) -> str:
        return (
            f"Evaluation of {self.n_cells:,} cells: accuracy {self.accuracy:.3f}, "
            f"macro-F1 {self.macro_f1:.3f}, log-loss {self.log_loss:.3f}, ECE {self.ece:.3f}"
        )


def read_label_map(path: str | Path) -> dict[str, str]:
    """Read a CSV of two columns, ``label,mapped``; lines without any text are left out.

    Raises
    ------
    FileFormatError
        There is no such file, or its columns are others.
    LabelError
        A label is sent to two labels or to none, or a line has no label to send.
    """
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"there is no label map '{path}'")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[field.strip() for field in row] for row in csv.reader(file)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"the label map '{path}' is not a CSV text: {error}") from error
    rows = [row for row in rows if any(row)]
    if not rows or rows[0] != ["label", "mapped"] or any(len(row) != 2 for row in rows):
        seen = next((row for row in rows if len(row) != 2), rows[0] if rows else "nothing")
        raise FileFormatError(
            f"the label map '{path}' has to begin with the line label,mapped and to have two "
            f"columns; it has {seen}"
        )
    label_map: dict[str, str] = {}
    for label, mapped in rows[1:]:
        if label_map.setdefault(label, mapped) != mapped:
            raise LabelError(f"the label map '{path}' sends {label!r} to two labels")
    if "" in label_map:
        raise LabelError(
            f"the label map '{path}' has a line without a label, which is mapped to "
            f"{label_map['']!r}; each line needs a label and what to map it to"
        )
    _check_targets(label_map, f"the label map '{path}'")
    return label_map


def _check_targets(label_map: Mapping[str, str], place: str) -> None:
    nowhere = [
        label
        for label, mapped in label_map.items()
        if not isinstance(mapped, str) or not mapped.strip()
    ]
    if nowhere:
        raise LabelError(
            f"{place} leads {shown(nowhere)} to no label; every label needs one to be scored as: "
            "a coarser one, or itself"
        )


def evaluate(
    truth: npt.ArrayLike, predictions: Predictions, *, label_map: Mapping[str, str] | None = None
) -> Evaluation:
    """Score predictions against true labels.

    Parameters
    ----------
    truth
        The true label of each cell, shape (n_cells,).
    predictions
        Of the same cells, in the same order.
    label_map
        Label to coarser label, applied to the truth and to the predictions; probabilities of types
        that become one are added, and the prediction is the best of the sums.

    Raises
    ------
    LabelError
        A label is not in the map or mapped to nothing, lengths differ, or truth and predictions
        share no label.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], dtype="float32")
    >>> named = Predictions(LabelSpace(("B", "T")), probabilities, pd.Index(["a", "b"]))
    >>> evaluate(["B", "T"], named).accuracy
    1.0
    """
    true_labels, predictions = _compared(truth, predictions, label_map)
    known = predictions.label_space
    extra = sorted(set(true_labels) - set(known.labels))
    if len(extra) == len(set(true_labels)):
        raise LabelError(
            f"the truth {shown(extra)} and the model {shown(known.labels)} share no label; "
            "bring both to one vocabulary with a label map (--label-map MAP.csv)"
        )
    space = LabelSpace((*known.labels, *extra))  # the model's columns keep their codes
    return _scored(space.encode(true_labels), predictions, space, tuple(extra))


def accuracy_of_batches(
    truth: npt.ArrayLike,
    predictions: Predictions,
    batches: npt.ArrayLike,
    *,
    label_map: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return how many cells of each donor, study or lane are named rightly, the worst first.

    Parameters
    ----------
    truth, predictions, label_map
        As for `evaluate`.
    batches
        The batch of each cell, shape (n_cells,).

    Returns
    -------
    pandas.DataFrame
        Under the name of each batch its ``accuracy`` and ``n_cells``.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8]], dtype="float32")
    >>> named = Predictions(LabelSpace(("B", "T")), probabilities, pd.Index(["a", "b"]))
    >>> accuracy_of_batches(["B", "B"], named, ["donor 1", "donor 2"]).accuracy.to_dict()
    {'donor 2': 0.0, 'donor 1': 1.0}
    """
    true_labels, predictions = _compared(truth, predictions, label_map)
    correct = predictions.likeliest == np.array(true_labels, dtype=object)
    groups = pd.Series(correct.astype(float)).groupby(np.asarray(batches, dtype=object))
    found = pd.DataFrame({"accuracy": groups.mean(), "n_cells": groups.size()})
    return found.sort_values("accuracy", kind="stable")


def _compared(
    truth: npt.ArrayLike, predictions: Predictions, label_map: Mapping[str, str] | None
) -> tuple[list[str], Predictions]:
    """Return true labels and predictions in one vocabulary, of as many cells."""
    true_labels = [str(label) for label in np.asarray(truth, dtype=object)]
    if len(true_labels) != len(predictions) or not true_labels:
        raise LabelError(
            f"{len(true_labels)} true labels do not fit {len(predictions)} predictions"
        )
    return (
        (true_labels, predictions)
        if label_map is None
        else _mapped(true_labels, predictions, label_map)
    )


def _mapped(
    true_labels: list[str], predictions: Predictions, label_map: Mapping[str, str]
) -> tuple[list[str], Predictions]:
    _check_targets(label_map, "the label map")
    fine = predictions.label_space.labels
    unmapped = {
        side: missing
        for side, labels in (("the truth", true_labels), ("the model", fine))
        if (missing := sorted(set(labels) - set(label_map)))
    }
    if unmapped:
        sides = " and ".join(f"{shown(missing)} of {side}" for side, missing in unmapped.items())
        raise LabelError(
            f"the label map says nothing about {sides}; it has to map every label of the truth and "
            "of the model, if only to itself: add a line label,mapped for each"
        )
    coarse = LabelSpace.of(label_map[label] for label in fine)
    columns = coarse.encode(label_map[label] for label in fine)
    summed = np.zeros((len(predictions), len(coarse)), dtype=np.float32)
    for fine_column, coarse_column in enumerate(columns):
        summed[:, coarse_column] += predictions.probabilities[:, fine_column]
    trust = predictions.trust
    if trust is not None:
        trust = replace(trust, sets=merge_sets(trust.sets, columns, len(coarse)))
    mapped = replace(predictions, label_space=coarse, probabilities=summed, trust=trust)
    return [label_map[label] for label in true_labels], mapped


def _scored(
    truth: npt.NDArray[np.int32],
    predictions: Predictions,
    space: LabelSpace,
    extra: tuple[str, ...],
) -> Evaluation:
    confusion = confusion_matrix(truth, predictions.codes, len(space))
    scores = per_type_scores(confusion)
    n_true = confusion.sum(axis=1)
    f1_of_present = scores[n_true > 0, 2]
    correct = predictions.codes == truth
    truth_column = np.where(truth < len(predictions.label_space), truth, -1)
    trust = predictions.trust
    return Evaluation(
        n_cells=len(truth),
        accuracy=float(correct.mean()),
        macro_f1=float(f1_of_present.mean()),
        median_f1=float(np.median(f1_of_present)),
        log_loss=log_loss(truth_column, predictions.probabilities),
        reliability=ReliabilityCurve.of(predictions.confidence, correct),
        answered=AnsweredCurve.of(predictions.confidence, correct),
        sets=None if trust is None else SetScores.of(truth_column, trust.sets, trust.coverage),
        by_status={} if trust is None else _by_status(trust.statuses, correct),
        per_type={
            label: TypeScores(float(precision), float(recall), float(f1), int(n_cells))
            for label, (precision, recall, f1), n_cells in zip(
                space.labels, scores, n_true, strict=True
            )
        },
        labels=space.labels,
        confusion=confusion,
        labels_unknown_to_the_model=extra,
    )


def _by_status(
    statuses: npt.NDArray[np.object_], correct: npt.NDArray[np.bool_]
) -> dict[str, StatusScores]:
    """Return the scores of the statuses that there are, the best first."""
    found = {status: correct[statuses == status] for status in reversed(STATUSES)}
    return {
        status: StatusScores(float(of.mean()), len(of)) for status, of in found.items() if len(of)
    }
