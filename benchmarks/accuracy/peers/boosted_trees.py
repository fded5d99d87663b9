"""LightGBM on log1p of counts per 10,000, on the genes that tell the types apart best.

2,000 genes by the F-test of an analysis of variance on training cells. The number of rounds comes
from early stopping on a seventh of the training cells; then all are fitted with as many.
"""

import lightgbm
import numpy as np
from exchange import Fitted, Named, Problem, answer
from preparation import Array, log_normalise, with_genes
from scipy import sparse
from sklearn.feature_selection import f_classif

N_GENES = 2000
MAX_ROUNDS, PATIENCE = 300, 15
# one cell in so many of a type is apart while rounds are counted
APART = 7
SETTINGS = {
    "objective": "multiclass",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 5,
    "feature_fraction": 0.1,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 63,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
}


def fit(problem: Problem) -> Fitted:
    """Choose genes and rounds, and fit on all training cells."""
    expression, codes = log_normalise(problem.training), problem.codes
    genes = most_telling(expression, codes)
    expression = expression[:, genes]
    settings = SETTINGS | {"num_class": len(problem.types), "seed": problem.seed}
    kept, apart = cut(codes, problem.seed)
    training = lightgbm.Dataset(expression[kept], codes[kept])
    watched = lightgbm.Dataset(expression[apart], codes[apart], reference=training)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    rounds = lightgbm.train(
        settings, training, MAX_ROUNDS, [watched], callbacks=[stop]
    ).best_iteration
    model = lightgbm.train(settings, lightgbm.Dataset(expression, codes), rounds)

    def name_cells() -> Named:
        test = log_normalise(with_genes(problem.test, problem.training.genes))[:, genes]
        return Named.best_of(problem.types, np.asarray(model.predict(test, num_threads=1)))

    return Fitted(name_cells, {"n_genes": len(genes), "rounds": rounds})


def most_telling(expression: sparse.csr_matrix, codes: Array) -> Array:
    """Return the columns of the genes with the largest F."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(f_classif(expression, codes)[0], nan=0.0, posinf=0.0)
    return np.sort(np.argsort(-ratio, kind="stable")[:N_GENES])


def cut(codes: Array, seed: int) -> tuple[Array, Array]:
    """Return the rows kept and apart, type by type."""
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(codes == code)) for code in np.unique(codes)]
    apart = np.concatenate([rows[: len(rows) // APART] for rows in parts])
    return np.setdiff1d(np.arange(len(codes)), apart), apart


if __name__ == "__main__":
    answer(fit, packages=("lightgbm", "scikit-learn", "numpy", "scipy"))
