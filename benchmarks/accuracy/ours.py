"""The project's own classifier on a problem in a folder, in a process of its own."""

import anndata as ad
import numpy as np
import pandas as pd
from exchange import Cells, Fitted, Named, Problem, answer

import cellclassifier as cc

LABELS_KEY, LIBRARY_SIZE_KEY = "cell_type", "n_counts_all_genes"


def fit(problem: Problem) -> Fitted:
    """Fit what the settings name, with all else as it comes."""
    classifier = cc.CellTypeClassifier(**problem.settings, seed=problem.seed)
    size_key = None if problem.training.library_sizes is None else LIBRARY_SIZE_KEY
    reference = as_anndata(problem.training)
    classifier.fit(reference, labels_key=LABELS_KEY, library_size_key=size_key)

    def name_cells() -> Named:
        found = classifier.classify(as_anndata(problem.test), library_size_key=size_key)
        return Named.best_of(found.label_space.labels, found.probabilities)

    manifest = classifier.manifest_
    chosen = {
        "n_genes": len(manifest.panel),
        "network": manifest.network,
        "normalisation": manifest.normalisation.to_json(),
        "training": manifest.training["config"],
        "backend": manifest.versions["backend"],
    }
    return Fitted(name_cells, chosen)


def as_anndata(cells: Cells) -> ad.AnnData:
    """Return raw counts, with labels and library sizes where they are known."""
    obs = pd.DataFrame(index=np.arange(cells.counts.shape[0]).astype(str))
    if cells.labels is not None:
        obs[LABELS_KEY] = cells.labels.astype(object)
    if cells.library_sizes is not None:
        obs[LIBRARY_SIZE_KEY] = cells.library_sizes
    var = pd.DataFrame(index=pd.Index(cells.genes.astype(object)))
    return ad.AnnData(cells.counts, obs=obs, var=var)


if __name__ == "__main__":
    answer(fit, packages=("cellclassifier", "keras", "jax", "numpy", "scipy", "anndata"))
