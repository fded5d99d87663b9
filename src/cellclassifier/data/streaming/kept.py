"""What is done of a long piece of work, kept in a folder, so that it can go on after an end."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from cellclassifier.data.streaming.changes import DOUBT, INPUT, changed_keys, told_changes
from cellclassifier.data.streaming.claim import (
    KEPT,
    MANIFEST,
    check_ours,
    clear,
    manifest_in,
)
from cellclassifier.errors import OutputError

# the first and the last cell, not included, and what the block was made of and with
BLOCK, BLOCKS = "block_{:010d}-{:010d}-{}.npz", "block_*-*-{}.npz"

Arrays = Mapping[str, npt.NDArray[Any]]
Bounds = list[tuple[int, int]]


def _retain_nothing(kept: "KeptBlocks", made_of: Any) -> bool:  # noqa: ANN401
    """Have an input that changed begun anew."""
    del kept, made_of
    return False


@dataclass(frozen=True, eq=False)
class KeptBlocks:
    """Finished blocks of cells in a folder, beside what they were made of and with.

    Parameters
    ----------
    folder
        Holds ``manifest.json`` and one ``.npz`` file a block, nothing pickled.
    bounds
        The first and last cell, not included, of each block.
    mark
        A sum of the manifest, in the name of each block: one that was made otherwise, and came
        late, is never taken for one of these.
    """

    folder: Path
    bounds: Bounds
    mark: str = ""

    @classmethod
    def begin(
        cls,
        folder: Path,
        manifest: Mapping[str, Any],
        bounds: Bounds,
        retain: "Callable[[KeptBlocks, Any], bool]" = _retain_nothing,
    ) -> "tuple[KeptBlocks, str]":
        """Go on with what is in `folder` where it was made the same way, or else begin anew.

        Parameters
        ----------
        folder
            Is made where it is not there.
        manifest
            Of what and with what blocks are made: texts, numbers, lists, dicts.
        bounds
            Of the blocks. Where some are kept, of whatever size, others are laid between them.
        retain
            Asked where the input alone is not the one it was, which it is given, or is in doubt:
            deletes the blocks that were made of what it does not hold, and says whether others may
            be kept.

        Returns
        -------
        kept
            The blocks.
        note
            What an earlier state, or a part of it, was thrown away for, or an empty text.

        Raises
        ------
        OutputError
            The folder cannot be written, or somebody else made it.
        """
        check_ours(folder)
        kept, note = cls(folder, bounds, _mark_of(manifest)), ""
        before = manifest_in(folder)
        if before is not None and (keys := changed_keys(before, manifest)):
            older = cls(folder, bounds, _mark_of(before)).with_those_there()
            if {*keys} <= {INPUT, DOUBT} and retain(older, before[INPUT]):
                older.rename(kept.mark)
            else:
                note = told_changes(before, manifest) or "the input changed meanwhile"
                clear(folder, KEPT)  # and not what this call needs already
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write '{folder}': {error.strerror or error}") from error
        write_text(folder / MANIFEST, json.dumps(manifest, indent=1))
        kept._remove_others()
        return kept.with_those_there(), note

    def missing(self) -> list[int]:
        """Return the numbers of the blocks that are still to be made, or cannot be read."""
        return [number for number in range(len(self.bounds)) if not self._is_whole(number)]

    def n_cells_done(self, missing: Iterable[int]) -> int:
        """Return the cells of all blocks but the missing ones."""
        left = sum(self.bounds[number][1] - self.bounds[number][0] for number in missing)
        return self.bounds[-1][1] - left

    def save(self, number: int, arrays: Arrays) -> None:
        """Keep a block, whole or not at all.

        Raises
        ------
        OutputError
            It cannot be written; what was kept before stays.
        """
        path = self.path_of(number)
        try:
            _write(path, lambda temporary: np.savez(temporary, **dict[str, Any](arrays)))
        except OSError as error:
            raise OutputError(f"cannot write '{path}': {error.strerror or error}") from error

    def each(self, key: str) -> Iterator[npt.NDArray[Any]]:
        """Yield an array of each block, in order."""
        for (values,) in self.rows([key]):
            yield values

    def rows(self, keys: Sequence[str]) -> Iterator[list[npt.NDArray[Any]]]:
        """Yield several arrays of each block, in order."""
        for number in range(len(self.bounds)):
            with self._open(number) as arrays:
                yield [arrays[key] for key in keys]

    def block(self, number: int) -> Arrays:
        """Return all arrays of a block."""
        with self._open(number) as arrays:
            return dict(arrays)

    def keys(self) -> list[str]:
        """Return the names of the arrays of a block."""
        with self._open(0) as arrays:
            return list(arrays.files)

    def _open(self, number: int) -> Any:  # noqa: ANN401  (a file of NumPy)
        return np.load(self.path_of(number), allow_pickle=False)

    def whole(self, key: str) -> npt.NDArray[Any]:
        """Return an array of all cells."""
        return self.wholes([key])[key]

    def wholes(self, keys: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Return several arrays of all cells; each block is opened once."""
        columns = zip(*self.rows(keys), strict=True)
        return {key: np.concatenate(parts) for key, parts in zip(keys, columns, strict=True)}

    def discard(self, number: int) -> None:
        """Delete a block, where it is kept."""
        self.path_of(number).unlink(missing_ok=True)

    def told(self) -> str:
        """Say how many cells are kept, and where, as the end of a sentence."""
        n_done, n_cells = self.n_cells_done(self.missing()), self.n_cells_done([])
        return f"{n_done:,} of {n_cells:,} cells are named and kept in '{self.folder}'"

    def doubt(self) -> None:
        """Have the next call ask what of the blocks may be kept, be the input then what it was."""
        manifest = manifest_in(self.folder)
        write_text(self.folder / MANIFEST, json.dumps({**(manifest or {}), DOUBT: True}, indent=1))

    def remove(self) -> None:
        """Delete all that is ours, and the folder where nothing else is in it."""
        clear(self.folder)
        with suppress(OSError):
            self.folder.rmdir()

    def remove_if_empty(self) -> None:
        """Delete the folder where nothing is done yet."""
        if self.is_empty():
            self.remove()

    def is_empty(self) -> bool:
        """Whether nothing is done yet."""
        return next(self._found(), None) is None

    def there(self) -> list[int]:
        """Return the numbers of the blocks that have a file, be it a broken one."""
        found = set(self._found())
        return [number for number, bounds in enumerate(self.bounds) if bounds in found]

    def _found(self) -> Iterator[tuple[int, int]]:
        """Yield the bounds of each file of this mark."""
        for path in self.folder.glob(BLOCKS.format(self.mark)):
            yield _bounds_in(path.name)

    def with_those_there(self) -> "KeptBlocks":
        """Return the same with bounds that leave the blocks that are there as they are."""
        return replace(self, bounds=_laid_between(sorted(self._found()), self.bounds))

    def rename(self, mark: str) -> None:
        """Have the blocks that are there belong to another manifest."""
        renamed = replace(self, mark=mark)
        for number in self.there():
            self.path_of(number).replace(renamed.path_of(number))

    def _remove_others(self) -> None:
        """Delete blocks that were made otherwise, and came late."""
        for path in self.folder.glob(BLOCKS.format("*")):
            if not path.match(BLOCKS.format(self.mark)):
                path.unlink(missing_ok=True)

    def path_of(self, number: int) -> Path:
        """Return where a block is kept."""
        return self.folder / BLOCK.format(*self.bounds[number], self.mark)

    def _is_whole(self, number: int) -> bool:
        try:
            with zipfile.ZipFile(self.path_of(number)) as archive:
                return archive.testzip() is None
        except (OSError, zipfile.BadZipFile):
            return False


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    try:
        _write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror or error}") from error


