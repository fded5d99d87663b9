"""Probabilities that can be believed: arrays in, arrays out; no Keras."""

from cellclassifier.trust.conformal import ConformalScores
from cellclassifier.trust.novelty import (
    CellEvidence,
    HeldOutCells,
    NoveltyDetector,
    NoveltyModel,
)
from cellclassifier.trust.shift import TypeProfiles, profile_shift
from cellclassifier.trust.temperature import calibrate_temperature

__all__ = [
    "CellEvidence",
    "ConformalScores",
    "HeldOutCells",
    "NoveltyDetector",
    "NoveltyModel",
    "TypeProfiles",
    "calibrate_temperature",
    "profile_shift",
]
