"""What stands in for genes that were not measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.row_sources import Expression, RowSource, gene_means

# no library is taken for more than ten times as large as what was measured of it
MAX_MISSING_SHARE = 0.9
N_AXES = 25
# more than any reference needs, and few enough to solve for
MAX_AXES = 256
# axes come from a sample where there are more cells than this
MAX_CELLS = 20_000
# in units of expression squared: a gene that the axes explain in full still has some noise
MIN_NOISE = 1e-6
# what the arrays of a file may hold: within it no number of theirs can overflow
RANGES = MappingProxyType(
    {
        "mean": (0, 1e3),
        "share": (0, 1),
        "axes": (-1.001, 1.001),
        "variances": (MIN_NOISE, 1e9),
        "noise": (MIN_NOISE, 1e9),
    }
)

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class StandIn:
    """What stands in for the genes of a panel that were not measured, cell by cell.

    A cell's `scores` on the axes are estimated from its measured genes,
    ``(expression - mean) @ to_scores``, and a missing gene gets ``mean + scores @ axes``.

    Parameters
    ----------
    measured
        Shape (n_panel,): which genes were measured.
    mean
        Shape (n_panel,), float32: the mean expression of all genes.
    to_scores
        Shape (n_panel, n_axes), float32; zero rows for missing genes.
    axes
        Shape (n_axes, n_panel), float32, of all genes.

    Examples
    --------
    >>> one, twins = np.float32([[1], [0]]), np.float32([[1, 1]])
    >>> twins = StandIn(np.array([True, False]), np.float32([1, 1]), one, twins)
    >>> twins.fill(sparse.csr_matrix(np.float32([[3, 0]]))).tolist()
    [[3.0, 3.0]]
    """

    measured: Bools
    mean: Floats
    to_scores: Floats
    axes: Floats

    def fill(self, expression: sparse.csr_matrix) -> Floats:
        """Return expression with what stands in, dense, (n_cells, n_panel), float32.

        Parameters
        ----------
        expression
            Shape (n_cells, n_panel), CSR, float32; zero where a gene was not measured.
        """
        filled: Floats = expression.toarray() + self.missing_part(expression)
        return filled

    def missing_part(self, expression: sparse.csr_matrix) -> Floats:
        """Return what `fill` adds: (n_cells, n_panel), float32, zero where a gene was measured."""
        scores = expression @ self.to_scores - self.mean @ self.to_scores  # (n_cells, n_axes)
        part: Floats = self._missing_mean + scores @ self._missing_axes
        return part

    @cached_property
    def _missing_mean(self) -> Floats:
        return np.where(self.measured, np.float32(0), self.mean)

    @cached_property
    def _missing_axes(self) -> Floats:
        return np.where(self.measured, np.float32(0), self.axes)


@dataclass(frozen=True, eq=False)
class GeneFactors:
    """A factor model of the training cells' expression: what each gene says of the others.

    A gene that was not measured is not a gene with no counts: a network that was trained with it
    takes the zero for evidence. Its mean given the measured genes is what they say, and no more.
    The model is probabilistic principal components (Tipping & Bishop 1999) with a noise of each
    gene's own: expression = mean + scores @ axes + noise.

    Parameters
    ----------
    mean
        Shape (n_panel,), float32: the mean of the normalised values.
    share
        Shape (n_panel,), float32: the mean share of a cell's counts, in [0, 1].
    axes
        Shape (n_axes, n_panel), float32: orthonormal rows. With no axes, missing genes get their
        mean.
    variances
        Shape (n_axes,), float32: of the scores, positive.
    noise
        Shape (n_panel,), float32: the variance of each gene that the axes leave over, positive.

    Examples
    --------
    >>> factors = GeneFactors.of_means(np.float32([0.5, 2.0]), np.float32([0.1, 0.25]))
    >>> factors.stand_in(np.array([True, False])).mean.tolist()
    [0.5, 2.0]
    >>> factors.library_factor(np.array([True, False]))
    1.333...
    """

    mean: Floats
    share: Floats
    axes: Floats
    variances: Floats
    noise: Floats

    @classmethod
    def of(
        cls,
        counts: RowSource,
        library_size: npt.NDArray[np.float64],
        expression: Expression,
        seed: int = 0,
    ) -> "GeneFactors":
        """Fit the model to cells.

        Parameters
        ----------
        counts
            Raw counts of the panel's genes, (n_cells, n_panel).
        library_size
            Shape (n_cells,), over all genes measured.
        expression
            What a network sees of the cells, (n_cells, n_panel), float32.
        seed
            Of the sample that the axes come from, where there are many cells.

        Examples
        --------
        >>> counts = sparse.csr_matrix(np.float32([[0, 0, 2], [4, 4, 2], [8, 8, 2]]))
        >>> factors = GeneFactors.of(counts, np.array([8.0, 16, 24]), counts)
        >>> factors.axes.shape, factors.variances.round(3).tolist()
        ((1, 3), [32.0])
        """
        axes, variances, noise = _fit(_sample(expression, seed))
        per_cell = 1 / np.maximum(library_size, 1.0)
        return cls(
            gene_means(expression).astype(np.float32),
            gene_means(counts, per_cell).astype(np.float32),
            axes,
            variances,
            noise,
        )

    @classmethod
    def of_means(cls, mean: Floats, share: Floats) -> "GeneFactors":
        """Return a model without axes: each missing gene gets its mean, both (n_panel,).

        >>> GeneFactors.of_means(np.float32([0.5, 2.0]), np.float32([0.1, 0.25])).axes.shape
        (0, 2)
        """
        n_genes, no_axes = len(mean), np.empty(0, dtype=np.float32)
        # without axes no number depends on the noise
        return cls(mean, share, no_axes.reshape(0, n_genes), no_axes, np.ones_like(mean))

    def library_factor(self, measured: Bools) -> float:
        """Return by how much a library is larger than the sum of its measured genes, (n_panel,)."""
        missing = float(self.share[~measured].sum(dtype=np.float64))
        return 1 / (1 - min(missing, MAX_MISSING_SHARE))

    def scores_from(self, measured: Bools) -> Floats:
        """Return what turns expression less its mean into scores, (n_panel, n_axes), float32.

        These are the scores' means given the measured genes (Tipping & Bishop 1999, section 3.3);
        the rows of genes that were not measured, (n_panel,), are zero.

        >>> pair = GeneFactors(*map(np.float32, ([0, 0], [0, 0], [[0.6, 0.8]], [3], [1, 1])))
        >>> pair.scores_from(np.array([True, False])).round(3).tolist()  # 3 x 0.6 / (3 x 0.36 + 1)
        [[0.8650...], [0.0]]
        """
        spread = np.sqrt(self.variances.astype(np.float64))[:, None]
        weight = np.where(measured, 1 / np.sqrt(self.noise.astype(np.float64)), 0.0)
        signal = spread * self.axes * weight  # (n_axes, n_panel), in units of the noise
        # one added to eigenvalues from 0 on: there is always a solution
        values, vectors = np.linalg.eigh(signal @ signal.T)
        posterior = vectors / (1 + np.maximum(values, 0)) @ vectors.T
        scores: Floats = ((spread * (posterior @ signal)) * weight).T.astype(np.float32)
        return scores

    def stand_in(self, measured: Bools) -> StandIn | None:
        """Return what stands in where only some genes, (n_panel,), were measured; None for all."""
        if measured.all():
            return None
        return StandIn(measured, self.mean, self.scores_from(measured), self.axes)

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the fields by name, for the model's file.

        >>> list(GeneFactors.of_means(np.float32([1]), np.float32([1])).to_arrays())
        ['mean', 'share', 'axes', 'variances', 'noise']
        """
        return {
            "mean": self.mean,
            "share": self.share,
            "axes": self.axes,
            "variances": self.variances,
            "noise": self.noise,
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], *, n_genes: int
    ) -> "GeneFactors":
        """Read what `to_arrays` returned, trusting nothing in it.

        Raises
        ------
        ValueError
            An array is missing, or of another shape, type or range than it should have.

        Examples
        --------
        >>> factors = GeneFactors.of_means(np.float32([1]), np.float32([2]))
        >>> GeneFactors.from_arrays(factors.to_arrays(), n_genes=1)
        Traceback (most recent call last):
        ...
        ValueError: 'share' does not lie in [0, 1]
        """
        n_axes = len(arrays["variances"]) if np.ndim(arrays.get("variances", 0)) else 0
        if n_axes > MAX_AXES:
            raise ValueError(f"{n_axes} axes, and at most {MAX_AXES} are read")
        shapes = {
            "variances": (n_axes,),
            "axes": (n_axes, n_genes),
            "mean": (n_genes,),
            "share": (n_genes,),
            "noise": (n_genes,),
        }
        factors = cls(**{name: _checked(arrays, name, shape) for name, shape in shapes.items()})
        for name, (low, high) in RANGES.items():
            values = getattr(factors, name)
            if np.any(values < np.float32(low)) or np.any(values > np.float32(high)):
                raise ValueError(f"'{name}' does not lie in [{low:g}, {high:g}]")
        return factors


