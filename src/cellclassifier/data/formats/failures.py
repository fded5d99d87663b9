"""What is said of a file that a library cannot read."""

from pathlib import Path

from cellclassifier.errors import FileFormatError

# what h5py, zarr, anndata, pandas and SciPy raise where a file is not what it has to be
READ_ERRORS = (
    OSError, EOFError, KeyError, IndexError, ValueError, TypeError, AttributeError, AssertionError,
    OverflowError, RuntimeError, NotImplementedError,
)  # fmt: skip


def cannot_read(path: Path, kind: str, error: Exception) -> FileFormatError:
    """Return the error that says why `path` cannot be read as `kind`, in one line."""
    return FileFormatError(f"'{path}' cannot be read as {kind}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its type where it says nothing."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, BlockingIOError):
        return error.strerror.splitlines()[0]
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0]
