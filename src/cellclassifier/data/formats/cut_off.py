"""Files in whose midst a command was ended that wrote into them: what lies beside them then."""

from pathlib import Path

# the last step of changing an HDF5 file, and what is new for a store, with what says it is whole
CHANGES, ANNOTATIONS, IS_WHOLE = "changes", "annotations", "whole.json"


def beside(path: Path, ending: str) -> Path:
    """Return the name of a hidden file on the same disk, also where `path` is a link.

    >>> beside(Path("/tmp/cells.h5ad"), "changes").name
    '.cells.h5ad.changes'
    """
    path = path.resolve()
    return path.with_name(f".{path.name}.{ending}")


def is_cut_off(path: Path) -> bool:
    """Whether the last step of writing into a file is not done, without which it may be broken."""
    return beside(path, CHANGES).exists() or (beside(path, ANNOTATIONS) / IS_WHOLE).exists()
