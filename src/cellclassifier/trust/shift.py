"""How far cells are from the training cells, told without their labels.

Between laboratories and protocols, totals of genes over many cells differ by factors that a
network has not seen. What is measured here is the spread of these factors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import brentq

from cellclassifier.trust.type_totals import TypeTotals
from cellclassifier.trust.unexpected import PSEUDO_COUNT

# the genes of highest expectation say the most, and say enough
MAX_GENES = 500
MIN_GENES = 30
# below, the logarithm of a total is mostly noise
MIN_EXPECTED = 5.0
# of the query, and of a type that is looked at by itself
MIN_CELLS = 20
# of the query's cells, in the types that are looked at by themselves, for these to count
MIN_SHARE = 0.5
# Noise that many genes share, which no gene by itself shows: over n held-out cells of five sets,
# 20 to 300 at a time and a tenth under a wrong label, about 0.2 / n; twice that is taken off.
STATE_VARIANCE = 0.4
# the median of the absolute value of a standard normal variable
NORMAL_MAD = 0.6744897501960817

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class TypeProfiles:
    """Summed counts of each type's training cells.

    Parameters
    ----------
    counts
        Shape (n_types, n_panel), float32: the counts of each gene, summed over the type's cells.
    library
        Shape (n_types,), float64: their library sizes, summed; 0 for a type without cells.

    Examples
    --------
    >>> counts = sparse.csr_matrix(np.float32([[1, 0], [2, 3], [0, 4]]))
    >>> profiles = TypeProfiles.of(counts, np.array([10.0, 10.0, 5.0]), np.array([0, 0, 1]), 2)
    >>> profiles.counts.tolist(), profiles.library.tolist()
    ([[3.0, 3.0], [0.0, 4.0]], [20.0, 5.0])
    """

    counts: npt.NDArray[np.float32]
    library: Floats

    @classmethod
    def of(
        cls,
        counts: sparse.csr_matrix,
        library_size: npt.NDArray[np.floating],
        codes: Codes,
        n_types: int,
    ) -> "TypeProfiles":
        """Sum the training cells, type by type.

        Parameters
        ----------
        counts
            Raw counts of the panel's genes, (n_cells, n_panel), CSR.
        library_size
            Shape (n_cells,): counts over all genes measured.
        codes
            The type of each cell, shape (n_cells,), from 0 to `n_types` - 1.
        n_types
            The number of types, those without cells included.

        Raises
        ------
        ValueError
            The cells' counts, library sizes and types do not fit one another.
        """
        _check_cells(counts, library_size, codes, n_types)
        totals = TypeTotals.empty(n_types, counts.shape[1])
        totals.add(counts, library_size, codes)
        return cls(totals.counts.astype(np.float32), totals.library)

    @classmethod
    def of_rates(cls, rates: npt.NDArray[np.floating], library: Floats) -> "TypeProfiles":
        """Return what types whose shares are known must have summed up to.

        Parameters
        ----------
        rates
            Shape (n_types, n_panel), as of `TypeRates`: half a count was added to each total.
        library
            Shape (n_types,): the library sizes of each type's cells, summed, or about as much; no
            more than the allowance for noise hangs on it.

        Examples
        --------
        >>> rates = np.float32([[0.35, 0.15], [0.0, 0.0]])
        >>> profiles = TypeProfiles.of_rates(rates, np.array([10.0, 90.0]))
        >>> profiles.counts.tolist(), profiles.library.tolist()
        ([[3.0, 1.0], [0.0, 0.0]], [10.0, 0.0])
        """
        # a type of few cells has no rates
        library = np.where(rates.any(axis=1), library, 0.0)
        counts = np.maximum(rates * library[:, None] - PSEUDO_COUNT, 0.0)
        return cls(counts.astype(np.float32), library)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether training cells had a count at all, type by type, (n_types,)."""
        return self.library >= 1

    @property
    def shares(self) -> Floats:
        """The share of each gene in its type's counts, (n_types, n_panel), in [0, 1]."""
        shares = np.zeros(self.counts.shape)
        known = np.broadcast_to(self.known[:, None], shares.shape)
        np.divide(self.counts, self.library[:, None], out=shares, where=known)
        return np.minimum(shares, 1.0)

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return what a file has to hold: ``counts``, float32, and ``library``, float64.

        Examples
        --------
        >>> profiles = TypeProfiles(np.float32([[3, 1]]), np.array([9.0]))
        >>> again = TypeProfiles.from_arrays(profiles.to_arrays(), n_types=1, n_genes=2)
        >>> again.counts.tolist(), again.library.tolist()
        ([[3.0, 1.0]], [9.0])
        """
        return {"counts": self.counts, "library": self.library}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], n_types: int, n_genes: int
    ) -> "TypeProfiles":
        """Take what `to_arrays` gave, trusting nothing in it.

        Raises
        ------
        ValueError
            An array is not there, not of the shape or dtype of `to_arrays`, or holds values that
            are negative or not finite.
        """
        return cls(
            _checked(arrays, "counts", np.float32, (n_types, n_genes)),
            _checked(arrays, "library", np.float64, (n_types,)),
        )


def profile_shift(
    profiles: TypeProfiles,
    counts: sparse.csr_matrix,
    library_size: npt.NDArray[np.floating],
    predicted_codes: Codes,
    measured: npt.NDArray[np.bool_] | None = None,
) -> float:
    """Return by how much genes' totals differ from the training cells', beyond sampling noise.

    The total of each gene is compared with what the profiles of the predicted types lead to
    expect, log(observed / expected), less the median over the genes, so that depth does not
    matter. The result is the standard deviation that the factors of the genes must have had for
    the ratios to be as spread as they are, from their median absolute deviation: robust to
    genes that only a state of the cells explains. It is 0 where noise explains the spread.

    The noise is Poisson's, of the query's total and of the profile's, and that of cells which
    differ within their type, as the query's own do: variance = mean + dispersion x mean^2. Noise
    that genes have in common is taken off the square: 0.4 / (the number of cells of equal
    library size whose total would be as uncertain).

    Taken are the 500 measured genes of highest expectation, of 5 expected counts or more. The
    result is the smaller of the value for all cells and, where types of 20 predicted cells or
    more hold half of the cells, the median of these types' own values: cells of a foreign type,
    or a composition that is predicted wrong, move the first and not the second.

    Our own measurement, from 50 cells on: 0 to 0.1 in held-out cells of the same experiment, 0.1
    to 0.3 in other selections by the same protocol, 0.2 to 0.7 in other laboratories' cells.

    Parameters
    ----------
    profiles
        Of the training cells.
    counts
        Raw counts of the panel's genes, (n_cells, n_panel), CSR.
    library_size
        Shape (n_cells,): counts over all genes measured.
    predicted_codes
        The type that is predicted for each cell, shape (n_cells,).
    measured
        Shape (n_panel,): whether a gene was measured; None for all.

    Returns
    -------
    float
        A standard deviation of natural logarithms, 0 or more, always finite. 0 too, for want of
        evidence, where there are fewer than 20 cells or fewer than 30 such genes.

    Raises
    ------
    ValueError
        The arrays do not fit one another.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shares = rng.dirichlet(np.ones(200))
    >>> training = sparse.csr_matrix(rng.multinomial(2000, shares, size=300))
    >>> library, codes = np.full(300, 2000.0), np.zeros(300, dtype=int)
    >>> profiles = TypeProfiles.of(training, library, codes, n_types=1)
    >>> query = sparse.csr_matrix(rng.multinomial(2000, shares, size=300))
    >>> profile_shift(profiles, query, library, codes) < 0.05
    True
    >>> other = shares * rng.lognormal(0.0, 0.5, size=200)
    >>> query = sparse.csr_matrix(rng.multinomial(2000, other / other.sum(), size=300))
    >>> 0.4 < profile_shift(profiles, query, library, codes) < 0.6
    True
    """
    return find_shift(profiles, counts, library_size, predicted_codes, measured) or 0.0


def find_shift(
    profiles: TypeProfiles,
    counts: sparse.csr_matrix,
    library_size: npt.NDArray[np.floating],
    predicted_codes: Codes,
    measured: npt.NDArray[np.bool_] | None = None,
) -> float | None:
    """Return what `profile_shift` does, and None where that is 0 for want of evidence."""
    n_types, n_panel = profiles.counts.shape
    _check_cells(counts, library_size, predicted_codes, n_types)
    measured = np.ones(n_panel, dtype=bool) if measured is None else np.asarray(measured)
    if counts.shape[1] != n_panel or measured.shape != (n_panel,):
        raise ValueError(
            f"the profiles are of {n_panel} genes, the counts of {counts.shape[1]}, and "
            f"{measured.shape} say which were measured"
        )
    sums = TypeTotals.empty(n_types, n_panel)
    sums.add(counts, library_size, predicted_codes)
    return _Totals(profiles, sums, _dispersion(sums), measured).shift()


def _dispersion(sums: TypeTotals) -> Floats:
    """Return the squared coefficient of variation that cells of a type have, gene by gene.

    By moments, over the types of two cells or more, around each type's own mean; (n_panel,).
    A third too low where no type has more than two.
    """
    some = (sums.n_cells > 1) & (sums.library > 0)
    n_cells, library = sums.n_cells[some, None], sums.library[some, None]
    squares = sums.library_squares[some, None]
    share = sums.counts[some] / library
    residual = sums.squares[some] - 2 * share * sums.products[some] + share**2 * squares
    beyond = (residual * n_cells / (n_cells - 1) - sums.counts[some]).sum(axis=0)
    mean_squares = (share**2 * squares).sum(axis=0)
    dispersion = np.zeros(beyond.shape)
    np.divide(beyond, mean_squares, out=dispersion, where=mean_squares > 0)
    return np.maximum(dispersion, 0.0)


@dataclass(frozen=True, eq=False)
class _Totals:
    """The query's totals beside those expected; `dispersion` and `measured` are (n_panel,)."""

    profiles: TypeProfiles
    sums: TypeTotals
    dispersion: Floats
    measured: npt.NDArray[np.bool_]

    @cached_property
    def shares(self) -> Floats:
        return self.profiles.shares

    def shift(self) -> float | None:
        """Return the smaller of the shift of all cells and the median of the large types' own.

        None where too few cells or genes tell it.
        """
        n_cells = self.sums.n_cells
        types = np.flatnonzero(self.profiles.known & (self.sums.library > 0))
        if n_cells[types].sum() < MIN_CELLS:
            return None
        alone = [
            (code, self._shift_of(np.array([code]))) for code in types if n_cells[code] >= MIN_CELLS
        ]
        seen = {code: shift for code, shift in alone if shift is not None}
        together = self._shift_of(types)
        found = [] if together is None else [together]
        if seen and n_cells[list(seen)].sum() >= MIN_SHARE * n_cells[types].sum():
            found.append(float(np.median(list(seen.values()))))
        if not found:
            return None
        n_equal = self.sums.library[types].sum() ** 2 / self.sums.library_squares[types].sum()
        beyond_states = min(found) ** 2 - STATE_VARIANCE / n_equal
        return float(np.sqrt(max(beyond_states, 0.0)))

    def _shift_of(self, types: npt.NDArray[np.integer]) -> float | None:
        """Return the shift of the cells of some types, or None where too few genes tell it."""
        shares, library = self.shares[types], self.sums.library[types, None]
        expected = np.where(self.measured, (shares * library).sum(axis=0), 0.0)
        genes = np.argsort(-expected, kind="stable")[:MAX_GENES]
        genes = genes[expected[genes] >= MIN_EXPECTED]
        if len(genes) < MIN_GENES:
            return None
        expected, shares = expected[genes], shares[:, genes]
        observed = self.sums.counts[np.ix_(types, genes)].sum(axis=0)
        squares = (shares**2 * self.sums.library_squares[types, None]).sum(axis=0)
        over_poisson = 1 + self.dispersion[genes] * squares / expected
        # of a profile's Poisson total, brought to the library of the query
        scale = library / self.profiles.library[types, None]
        of_profile = (shares * library * scale).sum(axis=0) / expected**2
        # observed and expected are two estimates of one mean; the larger is not next to zero
        noise = over_poisson * (1 / np.maximum(observed, expected) + of_profile)
        ratios = np.log(np.maximum(observed, 0.5) / expected)
        return _excess_spread(ratios - np.median(ratios), noise)


