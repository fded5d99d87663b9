"""What is done of a long piece of work, kept in a folder, so that it can go on after an end."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import OutputError

MANIFEST = "manifest.json"
BLOCK = "block_{:07d}.npz"
# in a manifest, what blocks are made of
INPUT = "input"

Arrays = Mapping[str, npt.NDArray[Any]]


def _retain_nothing(kept: "KeptBlocks") -> bool:
    """Have an input that changed begun anew."""
    del kept
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
    """

    folder: Path
    bounds: list[tuple[int, int]]

    @classmethod
    def begin(
        cls,
        folder: Path,
        manifest: Mapping[str, Any],
        bounds: list[tuple[int, int]],
        retain: "Callable[[KeptBlocks], bool]" = _retain_nothing,
    ) -> "tuple[KeptBlocks, str]":
        """Go on with what is in `folder` where it was made the same way, or else begin anew.

        Parameters
        ----------
        folder
            Is made where it is not there.
        manifest
            Of what and with what blocks are made: texts, numbers, lists, dicts.
        bounds
            Of the blocks.
        retain
            Asked where the input alone is not the one it was: deletes the blocks that were made of
            what it no longer holds, and says whether others may be kept.

        Returns
        -------
        kept
            The blocks.
        note
            What an earlier state, or a part of it, was thrown away for, or an empty text.

        Raises
        ------
        OutputError
            The folder cannot be written.
        """
        kept, note = cls(folder, bounds), ""
        if folder.exists():
            keys = _different(folder, manifest)
            if keys and not (keys == [INPUT] and retain(kept)):
                note = f"the {' and the '.join(keys)} changed"
                kept.remove()
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write '{folder}': {error.strerror or error}") from error
        write_text(folder / MANIFEST, json.dumps(manifest, indent=1))
        return kept, note

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
        path = self.folder / BLOCK.format(number)
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
        return np.load(self.folder / BLOCK.format(number), allow_pickle=False)

    def whole(self, key: str) -> npt.NDArray[Any]:
        """Return an array of all cells."""
        return self.wholes([key])[key]

    def wholes(self, keys: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Return several arrays of all cells; each block is opened once."""
        columns = zip(*self.rows(keys), strict=True)
        return {key: np.concatenate(parts) for key, parts in zip(keys, columns, strict=True)}

    def discard(self, number: int) -> None:
        """Delete a block, where it is kept."""
        (self.folder / BLOCK.format(number)).unlink(missing_ok=True)

    def told(self) -> str:
        """Say how many cells are kept, and where, as the end of a sentence."""
        n_done, n_cells = self.n_cells_done(self.missing()), self.n_cells_done([])
        return f"{n_done:,} of {n_cells:,} cells are named and kept in '{self.folder}'"

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Delete the folder where nothing is done yet."""
        if self.is_empty():
            self.remove()

    def is_empty(self) -> bool:
        """Whether nothing is done yet."""
        return not any(self.folder.glob(BLOCK.format(0).replace("0000000", "*")))

    def _is_whole(self, number: int) -> bool:
        path = self.folder / BLOCK.format(number)
        try:
            with zipfile.ZipFile(path) as archive:
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


def _different(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return the keys of what differs from what is in the folder."""
    try:
        before = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    now = json.loads(json.dumps(manifest))
    return [key for key in {**before, **now} if before.get(key) != now.get(key)]
