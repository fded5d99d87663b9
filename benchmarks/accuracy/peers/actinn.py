"""actinn-jax, trained on the reference's raw counts with the settings that it comes with."""

import os

# before JAX is imported; the harness bounds the process to its cores as well
os.environ["JAX_PLATFORMS"] = "cpu"

import actinn_jax
from anndata import AnnData
from exchange import Cells, Fitted, Named, Problem, answer
from preparation import with_genes

LABELS_KEY = "cell_type"


def fit(problem: Problem) -> Fitted:
    """Train the perceptron."""
    standardize = problem.settings["standardize"]
    reference = as_anndata(problem.training)
    reference.obs[LABELS_KEY] = problem.labels
    model = actinn_jax.train_reference(
        reference, LABELS_KEY, seed=problem.seed, print_cost=False, standardize=standardize
    )

    def name_cells() -> Named:
        test = as_anndata(with_genes(problem.test, problem.training.genes))
        return Named.best_of(model.classes, model.predict_proba(test))

    return Fitted(name_cells, {"n_genes": len(model.select_idx)})


def as_anndata(cells: Cells) -> AnnData:
    """Return raw counts as an AnnData."""
    made = AnnData(cells.counts)
    made.var_names = cells.genes
    return made


if __name__ == "__main__":
    answer(fit, packages=("actinn-jax", "jax", "numpy", "scipy"))
