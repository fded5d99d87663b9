"""One pass over all values: their range, and whether they are whole."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts.cells import FilledCells

# float32 holds every whole number up to here
MAX_COUNT = 2**24
N_EXAMPLES = 3


@dataclass(frozen=True, eq=False)
class Scan:
    """What all stored values are, together.

    Parameters
    ----------
    smallest, largest
        NaN where a value is; zero where there are no values.
    fractions
        The first few values that are not whole.
    """

    smallest: float
    largest: float
    fractions: list[float]

    @classmethod
    def of(cls, values: sparse.csr_matrix) -> "Scan":
        """Look at every value; at whole ones until the first block with fractions."""
        cells = FilledCells.of(values)
        if not len(cells):
            return cls(0.0, 0.0, [])
        fractions: list[float] = []

        def block(first: int, last: int) -> tuple[float, float]:
            part = cells.between(first, last).values
            if not fractions:
                fractions.extend(_fractions(part))
            return float(part.min()), float(part.max())

        smallest, largest = np.array(cells.map_blocks(block)).T
        return cls(float(smallest.min()), float(largest.max()), fractions[:N_EXAMPLES])

    @property
    def is_finite(self) -> bool:
        """No value is NaN or infinite."""
        return bool(np.isfinite(self.smallest) and np.isfinite(self.largest))

    @property
    def may_be_undone(self) -> bool:
        """There are values, and they may be a transform or an estimate of counts."""
        return self.is_finite and self.smallest >= 0 and bool(self.fractions)


def _fractions(values: npt.NDArray[np.generic]) -> list[float]:
    if np.issubdtype(values.dtype, np.integer):
        return []
    differs = np.rint(values) != values
    return (
        [float(f"{value:.4g}") for value in values[differs][:N_EXAMPLES]] if differs.any() else []
    )


def refusal(scan: Scan, values: sparse.csr_matrix) -> str | None:
    """Say why values cannot be counts by what each of them is, or None where they can."""
    if not scan.is_finite:
        bad = ~np.isfinite(values.data)
        genes = np.unique(values.indices[np.flatnonzero(bad)[:N_EXAMPLES]])
        return (
            f"has {int(bad.sum()):,} values that are NaN or infinite (genes at columns "
            f"{genes.tolist()} of {values.shape[1]:,}, counted from 0)"
        )
    if scan.smallest < 0:
        return (
            f"has negative values down to {scan.smallest:.4g}: it was scaled or centred, or holds "
            "residuals (SCTransform, Pearson, regress_out) or corrected values, of which no counts "
            "can be recovered"
        )
    if scan.fractions:
        return f"has values that are not whole, such as {scan.fractions}"
    if scan.largest > MAX_COUNT:
        return f"has values up to {scan.largest:.4g}, too large for counts (at most {MAX_COUNT:,})"
    return None
