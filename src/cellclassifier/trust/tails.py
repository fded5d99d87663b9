"""How rare a value is among known cells, far beyond the rarest of them too."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# of the sorted values, up to where the tail begins
N_KNOTS = 128
TAIL_FROM = 0.9
SHARES = np.linspace(0, TAIL_FROM, N_KNOTS)
# at each of them
SURPRISES = -np.log1p(-SHARES)
# an exponential tail of this mean at least, relative to the size of the values
MIN_TAIL = 1e-6
MAX_SIZE = 1e12
# nearer to zero, a value is zero: no two knots are so near each other that a slope overflows
SMALLEST = 1e-200

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tail:
    """The values of known cells, as the surprise that a larger one would be.

    Up to the 90th percentile the share of known cells at or above a value is counted; beyond, it
    falls exponentially, so that values larger than all that were seen do not tie.

    Parameters
    ----------
    knots
        Shape (129,): 128 quantiles, equally far apart, up to the 90th percentile, and the mean by
        which the values above exceed it, positive.

    Examples
    --------
    >>> tail = Tail.of(np.random.default_rng(0).exponential(size=10_000))
    >>> tail.surprise(np.array([1.0, 3.0, 10.0])).round(1).tolist()
    [1.0, 3.0, 10.0]
    """

    knots: Floats

    @classmethod
    def of(cls, values: npt.NDArray[np.floating]) -> "Tail":
        """Learn from known cells' values, (n_cells,), one or more."""
        wide = values.astype(np.float64)
        knots = np.quantile(wide, SHARES)
        knots[np.abs(knots) < SMALLEST] = 0
        above = wide[wide > knots[-1]] - knots[-1]
        least = MIN_TAIL * max(1.0, float(np.abs(wide).max()))
        return cls(np.append(knots, max(float(above.mean()) if len(above) else 0.0, least)))

    def surprise(self, values: npt.NDArray[np.floating]) -> Floats:
        """Return -log of the share of known cells at or above each value, 0 or more, in nats."""
        knots, mean_excess = self.knots[:-1], float(self.knots[-1])
        within: Floats = np.interp(values, knots, SURPRISES)
        beyond: Floats = np.maximum(values - knots[-1], 0) / mean_excess
        return within + beyond

    @classmethod
    def from_array(cls, values: npt.NDArray[np.generic]) -> "Tail":
        """Take `knots` from a file, trusting nothing in them.

        Raises
        ------
        ValueError
            They are not what `of` makes.
        """
        if values.dtype != np.float64 or values.shape != (N_KNOTS + 1,):
            raise ValueError(f"a tail is {values.dtype} of shape {values.shape}")
        knots = values.astype(np.float64)
        is_sorted = bool(np.all(np.diff(knots[:-1]) >= 0))
        if not (np.all(np.abs(knots) <= MAX_SIZE) and is_sorted and knots[-1] >= MIN_TAIL):
            raise ValueError("the quantiles of a tail rise, are finite, and its mean is positive")
        return cls(knots)


@dataclass(frozen=True, eq=False)
class DepthCurve:
    """How the logarithm of a value goes with the depth of known cells, above their median.

    Deep cells lie closer to their like than shallow ones. Cells deeper than usual are therefore
    measured by what is usual at their depth; nothing is excused in shallow ones.

    Parameters
    ----------
    coefficients
        Shape (4,): the median and the largest logarithm of the library size, and the factors of
        the excess over the median and of its square.
    """

    coefficients: Floats

    @classmethod
    def of(
        cls, values: npt.NDArray[np.floating], library_size: npt.NDArray[np.floating]
    ) -> "DepthCurve":
        """Fit to known cells: logarithms of their values, and their library sizes, (n_cells,)."""
        depth = np.log(library_size)
        median = float(np.median(depth))
        excess, lack = np.maximum(depth - median, 0), np.minimum(depth - median, 0)
        # what goes on below the median has a slope of its own, which is not used
        terms = np.column_stack([excess, excess**2, lack, np.ones(len(depth))])
        found = np.linalg.lstsq(terms, values.astype(np.float64), rcond=1e-6)[0]
        return cls(np.array([median, float(depth.max()), *found[:2]]))

    def expected(self, library_size: npt.NDArray[np.floating]) -> Floats:
        """Return what is to be taken off the logarithm of the value, (n_cells,)."""
        median, largest, slope, bend = self.coefficients
        excess = np.clip(np.log(library_size), median, largest) - median
        taken: Floats = slope * excess + bend * excess**2
        return taken

    @classmethod
    def from_array(cls, values: npt.NDArray[np.generic]) -> "DepthCurve":
        """Take `coefficients` from a file, trusting nothing in them.

        Raises
        ------
        ValueError
            They are not what `of` makes.
        """
        if values.dtype != np.float64 or values.shape != (4,):
            raise ValueError(f"a curve of depth is {values.dtype} of shape {values.shape}")
        coefficients = values.astype(np.float64)
        if not np.all(np.abs(coefficients) <= MAX_SIZE) or coefficients[0] > coefficients[1]:
            raise ValueError("a curve of depth is not finite, or ends before it begins")
        return cls(coefficients)


def of_file(arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> npt.NDArray[np.generic]:
    """Return an array of a file.

    Raises
    ------
    ValueError
        It is not there.
    """
    if name not in arrays:
        raise ValueError(f"there is no array '{name}', but {sorted(arrays)}")
    return np.asarray(arrays[name])
