"""How much two methods differ in macro-F1 on the same cells, and in samples of these.

Rows of the results hold what each cell was named, not what it is: that comes from the tasks.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from record import Row
from rows import Codes, predicted_codes, truth_of
from tasks import TASKS

Array = np.ndarray[Any, Any]
# what the test cells of a row are, as positions in its `types`
Truth = Callable[[Row], Codes]


class TrueTypes:
    """What the test cells of rows are; cells that were asked for once are not read again."""

    def __init__(self) -> None:
        self._known: dict[str, Codes] = {}

    def __call__(self, row: Row) -> Codes:
        """Return the types of a row's test cells, as positions in its `types`."""
        key = row["truth_sha256"]
        if key not in self._known:
            codes, types = truth_of(TASKS[row["task"]].split(row["fold"]))
            if list(types) != list(row["types"]):
                raise ValueError(f"{row['task']} fold {row['fold']} has other types than its row")
            self._known[key] = codes
        return self._known[key]


def macro_f1_gain(
    truth: Codes, ours: Row, theirs: Row, rng: np.random.Generator, n_draws: int
) -> tuple[float, Array]:
    """Return by how much our macro-F1 exceeds theirs, and the same in samples of as many cells.

    Cells are drawn with replacement. What counts of a cell is its type and what the two named it,
    so that how often each such triple is drawn says all.
    """
    named = np.stack([truth, predicted_codes(ours), predicted_codes(theirs)])
    triples, counts = np.unique(named, axis=1, return_counts=True)
    # (1 + n_draws, n_triples), the cells as they are first
    drawn = np.vstack([counts, rng.multinomial(counts.sum(), counts / counts.sum(), n_draws)])
    n_types = len(ours["types"])
    gains = macro_f1(drawn, triples[0], triples[1], n_types) - macro_f1(
        drawn, triples[0], triples[2], n_types
    )
    return float(gains[0]), gains[1:]


def macro_f1(drawn: Array, truth: Codes, named: Codes, n_types: int) -> Array:
    """Return the mean F1 over the types that have cells, for each row of `drawn`.

    A column of `drawn` says how often a cell of the type `truth` that was called `named` is there.
    """
    types = np.eye(n_types)
    of_type, as_type = drawn @ types[truth], drawn @ types[named]  # (n_draws, n_types)
    right = drawn @ (types[truth] * (truth == named)[:, None])
    f1 = 2 * right / np.maximum(of_type + as_type, 1)
    there = of_type > 0
    scores: Array = np.where(there, f1, 0).sum(axis=1) / there.sum(axis=1)
    return scores
