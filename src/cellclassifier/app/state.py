"""What the page shows, as one value that changes whole."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cellclassifier.app.room import Chosen
from cellclassifier.app.steps import Checked, Named


@dataclass(frozen=True)
class Made:
    """A file that can be had.

    Parameters
    ----------
    file
        Its name in the room.
    name
        Its name where it is saved.
    n_bytes
        Its size.
    """

    file: str
    name: str
    n_bytes: int


@dataclass(frozen=True)
class State:
    """What the page shows.

    Parameters
    ----------
    cells, model
        What was chosen.
    types
        Of the model, once it is loaded.
    doing
        The step at work, in words; empty where none is.
    n_done, n_cells
        Of the cells, while they are named.
    stopping
        Whether the work was asked to end.
    error
        What went wrong last, in words.
    notes
        What is unusual, in words.
    checked, named
        What came of the cells.
    made
        What can be saved.
    """

    cells: Chosen | None = None
    model: Chosen | None = None
    types: tuple[str, ...] = ()
    doing: str = ""
    n_done: int = 0
    n_cells: int = 0
    stopping: bool = False
    error: str = ""
    notes: tuple[str, ...] = ()
    checked: Checked | None = None
    named: Named | None = None
    made: tuple[Made, ...] = ()

    def to_json(self, models: list[Path]) -> dict[str, Any]:
        """Return what the page is told.

        Parameters
        ----------
        models
            That can be picked.
        """
        return {
            "cells": self.cells and self.cells.name,
            "model": self.model and self.model.name,
            "model_path": self.model and str(self.model.path),
            "models": [{"path": str(path), "name": path.stem} for path in models],
            "types": self.types,
            "doing": self.doing,
            "n_done": self.n_done,
            "n_cells": self.n_cells,
            "stopping": self.stopping,
            "error": self.error,
            "notes": self.notes,
            "checked": self.checked and asdict(self.checked),
            "named": self.named and asdict(self.named),
            "made": [asdict(made) for made in self.made],
        }
