"""Multinomial logistic regression on log1p of counts per 10,000.

Genes that three training cells have, not scaled. C comes from three inner folds, on accuracy;
probabilities are sharpened by one factor on the logits, fitted on the probabilities of the inner
folds, as the C of the best accuracy need not be the one of the best probabilities.
"""

import warnings
from collections.abc import Callable

import numpy as np
from exchange import Fitted, Named, Problem, answer
from preparation import (
    MIN_PROBABILITY,
    Array,
    best_sharpness,
    in_columns,
    log_loss,
    log_normalise,
    out_of_fold,
    seen_genes,
    with_genes,
)
from scipy import sparse
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

GRID = (0.01, 0.1, 1.0, 10.0, 100.0)
# as many as scikit-learn takes by default
MAX_ITERATIONS = 100


def fit(problem: Problem) -> Fitted:
    """Choose C and fit on all training cells."""
    genes = seen_genes(problem.training.counts)
    expression, codes = log_normalise(problem.training)[:, genes], problem.codes
    n_types = len(problem.types)
    found = {
        c: out_of_fold(logits_by(expression, codes, n_types, c), codes, problem.seed) for c in GRID
    }
    inner = {c: quality(logits, truth) for c, (logits, truth) in found.items()}
    best = max(GRID, key=lambda c: inner[c])
    sharpness = best_sharpness(*found[best])
    model = fitted_regression(expression, codes, best)

    def name_cells() -> Named:
        test = log_normalise(with_genes(problem.test, problem.training.genes))[:, genes]
        logits = log_probabilities(model, test, n_types)
        return Named.best_of(problem.types, softmax(logits * sharpness, axis=1))

    chosen = {
        "C": best,
        "sharpness": sharpness,
        "inner_accuracy": {str(c): accuracy for c, (accuracy, _) in inner.items()},
        "n_genes": len(genes),
    }
    return Fitted(name_cells, chosen)


def logits_by(
    expression: sparse.csr_matrix, codes: Array, n_types: int, c: float
) -> Callable[[Array, Array], Array]:
    """Return a function from kept and apart rows to the log-probabilities of those apart."""

    def logits(kept: Array, apart: Array) -> Array:
        model = fitted_regression(expression[kept], codes[kept], c)
        return log_probabilities(model, expression[apart], n_types)

    return logits


def log_probabilities(
    model: LogisticRegression, expression: sparse.csr_matrix, n_types: int
) -> Array:
    """Return the log of the probabilities, with a column a type."""
    probabilities = in_columns(model.predict_proba(expression), model.classes_, n_types, 0.0)
    return np.log(np.maximum(probabilities, MIN_PROBABILITY))


def quality(logits: Array, codes: Array) -> tuple[float, float]:
    """Return the accuracy, and what decides between equals: the less log-loss, the better."""
    return float((logits.argmax(axis=1) == codes).mean()), -log_loss(codes, softmax(logits, axis=1))


def fitted_regression(expression: sparse.csr_matrix, codes: Array, c: float) -> LogisticRegression:
    """Fit by L-BFGS, which is multinomial."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(expression, codes)


if __name__ == "__main__":
    answer(fit, packages=("scikit-learn", "numpy", "scipy"))
