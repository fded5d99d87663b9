"""Makes the golden model file of the current format.

    python make_model.py

A model file of each past format stays here for good, `format_N.keras`, with cells and what the
model said of them in `format_N.npz`: later versions have to read it and say the same.
"""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

import cellclassifier as cc
from cellclassifier.modelfile import FORMAT

FOLDER = Path(__file__).parent
# real ids and symbols, as a panel has them; one gene without either table's knowledge
GENES = {
    "CD3D": "ENSG00000167286", "CD3E": "ENSG00000198851", "MS4A1": "ENSG00000156738",
    "CD79A": "ENSG00000105369", "ACTB": "ENSG00000075624", "of no name": "",
}  # fmt: skip
N_CELLS = 90


def main() -> None:
    """Train on two types, and write model, cells and probabilities."""
    rng = np.random.default_rng(0)
    means = np.repeat([[6, 5, 0.1, 0.1, 4, 2], [0.1, 0.1, 6, 5, 4, 2]], N_CELLS, axis=0)
    counts = rng.poisson(means).astype(np.float32)
    var = pd.DataFrame({"gene_symbol": list(GENES), "ensembl_id": list(GENES.values())})
    reference = ad.AnnData(
        counts,
        obs=pd.DataFrame({"cell_type": ["T"] * N_CELLS + ["B"] * N_CELLS}).set_axis(
            [f"cell{number}" for number in range(2 * N_CELLS)]
        ),
        var=var.set_axis(list(GENES)),
    )
    # a file of some 100 kB
    classifier = cc.CellTypeClassifier(genes="all", network_options={"hidden": (16,)})
    classifier.fit(reference, labels_key="cell_type")
    classifier.save(FOLDER / f"format_{FORMAT}.keras")
    named = classifier.classify(reference)
    np.savez_compressed(
        FOLDER / f"format_{FORMAT}.npz",
        counts=counts,
        genes=np.array(list(GENES)),
        probabilities=named.probabilities,
        sets=named.trust.sets,
        novelty=named.trust.novelty,
        status=named.trust.status,
    )


if __name__ == "__main__":
    main()
