"""What the commands do for ``--report``."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cellclassifier.cli.console import say
from cellclassifier.errors import OutputError

NAME = "cellclassifier"


@contextmanager
def reporting_to(path: Path, done: str) -> Iterator[None]:
    """Show that a report is being made; where it fails, say what is done all the same.

    Parameters
    ----------
    path
        Of the report.
    done
        What is there whether or not the report is, in words.

    Raises
    ------
    OutputError
        Anything went wrong in the block.
    """
    try:
        with Console(stderr=True).status(Text(f"making {path}")):
            yield
    except Exception as error:
        raise OutputError(
            f"{done}, but the report '{path}' could not be made: {str(error) or repr(error)}"
        ) from error
    say(f"wrote {path}")


def command_line() -> dict[str, str]:
    """Return the command at hand as a line of a report; nothing where Python was called."""
    if Path(sys.argv[0]).stem not in (NAME, "__main__"):
        return {}
    return {"command": shlex.join([NAME, *sys.argv[1:]])}
