"""What is gained by leaving the least certain cells without a name."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# of all cells, that are named; what evaluation.json and the table say
SHARES = (1.0, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5)
# points of the curve
N_POINTS = 100


@dataclass(frozen=True, eq=False)
class AnsweredCurve:
    """Accuracy over the cells named, by how many are: the surest first.

    Parameters
    ----------
    accuracy
        Over the surest 1 %, 2 % and so on to all cells, (100,), in [0, 1].
    area
        Under the curve of the share of errors against the share of cells named, over all numbers
        of cells (Geifman & El-Yaniv 2017, arXiv:1705.08500); 0 is perfect.

    Examples
    --------
    >>> confidence = np.array([0.9, 0.8, 0.7, 0.6])
    >>> curve = AnsweredCurve.of(confidence, np.array([True, True, False, True]))
    >>> curve.at(0.5), curve.at(1.0)
    (1.0, 0.75)
    """

    accuracy: npt.NDArray[np.float64]
    area: float

    @classmethod
    def of(
        cls, confidence: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_]
    ) -> "AnsweredCurve":
        """Put cells in the order of their confidence.

        Cells of the same confidence count as partly right, all alike, so that their order does not
        matter.

        Parameters
        ----------
        confidence
            What is known of how sure a label is, (n_cells,), one cell or more; the higher, the
            surer.
        correct
            Whether it is the true one, (n_cells,).
        """
        _, group, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
        of_group = np.bincount(group, correct.astype(np.float64)) / sizes
        n_named = np.arange(1, len(correct) + 1)
        accuracy = np.repeat(of_group, sizes).cumsum() / n_named
        shares = np.arange(1, N_POINTS + 1)
        last = -(-shares * len(correct) // N_POINTS) - 1
        return cls(np.clip(accuracy[last], 0.0, 1.0), float(np.mean(1 - accuracy)))

    def at(self, share: float) -> float:
        """Return the accuracy over the surest `share` of the cells, a whole percentage above 0."""
        return float(self.accuracy[round(share * N_POINTS) - 1])

    def to_json(self) -> dict[str, Any]:
        """Return the accuracy at 100, 99, 95, 90, 80, 70 and 50 % named, and the area.

        Examples
        --------
        >>> curve = AnsweredCurve.of(np.array([0.9, 0.5]), np.array([True, False]))
        >>> curve.to_json()["accuracy"]["0.5"]
        1.0
        """
        return {
            "accuracy": {f"{share:g}": self.at(share) for share in SHARES},
            "area_under_risk": self.area,
        }
