"""How networks learn."""

from cellclassifier.training.checkpoints import Checkpoints
from cellclassifier.training.config import TrainingConfig, check_seed
from cellclassifier.training.progress import Watcher, progress_bar, watch_nothing
from cellclassifier.training.trainer import HeldOut, TrainingRecord, train_network

__all__ = [
    "Checkpoints",
    "HeldOut",
    "TrainingConfig",
    "TrainingRecord",
    "Watcher",
    "check_seed",
    "progress_bar",
    "train_network",
    "watch_nothing",
]
