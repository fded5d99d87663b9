"""Scores of predictions against the truth; knows neither Keras nor AnnData."""

from cellclassifier.evaluation.evaluation import (
    Evaluation,
    TypeScores,
    accuracy_of_batches,
    evaluate,
    read_label_map,
)
from cellclassifier.evaluation.explanation import Explanation
from cellclassifier.evaluation.input_report import ExpectedAccuracy, InputReport, ModelFit
from cellclassifier.evaluation.refusing import AnsweredCurve
from cellclassifier.evaluation.reliability import ReliabilityCurve
from cellclassifier.evaluation.set_scores import SetScores, merge_sets

__all__ = [
    "AnsweredCurve",
    "Evaluation",
    "ExpectedAccuracy",
    "Explanation",
    "InputReport",
    "ModelFit",
    "ReliabilityCurve",
    "SetScores",
    "TypeScores",
    "accuracy_of_batches",
    "evaluate",
    "merge_sets",
    "read_label_map",
]
