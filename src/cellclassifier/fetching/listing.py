"""The sets of a catalogue as a person reads them."""

from pathlib import Path

from cellclassifier.fetching.cache import Cache, Downloads
from cellclassifier.fetching.catalogue import CellSet, read_catalogue

BYTES_PER_MEGABYTE = 1_000_000


def describe_sets(catalogue: str | Path | None = None, downloads: Downloads | None = None) -> str:
    """Return each known set with size, licence, citation, and whether it is at hand.

    Parameters
    ----------
    catalogue
        A TOML file with sets of your own.
    downloads
        The cache that is looked into; nothing is downloaded.

    Examples
    --------
    >>> print(describe_sets(downloads=Downloads("/no/such/folder")))
    fresh-68k-pbmc-donor-a: Fresh blood cells of one donor, without labels
      cells      68,579, without labels; 32,738 genes
      size       about 124 MB in 1 file
      licence    CC BY 4.0
      citation   Zheng GXY et al. 2017, ...
      at hand    no
    <BLANKLINE>
    zheng-sorted: ...
      cells      94,655 of 10 types, 2,000 of each taken unless said otherwise; 32,738 genes
      ...
    """
    cache = Cache(downloads or Downloads())
    sets = read_catalogue(catalogue)
    return "\n\n".join(_described(sets[name], cache) for name in sorted(sets))


def _described(cell_set: CellSet, cache: Cache) -> str:
    facts = {
        "cells": _cells(cell_set),
        "size": _size(cell_set, cache),
        "licence": cell_set.licence,
        "citation": cell_set.citation,
        "at hand": _at_hand(cell_set, cache),
    }
    lines = [f"  {name:<10} {fact}" for name, fact in facts.items()]
    return "\n".join([f"{cell_set.name}: {cell_set.title}", *lines])


def _cells(cell_set: CellSet) -> str:
    parts = [_number(cell_set.n_cells)]
    if not cell_set.is_labelled:
        parts.append(", without labels")
    else:
        parts.append(f" of {len(cell_set.files)} types")
    if cell_set.cells_per_type is not None:
        parts.append(f", {cell_set.cells_per_type:,} of each taken unless said otherwise")
    return "".join([*parts, f"; {_number(cell_set.n_genes)} genes"])


def _number(value: int | None) -> str:
    return "number not stated" if value is None else f"{value:,}"


def _size(cell_set: CellSet, cache: Cache) -> str:
    n_files = len(cell_set.files)
    files = f"in {n_files} file{'s' if n_files > 1 else ''}"
    n_bytes = cache.n_bytes(cell_set)
    if n_bytes is not None:
        return f"{n_bytes / BYTES_PER_MEGABYTE:,.1f} MB {files}"
    if cell_set.megabytes is not None:
        return f"about {cell_set.megabytes:,} MB {files}"
    return f"not stated, {files}"


def _at_hand(cell_set: CellSet, cache: Cache) -> str:
    n_here, n_files = cache.n_at_hand(cell_set), len(cell_set.files)
    if n_here == 0:
        return "no"
    place = f"in {cache.folder / cell_set.name}"
    return f"yes, {place}" if n_here == n_files else f"{n_here} of {n_files} files, {place}"
