"""How far a share may be off, by the number of cells that it was taken of."""

from typing import NamedTuple

from cellclassifier.evaluation.input_report import Z_95


class Score(NamedTuple):
    """A score of `n` cells in [0, 1], and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int) -> Score:
    """Return a share with its interval (Wilson 1927), which stays within 0 and 1.

    Examples
    --------
    >>> score = wilson(9, 10)
    >>> score.value, round(score.low, 3), round(score.high, 3)
    (0.9, 0.596, 0.982)
    """
    if n == 0:
        return Score(0.0, 0.0, 1.0, 0)
    share, z2 = hits / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = Z_95 / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    return Score(share, max(middle - reach, 0.0), min(middle + reach, 1.0), n)


def wilson_f1(hits: int, n_true: int, n_named: int) -> Score:
    """Return F1 with its interval: that of the share of hits among cells truly or named so.

    That share J, Jaccard's, is of a fixed number of cells, and F1 is 2 J / (1 + J).

    Examples
    --------
    >>> score = wilson_f1(8, 10, 8)
    >>> round(score.value, 3), round(score.low, 3), round(score.high, 3)
    (0.889, 0.658, 0.971)
    """
    either = wilson(hits, n_true + n_named - hits)
    value, low, high = (2 * share / (1 + share) for share in either[:3])
    return Score(value, low, high, either.n)
