"""CellTypist, as its documentation trains a model, with or without its selection of genes.

Its check of the input is off, as counts per 10,000 over all genes do not sum to 10,000 over the
genes that two files share. Genes that the test cells lack are left to CellTypist, which leaves
them out. Probabilities are its own, one sigmoid a type, divided by their sum.
"""

import celltypist
from anndata import AnnData
from celltypist.classifier import Classifier
from exchange import Cells, Fitted, Named, Problem, answer
from preparation import log_normalise


def fit(problem: Problem) -> Fitted:
    """Train with the settings that CellTypist has."""
    celltypist.logger.set_level(40)
    model = celltypist.train(
        as_anndata(problem.training),
        labels=problem.labels,
        check_expression=False,
        n_jobs=1,
        feature_selection=problem.settings["feature_selection"],
    )

    def name_cells() -> Named:
        found = Classifier(as_anndata(problem.test), model).celltype()
        table = found.probability_matrix
        named = Named.best_of(list(table.columns), table.to_numpy())
        predicted = found.predicted_labels["predicted_labels"].to_numpy().astype(str)
        return Named(named.types, named.probabilities, predicted)

    return Fitted(name_cells, {"n_genes": len(model.classifier.features), "C": 1.0})


def as_anndata(cells: Cells) -> AnnData:
    """Return log1p of counts per 10,000 as an AnnData."""
    made = AnnData(log_normalise(cells))
    made.var_names = cells.genes
    return made


if __name__ == "__main__":
    answer(fit, packages=("celltypist", "scikit-learn", "numpy", "scipy"))
