"""What is done to counts before they are stored, and how it is undone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cellclassifier.data.counts.cells import Floats

# a value computed in float32 is off by a few units in the last place
FLOAT32_EPS = float(np.finfo(np.float32).eps)
FLOAT32_ULPS = 4 * FLOAT32_EPS
# exp of this is more than any cell's counts at any scale; exp overflows from 710 on
MAX_LOG1P = 50.0


@dataclass(frozen=True)
class Transform:
    """A function of scaled counts that leaves zero at zero.

    Parameters
    ----------
    name
        As in "X is log1p of counts per 10,000".
    undoing
        As in "undoing log1p gives ...".
    kind
        The logarithm of 1 + x, the square root, or no change.
    log_base
        The natural logarithm of the logarithm's base.
    """

    name: str
    undoing: str
    kind: Literal["log", "root", "none"]
    log_base: float = 1.0

    def undone(self, values: Floats) -> Floats:
        """Return scaled counts."""
        if self.kind == "log":
            return np.asarray(np.expm1(values * self.log_base))
        return values**2 if self.kind == "root" else values

    def slack(self, values: Floats) -> Floats:
        """Return how far a value may be off that was computed in float32.

        The sum 1 + x is rounded before its logarithm is taken, so that small logarithms are no more
        exact than 1 is; the others are as exact as they are small.
        """
        return FLOAT32_ULPS * (np.maximum(values, 1.0) if self.kind == "log" else values)

    @property
    def steepness(self) -> float:
        """The relative change of x (of 1 + x under a logarithm) a change of its value by one.

        That of the square root is relative to the value.
        """
        return 2.0 if self.kind == "root" else self.log_base

    @property
    def largest(self) -> float:
        """No value of any cell's counts is larger."""
        return MAX_LOG1P / self.log_base if self.kind == "log" else np.inf


# counts squared are whole multiples of a unit squared, so that the root comes last
TRANSFORMS = (
    Transform("log1p of ", "log1p", "log"),
    Transform("log2(1 + x) of ", "log2(1 + x)", "log", float(np.log(2))),
    Transform("log10(1 + x) of ", "log10(1 + x)", "log", float(np.log(10))),
    Transform("", "the scaling", "none"),
    Transform("the square root of ", "the square root", "root"),
)
