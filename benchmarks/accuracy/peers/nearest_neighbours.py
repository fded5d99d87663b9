"""Nearest neighbours on 50 principal components of log1p of counts per 10,000.

The number of neighbours comes from three inner folds, on accuracy, within the components of all
training cells. Probabilities are the neighbours' shares.
"""

from collections.abc import Callable

from exchange import Fitted, Named, Problem, answer
from preparation import Array, in_columns, log_normalise, out_of_fold, seen_genes, with_genes
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

N_COMPONENTS = 50
GRID = (5, 15, 30)


def fit(problem: Problem) -> Fitted:
    """Choose the number of neighbours and keep all training cells."""
    genes = seen_genes(problem.training.counts)
    # centred without ever being dense
    components = PCA(N_COMPONENTS, svd_solver="arpack", random_state=problem.seed)
    places, codes = (
        components.fit_transform(log_normalise(problem.training)[:, genes]),
        problem.codes,
    )
    n_types = len(problem.types)

    def shares_by(n_neighbours: int) -> Callable[[Array, Array], Array]:
        def shares(kept: Array, apart: Array) -> Array:
            model = KNeighborsClassifier(n_neighbours).fit(places[kept], codes[kept])
            return in_columns(model.predict_proba(places[apart]), model.classes_, n_types, 0.0)

        return shares

    accuracy = {}
    for n_neighbours in GRID:
        found, truth = out_of_fold(shares_by(n_neighbours), codes, problem.seed)
        accuracy[n_neighbours] = float((found.argmax(axis=1) == truth).mean())
    best = max(GRID, key=lambda n_neighbours: accuracy[n_neighbours])
    model = KNeighborsClassifier(best).fit(places, codes)

    def name_cells() -> Named:
        test = log_normalise(with_genes(problem.test, problem.training.genes))[:, genes]
        shares = model.predict_proba(components.transform(test))
        return Named.best_of(problem.types, in_columns(shares, model.classes_, n_types, 0.0))

    return Fitted(name_cells, {"n_neighbours": best, "n_genes": len(genes)})


if __name__ == "__main__":
    answer(fit, packages=("scikit-learn", "numpy", "scipy"))
