"""A linear support vector machine, one against the rest, on log1p of counts per 10,000.

C comes from three inner folds, on accuracy. Labels are the largest margin; probabilities are the
softmax of the margins, sharpened by one factor that is fitted on the margins of the inner folds.
"""

import warnings
from collections.abc import Callable

import numpy as np
from exchange import Fitted, Named, Problem, answer
from preparation import (
    Array,
    best_sharpness,
    in_columns,
    log_normalise,
    out_of_fold,
    seen_genes,
    with_genes,
)
from scipy import sparse
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

GRID = (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
# the margin of a type that an inner fold did not hold
NEVER = -10.0


def fit(problem: Problem) -> Fitted:
    """Choose C and fit on all training cells."""
    genes = seen_genes(problem.training.counts)
    expression, codes = log_normalise(problem.training)[:, genes], problem.codes
    n_types = len(problem.types)
    found = {
        c: out_of_fold(margins_by(expression, codes, n_types, c), codes, problem.seed) for c in GRID
    }
    accuracy = {
        c: float((margins.argmax(1) == truth).mean()) for c, (margins, truth) in found.items()
    }
    best = max(GRID, key=lambda c: accuracy[c])
    sharpness = best_sharpness(*found[best])
    model = fitted_svm(expression, codes, best)

    def name_cells() -> Named:
        test = log_normalise(with_genes(problem.test, problem.training.genes))[:, genes]
        margins = in_columns(
            two_columns(model.decision_function(test)), model.classes_, n_types, NEVER
        )
        return Named.best_of(problem.types, softmax(margins * sharpness, axis=1))

    chosen = {
        "C": best,
        "sharpness": sharpness,
        "inner_accuracy": accuracy[best],
        "n_genes": len(genes),
    }
    return Fitted(name_cells, chosen)


def margins_by(
    expression: sparse.csr_matrix, codes: Array, n_types: int, c: float
) -> Callable[[Array, Array], Array]:
    """Return a function from kept and apart rows to the margins of those apart."""

    def margins(kept: Array, apart: Array) -> Array:
        model = fitted_svm(expression[kept], codes[kept], c)
        found = two_columns(model.decision_function(expression[apart]))
        return in_columns(found, model.classes_, n_types, NEVER)

    return margins


def fitted_svm(expression: sparse.csr_matrix, codes: Array, c: float) -> LinearSVC:
    """Fit with the dual, as there are more genes than cells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LinearSVC(C=c, dual=True, max_iter=2000, random_state=0).fit(expression, codes)


def two_columns(margins: Array) -> Array:
    """Return margins with a column a type, where there are two types only as well."""
    return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins


if __name__ == "__main__":
    answer(fit, packages=("scikit-learn", "numpy", "scipy"))
