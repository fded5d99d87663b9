"""Labels out of an AnnData, predictions into one and out again."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.formats.on_disk import lies_in_zarr
from cellclassifier.data.formats.zarr_store import check_not_in_use
from cellclassifier.errors import FileFormatError, InputError, LabelError
from cellclassifier.files import replacing
from cellclassifier.labels import LabelSpace, shown
from cellclassifier.predictions import Predictions

LABEL_KEY = "predicted_cell_type"
CONFIDENCE_KEY = "predicted_cell_type_confidence"
PROBABILITIES_KEY = "cell_type_probabilities"
PROVENANCE_KEY = "cellclassifier"

MIN_CELLS_PER_TYPE = 2
# what pandas, Python and R make of a missing value when they make a text of it
MISSING = ("", "nan", "NaN", "<NA>", "None", "NA")
# The format of a store is anndata's setting, and 0.12 has a notice about the next default for each
# choice of it; nothing that the caller can act on.
# Nor are names that stand twice: they are written as they were read.
NOTICES = "Writing zarr v2|zarr v3 autosharding|Consolidated metadata|.*names are not unique"


def read_labels(cells: ad.AnnData, labels_key: str) -> npt.NDArray[np.object_]:
    """Return the label of each cell, shape (n_cells,), as strings without spaces around them.

    Raises
    ------
    LabelError
        There is no such column, or a label is missing.
    """
    labels, missing = _texts(cells, labels_key)
    if missing.any():
        raise LabelError(_says_missing(missing, labels_key))
    return labels


def read_training_labels(
    cells: ad.AnnData, labels_key: str, *, strict: bool = False
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.intp]]:
    """Return labels fit to train on: two types or more, each of two cells or more.

    Parameters
    ----------
    cells
        The reference.
    labels_key
        The column of ``obs``.
    strict
        Whether to refuse missing labels; otherwise cells without one are left out.

    Returns
    -------
    labels
        Of the cells that have one.
    rows
        Of these cells.

    Raises
    ------
    LabelError
        They are not that.
    """
    labels, missing = _texts(cells, labels_key)
    if missing.all() or (strict and missing.any()):
        raise LabelError(_says_missing(missing, labels_key))
    labels = labels[~missing]
    sizes = pd.Series(labels).value_counts()
    if len(sizes) < 2:
        raise LabelError(
            f"all {len(labels):,} cells have the one label {shown(sizes.index)} in "
            f".obs['{labels_key}']; a classifier needs two types or more"
        )
    small = sizes[sizes < MIN_CELLS_PER_TYPE]
    if len(small):
        raise LabelError(
            f"{len(small)} types in .obs['{labels_key}'] have a single cell: "
            f"{shown(sorted(small.index))}; "
            f"at least {MIN_CELLS_PER_TYPE} are needed. Drop or merge these types"
        )
    return labels, np.flatnonzero(~missing)


def _texts(
    cells: ad.AnnData, labels_key: str
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Return the labels, and where there is none."""
    if labels_key not in cells.obs:
        raise LabelError(
            f"there is no column '{labels_key}' in .obs; it has {shown(cells.obs.columns)}"
        )
    column = cells.obs[labels_key]
    texts = column.astype(str).str.strip()
    missing = column.isna() | texts.isin(MISSING)
    return np.asarray(texts, dtype=object), np.asarray(missing, dtype=bool)


def _says_missing(missing: npt.NDArray[np.bool_], labels_key: str) -> str:
    return (
        f"{int(missing.sum()):,} of {len(missing):,} cells have no label in "
        f".obs['{labels_key}']; keep the others: "
        f"adata = adata[adata.obs['{labels_key}'].notna()].copy()"
    )


