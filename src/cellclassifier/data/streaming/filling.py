"""Predictions into a file of AnnData, block by block: `write_predictions` for what is on disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import zarr
from anndata.io import write_elem

from cellclassifier.data.annotations import PROBABILITIES_KEY, PROVENANCE_KEY, said_of_all
from cellclassifier.data.formats.on_disk import Group, has_slot
from cellclassifier.data.streaming.cell_table import CellTable
from cellclassifier.data.streaming.columns import COLUMNS, whole_columns
from cellclassifier.data.streaming.kept import KeptBlocks
from cellclassifier.data.streaming.writing import Options, new_array
from cellclassifier.data.vote_columns import VOTE_AGREEMENT_KEY, VOTE_CLUSTER_KEY, VOTE_KEY
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import Predictions

# of ``obs``: whatever of these was not written anew is of another model, or of another vote
OWN_KEYS = (*(column.key for column in COLUMNS), VOTE_KEY, VOTE_AGREEMENT_KEY, VOTE_CLUSTER_KEY)
# rows of probabilities that are written at a time, and a chunk of them
SLAB_CELLS = 2**15


@dataclass(frozen=True, eq=False)
class Results:
    """What there is to write.

    Parameters
    ----------
    kept
        The predictions of all cells.
    label_space
        The types.
    provenance
        For ``uns["cellclassifier"]``.
    table
        The cells' names.
    further
        Columns for ``obs`` that are not kept block by block, by their keys, each of all cells.
    """

    kept: KeptBlocks
    label_space: LabelSpace
    provenance: Mapping[str, Any]
    table: CellTable
    further: Mapping[str, Any] = field(default_factory=dict)


def _go_on() -> None:
    """Ask nothing."""


def provenance_of(predictions: Predictions, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of predictions as a whole, for ``uns["cellclassifier"]``."""
    return {**model, **said_of_all(predictions)}


def fill(root: Group, results: Results, check: Callable[[], None] = _go_on) -> None:
    """Write the keys that `write_predictions` writes; older ones of the same name are replaced.

    Parameters
    ----------
    root
        Of AnnData.
    results
        What there is to write.
    check
        Called again and again; raises where it should end.
    """
    list_columns(root["obs"], fill_slots(root, results, check))


def fill_slots(root: Group, results: Results, check: Callable[[], None] = _go_on) -> list[str]:
    """Write into the slots of a group, and return the columns that the table has to list."""
    options = _options_like(root)
    columns = {**whole_columns(results.kept, results.label_space), **results.further}
    obs = mapping(root, "obs")
    for key, values in columns.items():
        write_elem(obs, key, values, dataset_kwargs=options)
        check()
    _fill_probabilities(mapping(root, "obsm"), results.kept, options, check)
    write_elem(mapping(root, "uns"), PROVENANCE_KEY, dict(results.provenance))
    return list(columns)


def list_columns(table: Group, keys: Sequence[str]) -> None:
    """Say that a table has these columns, too; those of earlier predictions or votes go."""
    others = [str(name) for name in table.attrs["column-order"] if name not in keys]
    stale = [name for name in others if name in OWN_KEYS]
    order = [str(name) for name in table.attrs["column-order"] if name not in stale]
    table.attrs["column-order"] = [*order, *(key for key in keys if key not in order)]
    for name in stale:
        del table[name]


def _fill_probabilities(
    obsm: Group, kept: KeptBlocks, options: Options, check: Callable[[], None]
) -> None:
    n_cells = kept.bounds[-1][1]
    if PROBABILITIES_KEY in obsm:
        del obsm[PROBABILITIES_KEY]
    array, start = None, 0
    for slab in slabs(kept.each(PROBABILITIES_KEY), SLAB_CELLS):
        if array is None:
            shape = (n_cells, slab.shape[1])
            chunks = (min(SLAB_CELLS, n_cells), slab.shape[1])
            array = new_array(obsm, PROBABILITIES_KEY, shape, slab.dtype, options, chunks)
        array[start : start + len(slab)] = slab
        start += len(slab)
        check()


def slabs(blocks: Iterable[npt.NDArray[Any]], n_rows: int) -> Iterator[npt.NDArray[Any]]:
    """Join blocks to such of `n_rows` rows; the last may be shorter.

    Examples
    --------
    >>> [slab.tolist() for slab in slabs([np.array([1]), np.array([2, 3, 4])], 2)]
    [[1, 2], [3, 4]]
    """
    waiting: list[npt.NDArray[Any]] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= n_rows:
            joined = np.concatenate(waiting)
            n_whole = len(joined) // n_rows * n_rows
            yield from np.split(joined[:n_whole], range(n_rows, n_whole, n_rows))
            waiting = [joined[n_whole:]] if n_whole < len(joined) else []
    if waiting:
        yield np.concatenate(waiting)


def mapping(root: Group, slot: str) -> Group:
    """Return a slot of named things, made where it is not there."""
    if not has_slot(root, slot):
        write_elem(root, slot, {})
    return root[slot]


def _options_like(root: Group) -> dict[str, Any]:
    """Compress as the file's own matrix is; zarr has its own default."""
    if isinstance(root, zarr.Group) or not has_slot(root, "X"):
        return {}
    values = root["X"] if isinstance(root["X"], h5py.Dataset) else root["X"].get("data")
    return {"compression": "gzip"} if getattr(values, "compression", None) else {}
