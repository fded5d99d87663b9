"""What a training needs beside the cells: where its state is kept, and who takes part."""

from dataclasses import dataclass

from cellclassifier.training.checkpoints import Checkpoints
from cellclassifier.training.ranks import ALONE, Ranks

NOT_KEPT = Checkpoints()


@dataclass(frozen=True)
class Upkeep:
    """Where the state of a training is kept, and which of how many processes this is.

    Parameters
    ----------
    checkpoints
        For a call with the same arguments to go on from; the first process alone writes them.
    ranks
        Which process this is.
    """

    checkpoints: Checkpoints = NOT_KEPT
    ranks: Ranks = ALONE


# nothing is kept, and nobody else takes part
NO_UPKEEP = Upkeep()
