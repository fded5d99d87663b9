"""Where an AnnData may keep counts, in the order in which they are looked for."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import anndata as ad
import pandas as pd

from cellclassifier.errors import InputError
from cellclassifier.labels import shown

COUNTS_LAYER = "counts"
RAW = "raw.X"


@dataclass(frozen=True, eq=False)
class Place:
    """A matrix of an AnnData that may hold counts, and its genes."""

    name: str
    matrix: Callable[[], Any]
    var: pd.DataFrame


def places_of(cells: ad.AnnData, layer: str | None) -> Iterator[Place]:
    """Yield the layer named, or else ``layers["counts"]``, ``X`` and ``raw``.

    Raises
    ------
    InputError
        There is no such layer.
    """
    if layer is not None and layer not in cells.layers:
        raise no_such_layer(layer, [name for name in cells.layers if name is not None])
    if layer is not None or COUNTS_LAYER in cells.layers:
        name = COUNTS_LAYER if layer is None else layer
        yield Place(f"layers['{name}']", lambda: cells.layers[name], cells.var)
    if layer is not None:
        return
    if cells.X is not None:
        yield Place("X", lambda: cells.X, cells.var)
    if cells.raw is not None:
        yield Place(RAW, lambda: cells.raw.X, _raw_var(cells))


def no_such_layer(layer: str, layers: Iterable[str]) -> InputError:
    """Return the error that says which layers there are."""
    return InputError(f"there is no layer '{layer}'; there are {shown(layers)}")


def _raw_var(cells: ad.AnnData) -> pd.DataFrame:
    """Return the genes of ``raw``, with what ``var`` knows about those that it still has."""
    raw_var: pd.DataFrame = cells.raw.var
    if not (cells.var_names.is_unique and raw_var.index.is_unique and len(cells.var.columns)):
        return raw_var
    known = cells.var.reindex(raw_var.index)
    return raw_var.combine_first(known).loc[raw_var.index]
