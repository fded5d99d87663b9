"""scANVI on raw counts of 2,000 highly variable genes, as its tutorials label a query.

Reference and query are put together, the query's labels unknown, and scVI is trained on both, then
scANVI; so it has seen the query's counts, though no labels, when it is fitted. Across files the
query is a batch of its own.
"""

import warnings

import anndata
import numpy as np
import scanpy
import scvi
import torch
from exchange import Cells, Fitted, Named, Problem, answer
from preparation import log_normalise, with_genes

N_GENES = 2000
LABELS_KEY, BATCH_KEY, UNKNOWN = "cell_type", "batch", "Unknown"
EPOCHS = {"scvi": 80, "scanvi": 10}
BATCH_SIZE = 256
LAYERS, LATENT, SAMPLES_PER_LABEL = 2, 30, 100


def fit(problem: Problem) -> Fitted:
    """Train scVI and, from it, scANVI."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    scvi.settings.seed = problem.seed
    scvi.settings.verbosity = 40
    test = with_genes(problem.test, problem.training.genes)
    cells, is_query = together(problem, test)
    scvi.model.SCVI.setup_anndata(cells, batch_key=BATCH_KEY, labels_key=LABELS_KEY)
    quiet = {"enable_progress_bar": False, "accelerator": "cpu", "logger": False}
    encoder = scvi.model.SCVI(cells, n_layers=LAYERS, n_latent=LATENT)
    encoder.train(max_epochs=EPOCHS["scvi"], batch_size=BATCH_SIZE, **quiet)
    model = scvi.model.SCANVI.from_scvi_model(encoder, UNKNOWN)
    model.train(
        max_epochs=EPOCHS["scanvi"],
        n_samples_per_label=SAMPLES_PER_LABEL,
        batch_size=BATCH_SIZE,
        **quiet,
    )

    def name_cells() -> Named:
        table = model.predict(cells[is_query], soft=True)
        return Named.best_of(list(table.columns), table.to_numpy())

    return Fitted(name_cells, {"n_genes": cells.n_vars, "epochs": EPOCHS})


def together(problem: Problem, test: Cells) -> tuple[anndata.AnnData, np.ndarray]:
    """Return both sides on the variable genes of the reference, and which cells are the query."""
    reference, query = anndata.AnnData(problem.training.counts), anndata.AnnData(test.counts)
    variable = scanpy.AnnData(log_normalise(problem.training))
    scanpy.pp.highly_variable_genes(variable, n_top_genes=min(N_GENES, variable.n_vars))
    is_variable = variable.var["highly_variable"].to_numpy()
    cells = anndata.concat([reference[:, is_variable], query[:, is_variable]], index_unique="-")
    cells = cells[:, :].copy()
    is_query = np.arange(cells.n_obs) >= reference.n_obs
    cells.obs[LABELS_KEY] = [*problem.labels, *[UNKNOWN] * query.n_obs]
    is_batch = is_query & problem.settings["query_is_a_batch"]
    cells.obs[BATCH_KEY] = np.where(is_batch, "query", "reference")
    return cells, is_query


if __name__ == "__main__":
    answer(fit, packages=("scvi-tools", "torch", "numpy", "scipy"))
