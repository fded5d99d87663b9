"""Sets of types that hold the true one as often as was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import InputError

# of a type that is judged by its own cells, and of all smaller types that are judged together
MIN_TYPE_CELLS = 20
MIN_GROUP_CELLS = 50
# order statistics that are kept of a type, and of all cells together
MAX_KEPT = 1_000
# Of the logarithm of the odds of the first type against the second, digits from here on are as
# good as drawn by lot: rounding in float32 does not reach them, and no cell's fate hangs on them.
LOT_DIGITS = 100.0
# scores of first types lie in [0, 1], those of others in [1, 2]
MAX_SCORE = 2.0

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class ConformalScores:
    """How held-out cells score their true types: what prediction sets at any coverage need.

    Split conformal prediction, conditional on the type (Vovk 2012, arXiv:1209.2673): a type is in
    a cell's set where its score is no larger than that of the wanted share of the held-out cells
    of that type. Types with fewer than 20 of them are judged together if that makes 50 cells, and
    by all cells if not.

    The score ranks a cell's most probable type first, whatever its probability, and draws a lot
    over it, as sorted adaptive prediction sets do (Huang et al. 2024, arXiv:2310.06430): lot x
    probability. Any other type scores 2 - probability, as in the least ambiguous sets (Sadinle,
    Lei & Wasserman 2019, arXiv:1609.00451), which are the smallest for a coverage of each type.
    The lot is made of the cell's own probabilities, so that a set depends on no other cell, no
    order and no block: the digits from the third behind the point of log(first / second
    probability). `docs/decisions/0023-prediction-sets.md` compares this with other scores.

    Parameters
    ----------
    sizes
        The held-out cells of each type, (n_types,), int64.
    kept
        Scores of the true type, ascending, type by type in one row, float32: min(size, 1,000) a
        type. Of a type of more cells these are as many order statistics, equally far apart.
    pooled
        The same of all held-out cells together, (min(n_cells, 1,000),).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> probabilities = rng.dirichlet([0.4, 0.4, 0.4], size=3000).astype("float32")
    >>> codes = (rng.random((3000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    >>> scores = ConformalScores.of(probabilities[:2000], codes[:2000])
    >>> sets = scores.sets(probabilities[2000:], coverage=0.9)
    >>> bool(sets[np.arange(1000), codes[2000:]].mean() > 0.88)
    True
    """

    sizes: npt.NDArray[np.int64]
    kept: Floats
    pooled: Floats

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.floating], codes: Codes) -> "ConformalScores":
        """Score held-out cells.

        Parameters
        ----------
        probabilities
            By a network that was not trained on these cells, (n_cells, n_types), float32 or more.
        codes
            Their true types, (n_cells,), from 0 to n_types - 1.

        Raises
        ------
        ValueError
            The arrays do not fit one another.
        """
        n_cells, n_types = probabilities.shape
        if codes.shape != (n_cells,):
            raise ValueError(f"{n_cells} cells need as many types, not {codes.shape}")
        if n_cells and (codes.min() < 0 or codes.max() >= n_types):
            raise ValueError(
                f"types are numbered from 0 to {n_types - 1}, not from {codes.min()} to "
                f"{codes.max()}"
            )
        scores = _scores(probabilities)[np.arange(n_cells), codes]
        own = [_thinned(scores[codes == code]) for code in range(n_types)]
        sizes = np.bincount(codes, minlength=n_types).astype(np.int64)
        return cls(sizes, np.concatenate(own), _thinned(scores))

    @property
    def n_types(self) -> int:
        """How many types there are."""
        return len(self.sizes)

    def sets(
        self,
        probabilities: npt.NDArray[np.floating],
        coverage: float,
        *,
        keep_best: bool = True,
    ) -> npt.NDArray[np.bool_]:
        """Return which types each cell may be of.

        Parameters
        ----------
        probabilities
            Of the cells to be named, (n_cells, n_types), float32 or more.
        coverage
            How often the set of a cell is to hold its true type, in (0, 1): over all cells, and
            over those of each type that had 20 held-out cells, and coverage / (1 - coverage) or
            more: 99 for a coverage of 0.99, see `thresholds`. It holds for cells like the held-out
            ones. A set of a higher coverage holds that of a lower one.
        keep_best
            Whether the most probable type is in every set. Then no set is empty, and none is
            drawn by lot; where the most probable type alone is right more often than asked for,
            sets are right more often, too. Without it they are right as often as asked for and
            no more: where one type is too much already, cells drawn by lot get an empty set, and
            a set may hold a type that is hard to tell without the more probable one.

        Returns
        -------
        numpy.ndarray
            Shape (n_cells, n_types), bool.

        Raises
        ------
        InputError
            `coverage` is not within (0, 1).
        ValueError
            The probabilities are of another number of types.
        """
        if probabilities.ndim != 2 or probabilities.shape[1] != self.n_types:
            raise ValueError(
                f"probabilities of the shape {probabilities.shape} do not fit {self.n_types} types"
            )
        sets: npt.NDArray[np.bool_] = _scores(probabilities) <= self.thresholds(coverage)
        if keep_best:
            sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
        return sets

    def thresholds(self, coverage: float) -> Floats:
        """Return the largest score with which each type is in a set, (n_types,).

        Of n held-out cells the score of rank ceil((n + 1) x coverage). With too few of them for the
        coverage, fewer than coverage / (1 - coverage), it is the largest score, or what holds for
        all cells if that is larger.

        Raises
        ------
        InputError
            `coverage` is not within (0, 1).
        """
        if not 0 < coverage < 1:
            raise InputError(
                f"a coverage is a share between 0 and 1, such as 0.9, not {coverage!r}"
            )
        pooled = _threshold(self.pooled, int(self.sizes.sum()), coverage, np.inf)
        own = np.split(self.kept, np.minimum(self.sizes, MAX_KEPT).cumsum()[:-1])
        is_small = self.sizes < MIN_TYPE_CELLS
        small = np.sort(np.concatenate([self.kept[:0], *compress(own, is_small)]))
        together = pooled
        if len(small) >= MIN_GROUP_CELLS:
            together = _threshold(small, len(small), coverage, pooled)
        return np.array(
            [
                together if few else _threshold(kept, int(size), coverage, pooled)
                for kept, size, few in zip(own, self.sizes, is_small, strict=True)
            ],
            dtype=np.float32,
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return what a file has to hold: ``sizes``, int64, ``kept`` and ``pooled``, float32.

        Examples
        --------
        >>> scores = ConformalScores.of(np.float32([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
        >>> again = ConformalScores.from_arrays(scores.to_arrays(), n_types=2)
        >>> again.sizes.tolist(), bool((again.kept == scores.kept).all())
        ([1, 1], True)
        """
        return {"sizes": self.sizes, "kept": self.kept, "pooled": self.pooled}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], n_types: int
    ) -> "ConformalScores":
        """Take what `to_arrays` gave, trusting nothing in it.

        Raises
        ------
        ValueError
            An array is not there, not of the shape or dtype of `to_arrays`, or holds what cannot
            be a number of cells or a score.
        """
        sizes = _array(arrays, "sizes", np.int64, (n_types,))
        # so many cells that their number would overflow are no cells either
        if np.any(sizes < 0) or np.any(sizes > np.iinfo(np.int64).max // max(n_types, 1)):
            raise ValueError("the conformal 'sizes' are not numbers of cells")
        n_kept = np.minimum(sizes, MAX_KEPT)
        kept = _array(arrays, "kept", np.float32, (int(n_kept.sum()),))
        pooled = _array(arrays, "pooled", np.float32, (min(int(sizes.sum()), MAX_KEPT),))
        begins_a_type = np.zeros(len(kept) + 1, dtype=bool)
        begins_a_type[n_kept.cumsum()] = True
        descends = (np.diff(kept) < 0) & ~begins_a_type[1 : len(kept)]
        if np.any(descends) or np.any(np.diff(pooled) < 0):
            raise ValueError("the conformal scores are not in ascending order")
        return cls(sizes, kept, pooled)


def _scores(probabilities: npt.NDArray[np.floating]) -> Floats:
    """Return the score of each type, (n_cells, n_types), in [0, 2]; the smaller, the likelier."""
    best = probabilities.argmax(axis=1)
    cells = np.arange(len(probabilities))
    scores = np.float32(MAX_SCORE) - probabilities.astype(np.float32)
    scores[cells, best] = _lots(probabilities) * probabilities[cells, best]
    return scores


def _lots(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each cell, (n_cells,): later digits of its own log odds.

    0 where there is no second type, or none with a probability above 0.
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T.astype(np.float64)
    odds = np.divide(first, second, out=np.ones_like(first), where=second > 0)
    return np.asarray(np.modf(LOT_DIGITS * np.log(odds))[0], dtype=np.float64)


def _thinned(scores: Floats) -> Floats:
    """Return the scores in ascending order, or 1,000 order statistics of more of them.

    Of n scores those of the ranks ceil(i x n / 1,000), i from 1 on; the last one is the largest.
    """
    ascending = np.sort(scores)
    n_scores = len(ascending)
    if n_scores <= MAX_KEPT:
        return ascending
    ranks = -(-np.arange(1, MAX_KEPT + 1) * n_scores // MAX_KEPT)
    return ascending[ranks - 1]


def _threshold(kept: Floats, n_scores: int, coverage: float, otherwise: float) -> float:
    """Return the kept score of rank ceil((n + 1) x coverage), or the next one that is kept.

    So the share of new scores that are no larger is `coverage` on average, or somewhat more. Of
    fewer scores than that takes, the largest or `otherwise`, whichever is larger.
    """
    # a share such as 0.9 is not quite that in binary: 0.9 x 10 must not be taken for above 9
    rank = max(int(np.ceil(np.round((n_scores + 1) * coverage, 6))), 1)
    if rank > n_scores:
        return float(max(kept[-1], otherwise)) if n_scores else otherwise
    place = rank if len(kept) == n_scores else -(-rank * len(kept) // n_scores)
    return float(kept[place - 1])


def _array(
    arrays: Mapping[str, npt.NDArray[np.generic]],
    name: str,
    dtype: type[np.generic],
    shape: tuple[int, ...],
) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] | None = arrays.get(name)
    if values is None:
        raise ValueError(f"the conformal scores have no array '{name}', but {sorted(arrays)}")
    if values.dtype != dtype or values.shape != shape:
        raise ValueError(
            f"the conformal '{name}' is {values.dtype} of the shape {values.shape}, where "
            f"{np.dtype(dtype)} of the shape {shape} is needed"
        )
    if dtype is np.float32 and not np.all((values >= 0) & (values <= MAX_SCORE)):
        raise ValueError(f"the conformal '{name}' holds values outside of [0, {MAX_SCORE:g}]")
    return values
