"""Probabilities that can be believed: arrays in, arrays out; no Keras."""

from cellclassifier.trust.shift import TypeProfiles, profile_shift
from cellclassifier.trust.temperature import calibrate_temperature

__all__ = ["TypeProfiles", "calibrate_temperature", "profile_shift"]
