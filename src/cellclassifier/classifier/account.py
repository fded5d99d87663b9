"""What a model file says of its reference, and annotated cells of their model."""

from importlib.metadata import version
from typing import Any

import numpy as np

from cellclassifier.data import LabelledCounts
from cellclassifier.modelfile import Manifest


def describe_reference(cells: LabelledCounts) -> dict[str, Any]:
    """Return what later cells are compared with."""
    n_cells = np.bincount(cells.codes, minlength=len(cells.label_space)).tolist()
    return {
        "counts": cells.raw.evidence,
        "n_cells_per_type": dict(zip(cells.label_space.labels, n_cells, strict=True)),
        "n_cells_without_label": cells.n_unlabelled,
        "median_library_size": float(np.median(cells.raw.library_size)),
        "n_genes_measured": len(cells.raw.genes),
        "genes": str(cells.raw.genes.resolution),
        "species": cells.raw.genes.species,
    }


def describe_model(manifest: Manifest) -> dict[str, Any]:
    """Return what annotated cells keep of the model that named them."""
    return {
        "model_sha256": manifest.sha256 or "not saved",
        "network": manifest.network["name"],
        "version": version("cellclassifier"),
        "normalisation": manifest.normalisation.method,
        "counts_per_cell": manifest.normalisation.counts_per_cell,
        "n_genes": len(manifest.panel),
    }