def _excess_spread(values: Floats, noise: Floats) -> float:
    """Return the s for which values / sqrt(s^2 + noise) are as spread as a standard normal.

    By the median of absolute values; `noise` is the variance of each value; both (n_values,).
    """
    sizes = np.abs(values)

    def excess(spread: float) -> float:
        return float(np.median(sizes / np.sqrt(spread**2 + noise)) - NORMAL_MAD)

    if excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, sizes.max() / NORMAL_MAD, xtol=1e-6))


def _check_cells(
    counts: sparse.csr_matrix,
    library_size: npt.NDArray[np.floating],
    codes: Codes,
    n_types: int,
) -> None:
    n_cells = counts.shape[0]
    if library_size.shape != (n_cells,) or codes.shape != (n_cells,):
        raise ValueError(
            f"{n_cells} cells need as many library sizes and types, not {library_size.shape} and "
            f"{codes.shape}"
        )
    if n_cells and (codes.min() < 0 or codes.max() >= n_types):
        raise ValueError(
            f"types are numbered from 0 to {n_types - 1}, not from {codes.min()} to {codes.max()}"
        )


def _checked(
    arrays: Mapping[str, npt.NDArray[np.generic]],
    name: str,
    dtype: type[np.floating],
    shape: tuple[int, ...],
) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] | None = arrays.get(name)
    if values is None:
        raise ValueError(f"the profiles have no array '{name}', but {sorted(arrays)}")
    if values.dtype != dtype or values.shape != shape:
        raise ValueError(
            f"the profiles' '{name}' is {values.dtype} of the shape {values.shape}, where "
            f"{np.dtype(dtype)} of the shape {shape} is needed"
        )
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        raise ValueError(f"the profiles' '{name}' holds values that are negative or not finite")
    return values
