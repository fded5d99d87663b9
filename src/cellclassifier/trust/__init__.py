"""Probabilities that can be believed: arrays in, arrays out; no Keras."""

from cellclassifier.trust.temperature import calibrate_temperature

__all__ = ["calibrate_temperature"]
