"""The classifier."""

from cellclassifier.classifier.checking import check
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.panel_scores import PanelCurve, panel_curve
from cellclassifier.classifier.settings import ClassifierSettings
from cellclassifier.classifier.trusting import TrustSettings

__all__ = [
    "CellTypeClassifier",
    "ClassifierSettings",
    "PanelCurve",
    "TrustSettings",
    "check",
    "panel_curve",
]
