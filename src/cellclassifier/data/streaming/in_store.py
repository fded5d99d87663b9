"""Predictions into a zarr store that is there already."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import zarr

from cellclassifier.data.formats.cut_off import ANNOTATIONS, IS_WHOLE, beside
from cellclassifier.data.streaming.filling import (
    OWN_KEYS,
    Results,
    fill_slots,
    list_columns,
    mapping,
)
from cellclassifier.data.streaming.last_step import cut_off, finish_or_set_aside
from cellclassifier.data.streaming.one_writer import only_writer

SLOTS = ("obs", "obsm", "uns")


def fill_store(path: Path, results: Results, check: Callable[[], None]) -> None:
    """Write predictions into a store, first into a folder beside it, from which they are moved.

    Whatever ends it before all is written leaves the store as it was.

    Parameters
    ----------
    path
        Of the store.
    results
        What there is to write.
    check
        Called again and again before the last step; raises where it should end.

    Raises
    ------
    OutputError
        Another command writes into it.
    """
    with only_writer(path):
        _finish_alone(path)
        new = _new_folder(path)
        store = zarr.open_group(path, mode="r", use_consolidated=False)
        try:
            group = zarr.open_group(new, mode="w", zarr_format=store.metadata.zarr_format)
            columns = fill_slots(group, results, check)
            nodes = {slot: [node.name for node in _nodes(new / slot)] for slot in SLOTS}
            noted = {"columns": columns, "nodes": nodes, "others": _others(path, nodes)}
            whole = new / f"part-{IS_WHOLE}"
            whole.write_text(json.dumps(noted), encoding="utf-8")
            check()
            whole.replace(new / IS_WHOLE)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        try:
            _move_all(path, noted)
        except OSError as error:
            raise cut_off(path, error) from error


def finish_store(path: Path) -> None:
    """Move what was written for a store to its place, if there is any and it is whole.

    Raises
    ------
    OutputError
        Another command writes into it, or it cannot be finished.
    """
    new = _new_folder(path)
    # what is not whole disturbs nobody who may not write there
    if (new / IS_WHOLE).exists() or (new.exists() and os.access(new.parent, os.W_OK)):
        with only_writer(path):
            _finish_alone(path)


def _finish_alone(path: Path) -> None:
    new = _new_folder(path)
    if not (new / IS_WHOLE).exists():
        shutil.rmtree(new, ignore_errors=True)
        return

    def is_done() -> bool:
        noted = json.loads((new / IS_WHOLE).read_text(encoding="utf-8"))
        if not isinstance(noted, dict) or noted["others"] != _others(path, noted["nodes"]):
            return False
        _move_all(path, noted)
        return True

    finish_or_set_aside(path, new, is_done)


def _move_all(path: Path, noted: Mapping[str, Any]) -> None:
    new = _new_folder(path)
    store = zarr.open_group(path, mode="r+", use_consolidated=False)
    for slot in SLOTS:
        mapping(store, slot)
        for node in _nodes(new / slot):
            _move(node, path / slot / node.name, new / "old" / slot)
    list_columns(store["obs"], noted["columns"])
    if zarr.open_group(path, mode="r").metadata.consolidated_metadata is not None:
        zarr.consolidate_metadata(path)
    shutil.rmtree(new)


def _others(path: Path, nodes: Mapping[str, Sequence[str]]) -> list[int]:
    """Return what tells whether a store is the one it was, whatever of the nodes was moved."""
    facts = list(_facts_of_others(path, nodes))
    times = [fact.st_mtime_ns for fact in facts]
    n_bytes = sum(fact.st_size for fact in facts)
    return [path.stat().st_ino, len(facts), n_bytes, max(times, default=0)]


def _facts_of_others(path: Path, nodes: Mapping[str, Sequence[str]]) -> Iterator[os.stat_result]:
    changing = {(slot, name) for slot, names in nodes.items() for name in names}
    changing |= {("obs", key) for key in OWN_KEYS}
    for file in path.rglob("*"):
        parts = file.relative_to(path).parts
        is_own_metadata = len(parts) == 1 or (len(parts) == 2 and parts[0] in SLOTS)
        if parts[:2] not in changing and not is_own_metadata and file.is_file():
            yield file.stat()


def _new_folder(path: Path) -> Path:
    """Return a folder beside the store, on the same disk."""
    return beside(path, ANNOTATIONS)


def _nodes(folder: Path) -> list[Path]:
    return sorted(node for node in folder.iterdir() if node.is_dir())


def _move(node: Path, target: Path, old: Path) -> None:
    """Put a node in its place; what stands there goes first."""
    if target.exists():
        old.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(old / node.name, ignore_errors=True)
        target.rename(old / node.name)
    node.rename(target)
