"""How files of labelled cells are gone through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cellclassifier.classifier.storage import Storage
from cellclassifier.classifier.streaming_progress import CellsWatcher, watch_no_cells
from cellclassifier.classifier.uniting import GenesOf
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.training import Watcher, watch_nothing


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
        Called with where the cells are trained on; its text says why.
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
    tell: Callable[[Storage], object] = str
    watch_cells: CellsWatcher = watch_no_cells
    watch: Watcher = watch_nothing
