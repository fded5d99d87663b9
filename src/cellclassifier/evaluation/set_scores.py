"""How well sets of types hold the true one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class SetScores:
    """What sets of types are worth.

    Parameters
    ----------
    wanted
        The coverage that was asked for, in (0, 1).
    coverage
        The share of cells whose set holds their true type.
    per_type
        The same of the cells of each type that the model knows, (n_types,); NaN without cells.
    mean_size
        Types a set, empty ones included.
    empty, one, more
        The share of sets of no type, of one, and of more; they add up to 1.

    Examples
    --------
    >>> sets = np.array([[True, False], [True, True], [False, False]])
    >>> scores = SetScores.of(np.array([0, 1, 1]), sets, wanted=0.9)
    >>> round(scores.coverage, 3), scores.per_type.tolist(), scores.mean_size
    (0.667, [1.0, 0.5], 1.0)
    """

    wanted: float
    coverage: float
    per_type: npt.NDArray[np.float64]
    mean_size: float
    empty: float
    one: float
    more: float

    @classmethod
    def of(
        cls, truth: npt.NDArray[np.integer], sets: npt.NDArray[np.bool_], wanted: float
    ) -> "SetScores":
        """Score the sets of cells.

        Parameters
        ----------
        truth
            The column of each cell's true type, (n_cells,), one cell or more; any other number
            for a type that has no column, which no set can hold.
        sets
            Which types are in the set of each cell, (n_cells, n_types).
        wanted
            The coverage that was asked for.
        """
        n_types = sets.shape[1]
        known = (truth >= 0) & (truth < n_types)
        held = np.zeros(len(truth), dtype=bool)
        held[known] = sets[known, truth[known]]
        n_cells = np.bincount(truth[known], minlength=n_types)
        per_type = np.full(n_types, np.nan)
        n_held = np.bincount(truth[held], minlength=n_types)
        np.divide(n_held, n_cells, out=per_type, where=n_cells > 0)
        sizes = sets.sum(axis=1)
        return cls(
            wanted=wanted,
            coverage=float(held.mean()),
            per_type=per_type,
            mean_size=float(sizes.mean()),
            empty=float((sizes == 0).mean()),
            one=float((sizes == 1).mean()),
            more=float((sizes > 1).mean()),
        )

    def to_json(self, labels: tuple[str, ...]) -> dict[str, Any]:
        """Return what ``evaluation.json`` says of sets; `labels` are the types, in order.

        Examples
        --------
        >>> scores = SetScores.of(np.array([0]), np.array([[True, True]]), wanted=0.9)
        >>> scores.to_json(("B", "T"))["per_type"]
        {'B': 1.0, 'T': None}
        """
        return {
            "wanted": self.wanted,
            "coverage": self.coverage,
            "mean_size": self.mean_size,
            "empty": self.empty,
            "one": self.one,
            "more": self.more,
            "per_type": {
                label: None if np.isnan(value) else float(value)
                for label, value in zip(labels, self.per_type, strict=True)
            },
        }


def merge_sets(
    sets: npt.NDArray[np.bool_], columns: npt.NDArray[np.integer], n_coarse: int
) -> npt.NDArray[np.bool_]:
    """Return the sets of coarser types, (n_cells, n_coarse).

    A coarse type is in a set that holds one of its own: so coverage can only rise.

    Parameters
    ----------
    sets
        Of the fine types, (n_cells, n_types).
    columns
        The coarse type of each fine one, (n_types,).
    n_coarse
        How many coarse types there are.

    Examples
    --------
    >>> sets = np.array([[True, False, False], [False, True, True]])
    >>> merge_sets(sets, np.array([0, 0, 1]), 2).tolist()
    [[True, False], [True, True]]
    """
    merged = np.zeros((len(sets), n_coarse), dtype=bool)
    for fine, coarse in enumerate(columns):
        merged[:, coarse] |= sets[:, fine]
    return merged
