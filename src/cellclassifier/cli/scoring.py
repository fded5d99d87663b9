"""Annotated cells beside their true types, for ``evaluate`` and ``plot``."""

# heavy imports stand inside the function, so that --help answers at once

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anndata as ad
    import pandas as pd

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


def score_batches(
    cells: "ad.AnnData", truth_key: str, batch_key: str, label_map: Path | None
) -> "pd.DataFrame":
    """Return the accuracy of each batch of cells that `read_scored` returned."""
    from cellclassifier.data import read_labels, read_predictions
    from cellclassifier.data.batches import batch_names
    from cellclassifier.evaluation import accuracy_of_batches, read_label_map

    mapping = None if label_map is None else read_label_map(label_map)
    return accuracy_of_batches(
        read_labels(cells, truth_key),
        read_predictions(cells),
        batch_names(cells.obs, batch_key),
        label_map=mapping,
    )
