"""SingleR, by its Python bindings, on log1p of counts per 10,000.

It gives correlations with each type and a label, which is found by fine-tuning and need not have
the largest correlation; there are no probabilities. What stands for them are the correlations
divided by their sum.
"""

import numpy as np
import singler
from exchange import Fitted, Named, Problem, answer
from preparation import log_normalise, with_genes
from scipy import sparse


def fit(problem: Problem) -> Fitted:
    """Find marker genes and index the reference."""
    genes = [str(gene) for gene in problem.training.genes]
    reference = log_normalise(problem.training).T
    built = singler.train_single(
        sparse.csc_matrix(reference),
        [str(label) for label in problem.labels],
        genes,
        num_threads=1,
        **problem.settings,
    )

    def name_cells() -> Named:
        test = log_normalise(with_genes(problem.test, problem.training.genes)).T
        found = singler.classify_single(sparse.csc_matrix(test), built, num_threads=1)
        types = [str(label) for label in built.labels]
        scores = found.column("scores")
        correlations = np.column_stack([scores.column(name) for name in types])
        named = Named.best_of(types, np.clip(correlations, 0, None))
        return Named(named.types, named.probabilities, np.array(found.column("best"), dtype=str))

    return Fitted(name_cells, {"n_markers": built.num_markers()})


if __name__ == "__main__":
    answer(fit, packages=("singler", "scranpy", "numpy", "scipy"))