def _sample(expression: Expression, seed: int) -> sparse.csr_matrix:
    n_cells = expression.shape[0]
    if n_cells <= MAX_CELLS:
        return expression[:]
    return expression[np.sort(np.random.default_rng(seed).permutation(n_cells)[:MAX_CELLS])]


def _fit(expression: sparse.csr_matrix) -> tuple[Floats, Floats, Floats]:
    """Return axes, variances of the scores, and the noise that is left of each gene."""
    spread = _gene_variances(expression)
    axes, variances = _principal(expression, float(spread.max()))
    noise = np.maximum(spread - variances @ axes**2, MIN_NOISE)
    return axes.astype(np.float32), variances.astype(np.float32), noise.astype(np.float32)


def principal_axes(expression: sparse.csr_matrix) -> Floats:
    """Return the axes that `GeneFactors` has of these cells, (n_axes, n_panel), float32.

    >>> axes = principal_axes(sparse.csr_matrix(np.float32([[0, 0], [3, 4], [6, 8]])))
    >>> axes.astype(float).round(3).tolist()
    [[0.6, 0.8]]
    """
    axes, _ = _principal(expression, float(_gene_variances(expression).max()))
    return axes.astype(np.float32)


def _principal(
    expression: sparse.csr_matrix, largest: float
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Return principal axes, and the variances of the scores; none where no gene varies."""
    n_cells, n_genes = expression.shape
    n_axes = min(N_AXES, n_cells - 1, n_genes - 1)
    if n_axes < 1 or largest <= MIN_NOISE:
        return np.empty((0, n_genes)), np.empty(0)
    # the state is where the iteration starts, and not what it ends with
    # here, since it is for training alone, and takes longer to import than a model to read
    from sklearn.decomposition import PCA

    fitted = PCA(n_axes, svd_solver="arpack", random_state=0).fit(expression)
    kept = fitted.explained_variance_ > MIN_NOISE
    return fitted.components_[kept], fitted.explained_variance_[kept]


def _gene_variances(expression: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    """Return the unbiased variance of each gene, (n_genes,); zero for a single cell."""
    n_cells, n_genes = expression.shape
    values = expression.data.astype(np.float64)
    sums, squares = (
        np.bincount(expression.indices, weights=weights, minlength=n_genes)
        for weights in (values, values**2)
    )
    return np.maximum(squares - sums**2 / n_cells, 0) / max(n_cells - 1, 1)


def _checked(
    arrays: Mapping[str, npt.NDArray[np.generic]], name: str, shape: tuple[int, ...]
) -> Floats:
    if name not in arrays:
        raise ValueError(f"'{name}' is missing")
    values = np.asarray(arrays[name])
    if values.dtype != np.float32 or values.shape != shape:
        raise ValueError(
            f"'{name}' is {values.dtype} of shape {values.shape}, not float32 of shape {shape}"
        )
    if not np.all(np.isfinite(values)):
        raise ValueError(f"'{name}' is not finite")
    return values.astype(np.float32, copy=False)
