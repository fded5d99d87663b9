"""Logits of shallow cells made to mean what they say, from known cells as shallow."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import softmax

# Normal priors, on the logarithm of the scale and on the offset of a type, as of so many logits:
# types with few known cells stay where they are.
SCALE_SPREAD = 0.5
OFFSET_SPREAD = 0.5

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LogitMap:
    """One scale for all logits, and an offset for each type.

    Temperature scaling with a bias (bias-corrected temperature scaling, Alexandari et al. 2020,
    arXiv:1901.06852).

    Parameters
    ----------
    scale
        One over the temperature.
    offsets
        Shape (n_types,).

    Examples
    --------
    >>> logits = np.float32([[4.0, 0.0]] * 10)
    >>> fitted = LogitMap.of(logits, np.array([0] * 7 + [1] * 3))
    >>> fitted.scale < 1
    True
    >>> fitted.relative_to(fitted)(logits)[0].tolist()
    [4.0, 0.0]
    """

    scale: float
    offsets: Floats64

    @classmethod
    def of(
        cls, logits: npt.NDArray[np.floating], codes: npt.NDArray[np.integer], repeats: int = 1
    ) -> "LogitMap":
        """Return the one of the least log-loss, and of priors around doing nothing.

        Parameters
        ----------
        logits
            Shape (n_cells, n_types), of cells that the network was not trained on.
        codes
            Their true types, shape (n_cells,).
        repeats
            How often each cell is among them: so much less each counts.
        """
        wide, cells = logits.astype(np.float64), np.arange(len(codes))
        is_true = np.zeros_like(wide)
        is_true[cells, codes] = 1.0
        spreads = np.array([SCALE_SPREAD, *[OFFSET_SPREAD] * wide.shape[1]])

        def penalised_loss(weights: Floats64) -> tuple[float, Floats64]:
            scaled = wide * np.exp(weights[0])
            probabilities = softmax(scaled + weights[1:], axis=1)
            of_truth = np.maximum(probabilities[cells, codes], np.finfo(float).tiny)
            off = probabilities - is_true
            slope = np.array([(off * scaled).sum(), *off.sum(axis=0)])
            loss = -np.log(of_truth).sum() / repeats + 0.5 * ((weights / spreads) ** 2).sum()
            return float(loss), slope / repeats + weights / spreads**2

        start = np.zeros(1 + wide.shape[1])
        best = minimize(penalised_loss, start, jac=True, method="L-BFGS-B").x
        return cls(float(np.exp(best[0])), best[1:])

    def relative_to(self, usual: "LogitMap") -> "LogitMap":
        """Return what it does beyond another one, which the logits have been through already."""
        scale = self.scale / usual.scale
        return LogitMap(scale, self.offsets - scale * usual.offsets)

    def faded(self, share: float) -> "LogitMap":
        """Return the one that does a share of it, in [0, 1]."""
        return LogitMap(self.scale**share, self.offsets * share)

    def __call__(self, logits: npt.NDArray[np.floating]) -> Floats:
        """Return logits, (n_cells, n_types), as they should be."""
        mapped: Floats = (logits * self.scale + self.offsets).astype(np.float32)
        return mapped

    def of_layer(self, kernel: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Return the last layer that gives such logits, instead of one that gives the usual."""
        return (kernel * self.scale).astype(np.float32), self(bias)
