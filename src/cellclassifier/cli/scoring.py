"""Annotated cells beside their true types, for ``evaluate`` and ``plot``."""

# heavy imports stand inside the function, so that --help answers at once

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anndata as ad

    from cellclassifier import Evaluation


def read_scored(
    named: Path, truth_key: str, label_map: Path | None
) -> "tuple[ad.AnnData, Evaluation]":
    """Return the cells of a file that ``annotate`` wrote, and how well they are named."""
    import cellclassifier as cc
    from cellclassifier.data import read_labels, read_predictions
    from cellclassifier.evaluation import read_label_map

    mapping = None if label_map is None else read_label_map(label_map)
    cells = cc.read_cells(named)
    truth = read_labels(cells, truth_key)
    return cells, cc.evaluate(truth, read_predictions(cells), label_map=mapping)
