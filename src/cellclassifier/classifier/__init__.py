"""The classifier."""

from cellclassifier.classifier.checking import check
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.explaining import ExplainSettings, explain
from cellclassifier.classifier.panel_scores import PanelCurve, panel_curve
from cellclassifier.classifier.settings import ClassifierSettings
from cellclassifier.classifier.trusting import TrustSettings
from cellclassifier.classifier.voting import Votes, VoteSettings, vote

__all__ = [
    "CellTypeClassifier",
    "ClassifierSettings",
    "ExplainSettings",
    "PanelCurve",
    "TrustSettings",
    "VoteSettings",
    "Votes",
    "check",
    "explain",
    "panel_curve",
    "vote",
]
