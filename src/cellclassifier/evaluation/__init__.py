"""Scores of predictions against the truth; knows neither Keras nor AnnData."""

from cellclassifier.evaluation.evaluation import Evaluation, TypeScores, evaluate, read_label_map
from cellclassifier.evaluation.input_report import ExpectedAccuracy, InputReport, ModelFit

__all__ = [
    "Evaluation",
    "ExpectedAccuracy",
    "InputReport",
    "ModelFit",
    "TypeScores",
    "evaluate",
    "read_label_map",
]
