"""The search for the settings of a classifier, on Optuna (the extra ``tune``)."""

from cellclassifier.tuning.trials import Trial

__all__ = ["Trial"]
