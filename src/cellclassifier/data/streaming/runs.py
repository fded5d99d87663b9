"""Runs of rows of a matrix that is stored by rows, one below the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Runs:
    """Where the values of runs of rows are, and where they go.

    Parameters
    ----------
    parts
        Of the stored values, those of each run.
    places
        Where these go.
    indptr
        Where the values of each row begin, and the last one's end, (n_rows + 1,), int64.

    Examples
    --------
    >>> runs = Runs.of([np.array([10, 12, 13]), np.array([20, 24])])
    >>> runs.parts, runs.places
    ([slice(10, 13, None), slice(20, 24, None)], [slice(0, 3, None), slice(3, 7, None)])
    >>> runs.indptr.tolist(), runs.n_values
    ([0, 2, 3, 7], 7)
    """

    parts: list[slice]
    places: list[slice]
    indptr: npt.NDArray[np.int64]

    @classmethod
    def of(cls, ends: Sequence[npt.NDArray[np.int64]]) -> "Runs":
        """Lay runs out, each by the part of the stored `indptr` that bounds its rows."""
        parts = [slice(int(of_run[0]), int(of_run[-1])) for of_run in ends]
        starts = np.cumsum([0, *(part.stop - part.start for part in parts)])
        places = [slice(start, stop) for start, stop in pairwise(starts.tolist())]
        shifted = [
            of_run[1:] - of_run[0] + start for of_run, start in zip(ends, starts[:-1], strict=True)
        ]
        return cls(parts, places, np.concatenate([starts[:1], *shifted]))

    @property
    def n_values(self) -> int:
        """How many values all rows have."""
        return int(self.indptr[-1])
