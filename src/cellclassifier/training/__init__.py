"""How networks learn."""

from cellclassifier.training.checkpoints import Checkpoints
from cellclassifier.training.config import TrainingConfig, check_seed
from cellclassifier.training.progress import Watcher, progress_bar, watch_nothing
from cellclassifier.training.ranks import ALONE, Meeting, OthersDone, Ranks
from cellclassifier.training.trainer import HeldOut, TrainingRecord, check_ranks, train_network
from cellclassifier.training.upkeep import NO_UPKEEP, Upkeep

__all__ = [
    "ALONE",
    "NO_UPKEEP",
    "Checkpoints",
    "HeldOut",
    "Meeting",
    "OthersDone",
    "Ranks",
    "TrainingConfig",
    "TrainingRecord",
    "Upkeep",
    "Watcher",
    "check_ranks",
    "check_seed",
    "progress_bar",
    "train_network",
    "watch_nothing",
]
