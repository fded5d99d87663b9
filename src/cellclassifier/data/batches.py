"""The donor, study or lane of each labelled cell, out of a column of obs."""

import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.annotations import MISSING
from cellclassifier.data.whole_batches import BatchTable
from cellclassifier.errors import InputError, InputWarning
from cellclassifier.labels import shown

# a column with fewer cells a value is one of barcodes, or of something else of each cell
MIN_MEAN_CELLS = 2


def read_batches(
    obs: pd.DataFrame,
    batch_key: str,
    rows: npt.NDArray[np.intp],
    labels: npt.NDArray[np.object_],
) -> npt.NDArray[np.int32]:
    """Return the batch of each labelled cell, (n_labelled,), numbered as they come.

    What batches are called plays no part.

    Parameters
    ----------
    obs
        Of all cells.
    batch_key
        The column with the batches.
    rows
        The labelled cells.
    labels
        Their labels, (n_labelled,).

    Raises
    ------
    InputError
        There is no such column, a value is missing, all cells are of one batch, nearly each is of
        its own, or no type is in two.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor": ["P2", "P1", "P2", "P1"]})
    >>> read_batches(obs, "donor", np.arange(4), np.array(["B", "B", "T", "T"])).tolist()
    [0, 1, 0, 1]
    >>> read_batches(obs, "patient", np.arange(4), np.array(["B", "B", "T", "T"]))
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: there is no column 'patient' in .obs; it has ['donor']
    """
    texts = batch_names(obs, batch_key)[rows]
    missing = texts == ""
    if missing.any():
        raise InputError(
            f"{int(missing.sum()):,} of {len(missing):,} labelled cells have no batch in "
            f".obs['{batch_key}'], such as {shown(obs.index[rows[missing][:3]])}; name theirs, or "
            f"leave these cells out: adata = adata[adata.obs['{batch_key}'].notna()].copy()"
        )
    numbers, names = pd.factorize(texts)
    batch_codes = np.asarray(numbers, dtype=np.int32)
    _check_number(names, len(texts), batch_key)
    _check_shared(batch_codes, labels, batch_key)
    return batch_codes


def batch_names(obs: pd.DataFrame, batch_key: str) -> npt.NDArray[np.object_]:
    """Return the batch of each cell, (n_cells,), as texts; empty where there is none.

    Raises
    ------
    InputError
        There is no such column.

    Examples
    --------
    >>> batch_names(pd.DataFrame({"donor": [1, None]}, dtype=object), "donor").tolist()
    ['1', '']
    """
    if batch_key not in obs:
        raise InputError(f"there is no column '{batch_key}' in .obs; it has {shown(obs.columns)}")
    column = obs[batch_key]
    texts = column.astype(str).str.strip()
    missing = column.isna() | texts.isin(MISSING)
    return np.where(missing, "", np.asarray(texts, dtype=object)).astype(object)


def _check_number(names: npt.NDArray[np.object_], n_cells: int, batch_key: str) -> None:
    if len(names) == 1:
        raise InputError(
            f"all {n_cells:,} labelled cells are of the one batch {shown(names)} in "
            f".obs['{batch_key}']; two or more are needed to set one apart. Name another column, "
            "or leave the batch key out"
        )
    if n_cells < MIN_MEAN_CELLS * len(names):
        raise InputError(
            f".obs['{batch_key}'] has {len(names):,} values, such as {shown(names[:3])}, for "
            f"{n_cells:,} labelled cells: fewer than {MIN_MEAN_CELLS} cells a batch. Name the "
            "column of donors, studies or lanes"
        )


def _check_shared(
    batch_codes: npt.NDArray[np.int32], labels: npt.NDArray[np.object_], batch_key: str
) -> None:
    """Refuse batches of which none shares a type with another; warn of types that one has alone."""
    codes, types = pd.factorize(labels, sort=True)
    is_shared = BatchTable.of(codes, batch_codes).is_shared
    alone = [str(name) for name in types[~is_shared]]
    if not is_shared.any():
        raise InputError(
            f"no type is in two batches of .obs['{batch_key}'], so nothing tells how cells of a "
            f"new one are named: {shown(alone)} have one batch each. Leave the batch key out"
        )
    if alone:
        warnings.warn(
            f"{len(alone)} of {len(types)} types are in one batch of .obs['{batch_key}'] alone: "
            f"{shown(alone)}; their cells are set apart one by one, which says nothing of how they "
            "are named in a new batch",
            InputWarning,
            stacklevel=2,
        )