def write_predictions(
    cells: ad.AnnData, predictions: Predictions, provenance: Mapping[str, Any]
) -> None:
    """Write predictions into `cells`; the only function that changes a user's AnnData.

    Parameters
    ----------
    cells
        Gets these keys, which replace older ones of the same name:

        - ``obs["predicted_cell_type"]``, categorical over all types of the model;
        - ``obs["predicted_cell_type_confidence"]``, the probability of that type, float32;
        - ``obsm["cell_type_probabilities"]``, (n_cells, n_types), float32;
        - ``uns["cellclassifier"]``: ``labels``, the types in the order of those columns,
          ``gene_coverage``, ``shift`` where the model adapts to it, and `provenance`.
    predictions
        Of the same cells, in the same order.
    provenance
        What made them: model hash, versions, settings; texts and numbers.
    """
    if not predictions.cell_names.equals(cells.obs_names):
        raise InputError(
            f"these are predictions of {len(predictions):,} cells such as "
            f"{shown(predictions.cell_names[:2])}, not of the {cells.n_obs:,} cells such as "
            f"{shown(cells.obs_names[:2])}"
        )
    labels = list(predictions.label_space.labels)
    cells.obs[LABEL_KEY] = pd.Categorical(predictions.labels, categories=labels)
    cells.obs[CONFIDENCE_KEY] = predictions.confidence
    cells.obsm[PROBABILITIES_KEY] = predictions.probabilities
    cells.uns[PROVENANCE_KEY] = {
        **provenance,
        "labels": np.array(labels, dtype=object),
        "gene_coverage": predictions.gene_coverage,
        **({} if predictions.shift is None else {"shift": predictions.shift}),
    }


def read_predictions(cells: ad.AnnData) -> Predictions:
    """Return the predictions that `write_predictions` wrote.

    Raises
    ------
    InputError
        `cells` were not annotated, or the keys were changed since.
    """
    missing = [
        f"{slot}['{key}']"
        for slot, key in (("obsm", PROBABILITIES_KEY), ("uns", PROVENANCE_KEY))
        if key not in getattr(cells, slot)
    ]
    if missing:
        raise InputError(
            f"these cells carry no predictions: {' and '.join(missing)} are not there; "
            "annotate them first: cellclassifier annotate CELLS --model MODEL --out NAMED"
        )
    try:
        labels = [str(label) for label in cells.uns[PROVENANCE_KEY]["labels"]]
        gene_coverage = float(cells.uns[PROVENANCE_KEY]["gene_coverage"])
        shift = cells.uns[PROVENANCE_KEY].get("shift")
        shift = None if shift is None else float(shift)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"uns['{PROVENANCE_KEY}'] is not what annotate wrote: {error!r}; annotate again"
        ) from error
    probabilities = np.asarray(cells.obsm[PROBABILITIES_KEY], dtype=np.float32)
    space = LabelSpace(tuple(labels))
    return Predictions(space, probabilities, cells.obs_names, gene_coverage, shift)


def write_cells(cells: ad.AnnData, path: str | Path) -> None:
    """Write `cells` to an ``.h5ad`` file or a ``.zarr`` store, whole or not at all.

    The file that `cells` were read from may be written over; they go on reading the old one. A
    store may not, for as long as cells have their matrices in it.

    Raises
    ------
    FileFormatError
        `path` ends in something else.
    OutputError
        It cannot be written, or is a store that is in use.
    """
    path = check_cells_path(path)
    check_not_in_use(path)
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", NOTICES, UserWarning)
        if path.suffix == ".zarr":
            cells.write_zarr(temporary)
        else:
            # h5py would hold its lock while zarr reads in another thread, which may want it, too
            in_memory = cells.to_memory() if lies_in_zarr(cells) else cells
            in_memory.write_h5ad(temporary, compression="gzip")


def check_cells_path(path: str | Path) -> Path:
    """Return `path` where `write_cells` knows its kind."""
    path = Path(path)
    if path.suffix not in (".h5ad", ".zarr"):
        raise FileFormatError(f"cannot write cells to '{path}': name it .h5ad or .zarr")
    return path
