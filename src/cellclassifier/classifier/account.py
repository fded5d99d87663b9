"""What a model file says of its reference."""

from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt

from cellclassifier.data import RawCounts, read_training_labels
from cellclassifier.labels import LabelSpace


def encode_labels(
    reference: ad.AnnData, labels_key: str
) -> tuple[LabelSpace, npt.NDArray[np.int32]]:
    """Return the types of a reference, and the code of each cell."""
    labels = read_training_labels(reference, labels_key)
    label_space = LabelSpace.of(labels)
    return label_space, label_space.encode(labels)


def describe_reference(
    raw: RawCounts, codes: npt.NDArray[np.int32], label_space: LabelSpace
) -> dict[str, Any]:
    """Return what later cells are compared with."""
    n_cells = np.bincount(codes, minlength=len(label_space)).tolist()
    return {
        "counts": raw.evidence,
        "n_cells_per_type": dict(zip(label_space.labels, n_cells, strict=True)),
        "median_library_size": float(np.median(raw.library_size)),
        "n_genes_measured": len(raw.genes),
    }
