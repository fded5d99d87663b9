"""Scores of predictions against the truth; knows neither Keras nor AnnData."""

from cellclassifier.evaluation.evaluation import Evaluation, TypeScores, evaluate, read_label_map

__all__ = ["Evaluation", "TypeScores", "evaluate", "read_label_map"]
