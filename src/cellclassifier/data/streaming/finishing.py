"""What a command left that was ended while it wrote into a file."""

from pathlib import Path

from cellclassifier.data.formats.cut_off import is_cut_off
from cellclassifier.data.streaming.in_store import finish_store
from cellclassifier.data.streaming.patching import finish_patches


def finish_changes(path: Path) -> None:
    """Finish the last step of writing into a file, or take back what came before it, if any.

    Raises
    ------
    OutputError
        Another command writes into it, or it cannot be finished.
    """
    if path.is_dir():
        finish_store(path)
    else:
        finish_patches(path)


def finish_cut_off(path: Path) -> None:
    """Finish the last step alone, without which a file may not be whole.

    Raises
    ------
    OutputError
        Another command writes into it, or it cannot be finished.
    """
    if is_cut_off(path):
        finish_changes(path)