def _write(path: Path, write: Callable[[Path], object]) -> None:
    # of its own: workers of a cluster may write the same block at the same time
    temporary = path.with_name(f".part-{uuid4().hex}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)  # noqa: PTH105  (one step, also where `path` exists)
    finally:
        temporary.unlink(missing_ok=True)


def _mark_of(manifest: Mapping[str, Any]) -> str:
    """Return a sum of a manifest, however often it was written and read."""
    known = {key: value for key, value in manifest.items() if key != DOUBT}
    text = json.dumps(json.loads(json.dumps(known)), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _bounds_in(name: str) -> tuple[int, int]:
    """Return the bounds of a block, from the name of its file."""
    start, stop, _ = name.removeprefix("block_").split("-", 2)
    return int(start), int(stop)


def _laid_between(there: Bounds, wanted: Bounds) -> Bounds:
    """Return the bounds of blocks of all cells: those there, and between them such as are wanted.

    >>> _laid_between([(5, 8)], [(0, 4), (4, 8), (8, 10)])
    [(0, 4), (4, 5), (5, 8), (8, 10)]
    """
    if not there:
        return wanted
    step, n_cells = wanted[0][1], wanted[-1][1]
    bounds: Bounds = []
    for start, stop in [*there, (n_cells, n_cells)]:
        end = bounds[-1][1] if bounds else 0
        if start < end or stop > n_cells:  # another one has these cells
            continue
        bounds += [(first, min(first + step, start)) for first in range(end, start, step)]
        if stop > start:
            bounds.append((start, stop))
    return bounds
