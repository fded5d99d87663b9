"""Many weak looks at a cell, weighed by cells that they have not seen."""

from cellclassifier.training.stacking.layers import StackedLayers, check_wide_deep
from cellclassifier.training.stacking.stacked import Stacked, train_by_stacking

__all__ = ["Stacked", "StackedLayers", "check_wide_deep", "train_by_stacking"]
