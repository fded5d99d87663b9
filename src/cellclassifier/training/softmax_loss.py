"""The loss of multinomial logistic regression, from the sparse matrix."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import OptimizeResult, minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from cellclassifier.data.row_sources import row_blocks
from cellclassifier.networks import times_dense
from cellclassifier.training.examples import Examples

# corrections L-BFGS remembers: twice its usual number, for inputs of very unequal scales
MEMORY = 10

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]


class DenseWeights(NamedTuple):
    """Kernel, (n_inputs, n_types), and bias, (n_types,), of a dense layer."""

    kernel: Weights
    bias: Weights

    def __call__(self, inputs: sparse.csr_matrix) -> Weights:
        """Return the logits of inputs, (n_cells, n_inputs): (n_cells, n_types)."""
        return times_dense(inputs, self.kernel) + self.bias


@dataclass(frozen=True, eq=False)
class SoftmaxLoss:
    """Weighted cross-entropy plus penalty, and its gradient, of centred and scaled inputs.

    Centring happens on the way to the logits, so that the matrix stays sparse.

    Parameters
    ----------
    examples
        As they are.
    scaled
        Their expression times `scale`, (n_cells, n_genes), and its transpose.
    mean
        Of the scaled expression, (n_genes,).
    scale
        Of each gene, (n_genes,): the mean squared row of scaled and centred expression is one.
    n_types
        How many columns the kernel has.
    penalty
        On half the squared weights.
    n_threads
        As in `times_dense`.
    """

    examples: Examples
    scaled: tuple[sparse.csr_matrix, sparse.csr_matrix]
    mean: Weights
    scale: Weights
    n_types: int
    penalty: float
    n_threads: int | None = None

    @classmethod
    def of(
        cls,
        examples: Examples,
        n_types: int,
        penalty: float,
        *,
        gene_scaled: bool = False,
        n_threads: int | None = None,
    ) -> "SoftmaxLoss":
        """Scale the examples.

        Parameters
        ----------
        examples
            At least one.
        n_types, penalty, n_threads
            As above.
        gene_scaled
            Whether genes are divided by sqrt(1 + their mean square) first, so that the strong ones
            weigh less.
        """
        expression = replace(examples).expression  # which does not stay with the examples
        mean, square = _moments(expression)
        relative = 1 / np.sqrt(1 + square) if gene_scaled else np.ones(len(square))
        spread = float((np.maximum(square - mean**2, 0) * relative**2).sum())
        norm = np.sqrt(max(spread, float(np.finfo(np.float32).tiny)))
        scale = (relative / norm).astype(np.float32)
        values = scale[expression.indices]
        values *= expression.data
        scaled = sparse.csr_matrix(
            (values, expression.indices, expression.indptr), shape=expression.shape
        )
        del expression
        centre = (mean * scale).astype(np.float32)
        by_cell_and_gene = scaled, scaled.T.tocsr()
        return cls(examples, by_cell_and_gene, centre, scale, n_types, penalty, n_threads)

    @property
    def n_parameters(self) -> int:
        """The weights of kernel and bias together."""
        return (len(self.mean) + 1) * self.n_types

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """Return loss and gradient at parameters, (n_parameters,): the kernel, then the bias."""
        by_cell, by_gene = self.scaled
        kernel, bias = self.split(parameters)
        logits = self._times(by_cell, kernel) - self.mean @ kernel + bias
        log_probabilities = log_softmax(logits.astype(np.float64), axis=1)
        cells = np.arange(len(self.examples))
        weights = self.examples.cell_weights / self.examples.cell_weights.sum(dtype=np.float64)
        loss = -(weights * log_probabilities[cells, self.examples.codes]).sum()
        residuals = np.exp(log_probabilities)  # (n_cells, n_types)
        residuals[cells, self.examples.codes] -= 1
        residuals *= weights[:, None]
        total = residuals.sum(axis=0)
        slope = self.penalty * kernel.astype(np.float64) - np.outer(self.mean, total)
        slope += self._times(by_gene, residuals)
        value = float(loss + 0.5 * self.penalty * np.square(kernel, dtype=np.float64).sum())
        return value, np.concatenate([slope.ravel(), total])

    def _times(self, matrix: sparse.csr_matrix, dense: npt.NDArray[np.floating]) -> Weights:
        return times_dense(matrix, dense.astype(np.float32), n_threads=self.n_threads)

    def split(self, parameters: Floats) -> DenseWeights:
        """Return kernel and bias for scaled and centred expression."""
        kernel = parameters[: -self.n_types].reshape(-1, self.n_types).astype(np.float32)
        return DenseWeights(kernel, parameters[-self.n_types :].astype(np.float32))

    def weights(self, parameters: Floats) -> DenseWeights:
        """Return kernel and bias for expression as it is, centring and scaling folded in."""
        kernel, bias = self.split(parameters)
        return DenseWeights(kernel * self.scale[:, None], bias - self.mean @ kernel)

    def minimise(self, n_iterations: int, follow: Callable[[OptimizeResult], None]) -> Floats:
        """Descend from zero by L-BFGS (Liu & Nocedal 1989); return the last parameters.

        Parameters
        ----------
        n_iterations
            At most.
        follow
            Called after each iteration; StopIteration ends the descent.

        Call it within `one_blas_thread`.
        """
        end = minimize(
            self,
            np.zeros(self.n_parameters),
            jac=True,
            method="L-BFGS-B",
            callback=lambda intermediate_result: follow(intermediate_result),  # noqa: PLW0108  (SciPy looks at the name)
            options={"maxiter": n_iterations, "maxcor": MEMORY, "ftol": 0.0, "gtol": 1e-6},
        )
        parameters: Floats = end.x
        return parameters


def _moments(expression: sparse.csr_matrix) -> tuple[Floats, Floats]:
    """Return the mean of each gene and of its square, (n_genes,)."""
    n_cells, n_genes = expression.shape
    total, squares = np.zeros(n_genes), np.zeros(n_genes)
    for block in row_blocks(n_cells):
        own = slice(expression.indptr[block.start], expression.indptr[block.stop])
        values, genes = expression.data[own].astype(np.float64), expression.indices[own]
        total += np.bincount(genes, values, n_genes)
        squares += np.bincount(genes, np.square(values), n_genes)
    return total / n_cells, squares / n_cells


def one_blas_thread() -> threadpool_limits:
    """Return a context in which short sums stay on one thread.

    Those of a descent are short: threads would only wait for each other, and long where the
    machine is busy.
    """
    return threadpool_limits(1, user_api="blas")
