"""Probabilities that can be believed: arrays in, arrays out; no Keras."""

from cellclassifier.trust.conformal import ConformalScores
from cellclassifier.trust.evidence import CellEvidence, HeldOutCells, Trial
from cellclassifier.trust.novelty import NoveltyDetector, NoveltyModel
from cellclassifier.trust.recalibration import LogitMap
from cellclassifier.trust.shift import TypeProfiles, find_shift, profile_shift
from cellclassifier.trust.temperature import calibrate_temperature

__all__ = [
    "CellEvidence",
    "ConformalScores",
    "HeldOutCells",
    "LogitMap",
    "NoveltyDetector",
    "NoveltyModel",
    "Trial",
    "TypeProfiles",
    "calibrate_temperature",
    "find_shift",
    "profile_shift",
]
