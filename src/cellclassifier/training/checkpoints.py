"""The state of a training after each epoch, kept on disk, so that it can go on after an end."""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import OutputError

FACTS = "facts"
STATE = "epoch"  # of names

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoints:
    """States by the name of what is trained; numbers and texts, nothing pickled.

    Parameters
    ----------
    folder
        Where they are kept; None keeps none.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = Checkpoints(Path(folder))
    ...     kept.save("towers", {"epoch": 3}, {"kernel": np.zeros(2)})
    ...     facts, arrays = kept.load("towers")
    ...     facts, arrays["kernel"].tolist(), kept.load("refit")
    ({'epoch': 3}, [0.0, 0.0], None)
    """

    folder: Path | None = None

    def load(self, stage: str) -> tuple[dict[str, Any], Arrays] | None:
        """Return what was saved last, or None where nothing was or it cannot be read."""
        if self.folder is None:
            return None
        try:
            with (
                self._path(self.folder, stage).open("rb") as stream,
                np.load(stream, allow_pickle=False) as state,
            ):
                arrays = {name: state[name] for name in state.files}
            return json.loads(str(arrays.pop(FACTS))), arrays
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return None

    def n_epochs_done(self) -> int:
        """Return the number of the last epoch of the training that was kept last; 0 for none."""
        if self.folder is None:
            return 0
        kept = sorted(self.folder.glob(f"{STATE}_*.npz"), key=lambda path: path.stat().st_mtime)
        try:
            with np.load(kept[-1], allow_pickle=False) as state:
                return len(json.loads(str(state[FACTS]))["history"])
        except (IndexError, OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            return 0

    def save(self, stage: str, facts: dict[str, Any], arrays: Arrays) -> None:
        """Keep a state in the place of the one before, whole or not at all.

        Raises
        ------
        OutputError
            The disk is full, or cannot be written.
        """
        if self.folder is None:
            return
        path = self._path(self.folder, stage)
        temporary = path.with_name(f".part-{path.name}")
        try:
            state: dict[str, Any] = {FACTS: np.array(json.dumps(facts)), **arrays}
            np.savez(temporary, **state)
            os.replace(temporary, path)  # noqa: PTH105  (one step, also where `path` exists)
        except OSError as error:
            raise OutputError(
                f"cannot keep the state of the training in '{self.folder}': "
                f"{error.strerror or error}. Make room, and run the same command again: it goes on "
                "from the epoch before"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    @staticmethod
    def _path(folder: Path, stage: str) -> Path:
        return folder / f"{STATE}_{stage}.npz"
