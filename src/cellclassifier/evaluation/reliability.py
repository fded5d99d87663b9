"""Whether a probability of 0.8 is right eight times out of ten."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

N_BINS = 15

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Confidence and accuracy of cells, put together by their confidence.

    Guo et al. 2017 (arXiv:1706.04599): cells are binned by the probability of the label they got,
    bins are of equal width, and each holds its upper edge.

    Parameters
    ----------
    n_cells
        Cells in each bin, (n_bins,), int64.
    confidence
        Their mean probability, (n_bins,), in [0, 1]; NaN in a bin without cells.
    accuracy
        The share of them that were named rightly, likewise.

    Examples
    --------
    >>> confidence = np.array([0.95, 0.95, 0.55, 0.55])
    >>> curve = ReliabilityCurve.of(confidence, np.array([True, True, True, False]))
    >>> curve.n_cells[[8, 14]].tolist(), curve.accuracy[[8, 14]].tolist(), round(curve.ece, 3)
    ([2, 2], [0.5, 1.0], 0.05)
    """

    n_cells: npt.NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @classmethod
    def of(
        cls,
        confidence: npt.NDArray[np.floating],
        correct: npt.NDArray[np.bool_],
        n_bins: int = N_BINS,
    ) -> "ReliabilityCurve":
        """Bin cells.

        Parameters
        ----------
        confidence
            The probability of the label that each cell got, (n_cells,), in [0, 1].
        correct
            Whether it is the true one, (n_cells,).
        n_bins
            How many bins between 0 and 1.
        """
        wide = confidence.astype(np.float64)
        bins = np.clip(np.ceil(wide * n_bins).astype(np.intp) - 1, 0, n_bins - 1)
        n_cells = np.bincount(bins, minlength=n_bins)
        means = np.full((2, n_bins), np.nan)
        for mean, values in zip(means, (wide, correct.astype(np.float64)), strict=True):
            np.divide(np.bincount(bins, values, n_bins), n_cells, out=mean, where=n_cells > 0)
        return cls(n_cells.astype(np.int64), *means)

    @property
    def ece(self) -> float:
        """The expected calibration error: the mean gap of a cell's bin, in [0, 1]."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(np.round(gaps @ self.n_cells / max(self.n_cells.sum(), 1), 12))

    @property
    def overconfidence(self) -> float:
        """Mean confidence less accuracy over all cells; below 0 for too little confidence."""
        gaps = np.nan_to_num(self.confidence - self.accuracy)
        return float(gaps @ self.n_cells / max(self.n_cells.sum(), 1))

    def to_json(self) -> dict[str, Any]:
        """Return lists of one value a bin: ``n_cells``, ``confidence``, ``accuracy``.

        The last two are null where there are no cells.

        Examples
        --------
        >>> curve = ReliabilityCurve.of(np.array([0.9, 0.8]), np.array([True, False]), n_bins=2)
        >>> curve.to_json()
        {'n_cells': [0, 2], 'confidence': [None, 0.85], 'accuracy': [None, 0.5]}
        >>> ReliabilityCurve.from_json(curve.to_json()).ece
        0.35
        """
        means = {"confidence": self.confidence, "accuracy": self.accuracy}
        return {
            "n_cells": self.n_cells.tolist(),
            **{
                name: [None if np.isnan(value) else round(float(value), 12) for value in values]
                for name, values in means.items()
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ReliabilityCurve":
        """Read what `to_json` returned, trusting nothing in it.

        Raises
        ------
        ValueError
            A list is not there, is of another length, or holds something else.
        """
        sizes = content.get("n_cells")
        if not isinstance(sizes, list) or not all(type(n) is int and n >= 0 for n in sizes):
            raise ValueError(f"'n_cells' of a reliability curve are whole numbers, not {sizes!r}")
        if sum(sizes) > np.iinfo(np.int64).max:
            raise ValueError(f"'n_cells' of a reliability curve are too many: {sum(sizes):,}")
        confidence, accuracy = (_means(content, name, sizes) for name in ("confidence", "accuracy"))
        return cls(np.array(sizes, dtype=np.int64), confidence, accuracy)


def _means(content: Mapping[str, Any], name: str, sizes: list[int]) -> Floats:
    values = content.get(name)
    fits = isinstance(values, list) and len(values) == len(sizes)
    if not fits or not all(map(_is_mean, values or [], sizes)):
        raise ValueError(
            f"'{name}' of a reliability curve are {len(sizes)} numbers from 0 to 1, null in bins "
            f"without cells, not {values!r}"
        )
    return np.array([np.nan if value is None else value for value in values or []], dtype=float)


def _is_mean(value: object, size: int) -> bool:
    if size == 0:
        return value is None
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
