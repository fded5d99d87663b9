"""The classifier."""

from cellclassifier.classifier.checking import check
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.panel_scores import PanelCurve, panel_curve
from cellclassifier.classifier.settings import ClassifierSettings

__all__ = [
    "CellTypeClassifier",
    "ClassifierSettings",
    "PanelCurve",
    "check",
    "panel_curve",
]
