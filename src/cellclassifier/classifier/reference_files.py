"""How files of labelled cells are gone through."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellclassifier.classifier.storage import Storage
from cellclassifier.classifier.streaming_progress import watch_no_cells
from cellclassifier.classifier.uniting import GenesOf
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.errors import InputError
from cellclassifier.training import Watcher, watch_nothing
from cellclassifier.training.progress import CellsWatcher


def check_distinct(paths: Sequence[Path]) -> None:
    """Refuse no file, and the same file twice.

    Cells that stand twice would be trained on and set apart, and the accuracy would be too good.

    Raises
    ------
    InputError
        There is none, or one is given twice, by other names too.
    """
    if not paths:
        raise InputError("there is no file of labelled cells; give one or more")
    seen: dict[Path, Path] = {}
    for path in paths:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            which = f"'{path}' stands twice" if first == path else f"'{path}' is '{first}'"
            raise InputError(
                f"{which} among the files of labelled cells: its cells would count as twice as "
                "many, and the model be tested on cells that it was trained on; give each file once"
            )


@dataclass(frozen=True)
class GoesOn:
    """A training that was ended, and is gone on with.

    Parameters
    ----------
    n_cells
        Whose counts are kept, so that no file is gone through again.
    n_epochs
        That are done.

    Examples
    --------
    >>> str(GoesOn(20_000, 3))
    'goes on where it was: the counts of 20,000 cells are kept, and 3 epochs are done'
    """

    n_cells: int
    n_epochs: int

    def __str__(self) -> str:
        epochs = f"{self.n_epochs} epoch{'s are' if self.n_epochs != 1 else ' is'} done"
        done = f", and {epochs}" if self.n_epochs else ""
        return f"goes on where it was: the counts of {self.n_cells:,} cells are kept{done}"


@dataclass(frozen=True, kw_only=True)
class ReferenceFiles:
    """How files of labelled cells are gone through.

    Parameters
    ----------
    strict
        Whether to refuse cells without a label, instead of leaving them out.
    batch_key
        As in `CellTypeClassifier.fit`; of several files, the same value is the same batch.
    label_map
        What each label is to become, such as `read_label_map` reads it; None leaves them.
    genes_of
        Of several files: ``"shared"`` looks at the genes that all of them measured; ``"all"`` at
        those that any did, and takes what a file did not measure for no counts.
    genes_in
        As in `read_cells`.
    from_disk
        Whether to leave the cells on disk; None reads them into memory where they fit.
    memory_gb
        What training in memory may take; None for half of what is free.
    tell
        Called with where the cells are trained on, whose text says why; and where a training goes
        on, with how far it is.
    watch_cells
        Called after each block of cells, in two passes over the files.
    watch
        Called after each epoch.
    """

    strict: bool = False
    batch_key: str | None = None
    label_map: Mapping[str, str] | None = None
    genes_of: GenesOf = "shared"
    genes_in: GenesIn | None = None
    from_disk: bool | None = None
    memory_gb: float | None = None
    tell: Callable[[Storage | GoesOn], object] = str
    watch_cells: CellsWatcher = watch_no_cells
    watch: Watcher = watch_nothing
