"""What came of the cells of a file, as one value."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import NoneUnknown


@dataclass(frozen=True, eq=False)
class FileAnnotation:
    """What came of the cells of a file.

    Parameters
    ----------
    out
        What was written.
    label_space
        The types.
    codes, confidence
        Shape (n_cells,): the most probable type of each cell, and its probability.
    gene_coverage
        The share of the model's genes that were measured, in [0, 1].
    shift
        As in `Predictions`.
    evidence
        Where the counts were found, and what proves them.
    status
        Shape (n_cells,): which of `STATUSES`; None where the model does not tell.
    advice
        Whether the labels can be trusted here, in words.
    likeliest
        Shape (n_cells,): as `codes`, but of cells labelled ``unknown`` the most probable type.
    packed_sets
        Shape (n_cells, n_types / 8), uint8: the prediction sets, by `numpy.packbits`; or None.
    novelty
        Shape (n_cells,): as in `CellTrust`; or None.
    vote
        What came of a vote of clusters, in words; empty where there was none.
    none_unknown
        Why no cell could be called unknown, whatever it looks like: ``"asked"`` or ``"shift"``;
        None where cells could.
    """

    out: Path
    label_space: LabelSpace
    codes: npt.NDArray[np.int16]
    confidence: npt.NDArray[np.float32]
    gene_coverage: float
    shift: float | None
    evidence: str
    status: npt.NDArray[np.int8] | None = None
    advice: str = ""
    likeliest: npt.NDArray[np.integer] | None = None
    packed_sets: npt.NDArray[np.uint8] | None = None
    novelty: npt.NDArray[np.float32] | None = None
    vote: str = ""
    none_unknown: NoneUnknown | None = None
