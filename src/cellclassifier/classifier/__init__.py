"""The classifier."""

from cellclassifier.classifier.estimator import CellTypeClassifier

__all__ = ["CellTypeClassifier"]
