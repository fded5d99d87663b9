"""The one place that imports Optuna, and keeps it quiet while we work with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from cellclassifier.errors import MissingExtraError

try:
    import optuna
except ModuleNotFoundError as error:
    raise MissingExtraError(
        f"tuning needs the package '{error.name}', which is not installed: "
        "pip install 'cellclassifier[tune]'"
    ) from error

__all__ = ["optuna", "quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Optuna logs to stderr: our progress bar and table say it."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
