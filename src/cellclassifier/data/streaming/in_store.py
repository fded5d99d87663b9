"""Predictions into a zarr store that is there already."""

import json
import shutil
from pathlib import Path

import zarr

from cellclassifier.data.streaming.filling import Results, fill_slots, list_columns, mapping

# in the folder of what is new: what says that all of it is there
IS_WHOLE = "whole.json"
SLOTS = ("obs", "obsm", "uns")


def fill_store(path: Path, results: Results) -> None:
    """Write predictions into a store, first into a folder beside it, from which they are moved.

    Whatever ends it before all is written leaves the store as it was.
    """
    finish_store(path)
    new = _new_folder(path)
    store = zarr.open_group(path, mode="r", use_consolidated=False)
    try:
        group = zarr.open_group(new, mode="w", zarr_format=store.metadata.zarr_format)
        columns = fill_slots(group, results)
        (new / IS_WHOLE).write_text(json.dumps(columns), encoding="utf-8")
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    finish_store(path)


def finish_store(path: Path) -> None:
    """Move what was written for a store to its place, if there is any and it is whole."""
    new = _new_folder(path)
    if not (new / IS_WHOLE).exists():
        shutil.rmtree(new, ignore_errors=True)
        return
    store = zarr.open_group(path, mode="r+", use_consolidated=False)
    for slot in SLOTS:
        mapping(store, slot)
        for node in sorted((new / slot).iterdir()):
            if node.is_dir():
                _move(node, path / slot / node.name, new / "old" / slot)
    list_columns(store["obs"], json.loads((new / IS_WHOLE).read_text(encoding="utf-8")))
    if zarr.open_group(path, mode="r").metadata.consolidated_metadata is not None:
        zarr.consolidate_metadata(path)
    shutil.rmtree(new)


def _new_folder(path: Path) -> Path:
    """Return a folder beside the store, on the same disk."""
    return path.absolute().with_name(f".{path.name}.annotations")


def _move(node: Path, target: Path, old: Path) -> None:
    """Put a node in its place; what stands there goes first."""
    if target.exists():
        old.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(old / node.name, ignore_errors=True)
        target.rename(old / node.name)
    node.rename(target)
