"""What a model file says of its reference."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.data import RawCounts
from cellclassifier.labels import LabelSpace


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
