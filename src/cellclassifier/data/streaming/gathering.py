"""What the caller is told of all cells in the end, gathered while they are named."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.data.annotations import PROBABILITIES_KEY
from cellclassifier.data.streaming.kept import Arrays, KeptBlocks
from cellclassifier.data.streaming.repairs import MADE_OF

# of each cell the code of the most probable type, int16, whatever its label is
LIKELIEST = "likeliest"


@dataclass(frozen=True, eq=False)
class GatheredCells:
    """The small ones of the arrays that are kept of blocks: some bytes a cell.

    Parameters
    ----------
    kept
        Where blocks are that nobody added: of an earlier call, or by other processes.
    """

    kept: KeptBlocks
    _blocks: dict[int, Arrays] = field(default_factory=dict)

    def add(self, number: int, arrays: Arrays) -> None:
        """Take a block that was kept just now; several threads may ask at once."""
        self._blocks[number] = _small(arrays)

    def wholes(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of all cells, by their keys, and `LIKELIEST`."""
        blocks = [
            self._blocks.get(number) or _small(self.kept.block(number))
            for number in range(len(self.kept.bounds))
        ]
        return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}


def _small(arrays: Arrays) -> Arrays:
    likeliest = arrays[PROBABILITIES_KEY].argmax(axis=1).astype(np.int16)
    left_out = (PROBABILITIES_KEY, MADE_OF)
    others = {key: values for key, values in arrays.items() if key not in left_out}
    return {**others, LIKELIEST: likeliest}
