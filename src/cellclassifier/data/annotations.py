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
from cellclassifier.errors import FileFormatError, InputError, InputWarning, LabelError
from cellclassifier.files import replacing
from cellclassifier.labels import BETWEEN, LabelSpace, shown
from cellclassifier.predictions import STATUSES, UNKNOWN, CellTrust, Predictions

LABEL_KEY = "predicted_cell_type"
CONFIDENCE_KEY = "predicted_cell_type_confidence"
SET_KEY = "predicted_cell_type_set"
NOVELTY_KEY = "predicted_cell_type_novelty"
STATUS_KEY = "predicted_cell_type_status"
PROBABILITIES_KEY = "cell_type_probabilities"
PROVENANCE_KEY = "cellclassifier"

MIN_TYPES = 2
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
    """Return labels fit to train on: two types or more that have two cells or more.

    A type of a single cell is learned like any other, with a warning: it can be found again, but
    nothing can be said of how well. So are labels that hold what stands between those of a set.

    Parameters
    ----------
    cells
        The reference.
    labels_key
        The column of ``obs``.
    strict
        Whether to refuse missing labels, and types of a single cell; otherwise cells without a
        label are left out.

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
    if len(sizes) < MIN_TYPES:
        raise LabelError(
            f"all {len(labels):,} cells have the one label {shown(sizes.index)} in "
            f".obs['{labels_key}']; a classifier needs two types or more"
        )
    _check_single_cells(sizes, labels_key, strict=strict)
    _warn_of_bars(sizes.index, labels_key)
    return labels, np.flatnonzero(~missing)


def _check_single_cells(sizes: pd.Series, labels_key: str, *, strict: bool) -> None:
    """Refuse types of one cell where they must not be, or where they are all there is; or warn."""
    single = sizes[sizes == 1]
    if not len(single):
        return
    found = (
        f"{len(single)} types in .obs['{labels_key}'] have a single cell: "
        f"{shown(sorted(single.index))}"
    )
    if strict or len(sizes) - len(single) < MIN_TYPES:
        raise LabelError(
            f"{found}; at least {MIN_TYPES} types of two cells or more are needed, and with strict "
            "all have to be. Drop or merge these types"
        )
    warnings.warn(
        f"{found}; nothing tells how well these are found. Drop or merge them, if that matters",
        InputWarning,
        stacklevel=2,
    )


def _warn_of_bars(labels: pd.Index, labels_key: str) -> None:
    """Warn of labels that hold what stands between those of a set."""
    with_bars = sorted(label for label in labels if BETWEEN in label)
    if with_bars:
        warnings.warn(
            f"labels in .obs['{labels_key}'] hold '{BETWEEN}', which stands between the types of a "
            f"set in .obs['{SET_KEY}']: {shown(with_bars)}. Programs that split sets there will "
            "take such a type for two; rename it, if sets are to be split",
            InputWarning,
            stacklevel=2,
        )


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

        - ``obs["predicted_cell_type"]``, categorical over all types of the model, and ``unknown``
          where cells were to be labelled so;
        - ``obs["predicted_cell_type_confidence"]``, the probability of that type, float32;
        - where the model knows how it errs: ``obs["predicted_cell_type_set"]``, the types of the
          prediction set, such as ``"B | T"``; ``obs["predicted_cell_type_novelty"]``, float32;
          ``obs["predicted_cell_type_status"]``, categorical: ``assigned``, ``ambiguous``,
          ``unknown``, ``low_depth`` or ``low_coverage``;
        - ``obsm["cell_type_probabilities"]``, (n_cells, n_types), float32;
        - ``uns["cellclassifier"]``: ``labels``, the types in the order of those columns,
          ``gene_coverage``, ``shift`` where the model can tell it, ``calibrated_depth`` where
          scores were calibrated for one, ``set_coverage`` where there are sets, and `provenance`.
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
    cells.obs[LABEL_KEY] = as_labels(predictions.named_codes, predictions.label_space)
    cells.obs[CONFIDENCE_KEY] = predictions.confidence
    trust = predictions.trust
    for key in (SET_KEY, NOVELTY_KEY, STATUS_KEY):
        if trust is None and key in cells.obs:
            del cells.obs[key]  # of another model
    if trust is not None:
        cells.obs[SET_KEY] = pd.Categorical(predictions.label_space.join(trust.sets))
        cells.obs[NOVELTY_KEY] = trust.novelty
        cells.obs[STATUS_KEY] = pd.Categorical.from_codes(trust.status, pd.Index(STATUSES))
    cells.obsm[PROBABILITIES_KEY] = predictions.probabilities
    cells.uns[PROVENANCE_KEY] = {**provenance, **said_of_all(predictions)}


def as_labels(codes: npt.NDArray[np.integer], space: LabelSpace) -> Any:  # noqa: ANN401
    """Return the labels that `Predictions.named_codes` stand for, categorical over all types."""
    labels = list(space.labels)
    if len(codes) and codes.max() == len(labels):
        labels.append(UNKNOWN)
    return pd.Categorical.from_codes(codes, pd.Index(labels))


def said_of_all(predictions: Predictions) -> dict[str, Any]:
    """Return what ``uns["cellclassifier"]`` holds of predictions, but for their provenance."""
    trust, shift, depth = predictions.trust, predictions.shift, predictions.calibrated_depth
    return {
        "labels": np.array(predictions.label_space.labels, dtype=object),
        "gene_coverage": predictions.gene_coverage,
        **({} if shift is None else {"shift": shift}),
        **({} if depth is None else {"calibrated_depth": depth}),
        **({} if trust is None else {"set_coverage": trust.coverage}),
    }


def read_provenance(cells: ad.AnnData) -> dict[str, str]:
    """Return what annotated cells say of the model that named them, as far as it fits a line."""
    kept = cells.uns.get(PROVENANCE_KEY, {})
    return {
        str(name).replace("_", " "): str(value)
        for name, value in kept.items()
        if isinstance(value, str | int | float | np.number)
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
        shift, depth = (
            None if value is None else float(value)
            for value in map(cells.uns[PROVENANCE_KEY].get, ("shift", "calibrated_depth"))
        )
        trust = _read_trust(cells, LabelSpace(tuple(labels)))
    except (ValueError, KeyError, TypeError, IndexError, LabelError) as error:
        raise InputError(
            f"uns['{PROVENANCE_KEY}'] is not what annotate wrote: {error!r}; annotate again"
        ) from error
    probabilities = np.asarray(cells.obsm[PROBABILITIES_KEY], dtype=np.float32)
    space = LabelSpace(tuple(labels))
    return Predictions(space, probabilities, cells.obs_names, gene_coverage, shift, trust, depth)


def _read_trust(cells: ad.AnnData, space: LabelSpace) -> CellTrust | None:
    """Return what stands in the columns; None where they are not all there."""
    coverage = cells.uns[PROVENANCE_KEY].get("set_coverage")
    if coverage is None or not {SET_KEY, NOVELTY_KEY, STATUS_KEY} <= set(cells.obs):
        return None
    status = pd.Categorical(cells.obs[STATUS_KEY].astype(str), categories=STATUSES)
    return CellTrust(
        space.split(cells.obs[SET_KEY].astype(str)),
        float(coverage),
        cells.obs[NOVELTY_KEY].to_numpy(dtype=np.float32),
        np.asarray(status.codes, dtype=np.int8),
    )


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
