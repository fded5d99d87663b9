"""The application: commands by name, errors in one line."""

import gc
import os
import sys
import warnings
from importlib.metadata import version
from typing import NoReturn, TextIO

from cyclopts import App, CycloptsError

from cellclassifier.cli.launching import ARGUMENTS
from cellclassifier.cli.seat import TRACEBACK, watched
from cellclassifier.cli.signals import interrupted_by_sigterm
from cellclassifier.errors import CellClassifierError, InputWarning

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
TERMINATED = 143

# how many new objects, and times of the younger generation, make Python look for garbage: importing
# makes a million objects, none of them garbage, among which it would look half a second long
RARELY = (10_000, 10, 10)

# name -> the module of this package that holds it, and its line in the help
COMMANDS = {
    "check": ("check", "Say what a file holds, and how well a model can name its cells."),
    "train": ("train", "Train a classifier on labelled cells."),
    "annotate": ("annotate", "Name the type of each cell of a file."),
    "evaluate": ("commands", "Score annotated cells against their true types."),
    "explain": ("explain", "Say which genes speak for each type."),
    "inspect": ("commands", "Show what a model file says, or a network of the original study."),
    "import": ("import_model", "Make a model file of a whole-model .h5 file of Keras 2."),
    "export": ("export", "Write the network of a model for other programs."),
    "genes": ("commands", "Rank genes by how well their counts tell the types apart."),
    "panel": ("panel", "Choose few genes that tell the types apart, and say how well."),
    "tune": ("tune", "Search the settings under which a network names cells best."),
    "fetch": ("fetch", "Download a published set of cells, and write it to one file."),
    "app": ("serve", "Name cells on a page in the browser, on this computer alone."),
    "demo": (
        "commands",
        "Train, evaluate, annotate and save on 700 real blood cells, without network.",
    ),
}
# the commands of `plot`, functions of cli/plot.py
PLOTS = {
    "confusion": "Draw the confusion matrix of annotated cells.",
    "reliability": "Draw accuracy against confidence.",
    "answered": "Draw the accuracy over the surest cells against their share.",
    "genes": "Draw the genes that speak for each type.",
    "embedding": "Draw cells in a plane, coloured by a column.",
    "panel": "Draw what panels of each size reach.",
}
# name -> the function of that module, where it cannot have the command's name
FUNCTIONS = {"import": "import_model"}


def build_app() -> App:
    """Return the application; a command is imported when it is called."""
    app = App(
        name="cellclassifier",
        help="Names the cell types of single-cell RNA-seq cells from their counts.",
        version=lambda: version("cellclassifier"),
        help_format="plaintext",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    for name, (module, summary) in COMMANDS.items():
        function = FUNCTIONS.get(name, name)
        app.command(f"cellclassifier.cli.{module}:{function}", name=name, help=summary)
    plot = App(name="plot", help="Draw a figure: PNG, SVG or PDF.")
    for name, summary in PLOTS.items():
        plot.command(f"cellclassifier.cli.plot:{name}", name=name, help=summary)
    app.command(plot)
    app.register_install_completion_command(help="Set up completion in the shell at hand.")
    return app


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command; an error is one line on stderr and a non-zero status, never a traceback."""
    warnings.showwarning = _show_warning
    gc.set_threshold(*RARELY)
    ARGUMENTS.set(sys.argv[1:] if arguments is None else arguments)
    terminated: list[int] = []
    try:
        with watched(), interrupted_by_sigterm(terminated):
            build_app()(arguments)
    except CellClassifierError as error:
        _fail(str(error), FAILED)
    except CycloptsError as error:
        _fail(f"{error} (cellclassifier --help lists the options)", MISUSED)
    except KeyboardInterrupt as interrupt:
        status = TERMINATED if terminated else INTERRUPTED
        _fail(str(interrupt) or "interrupted; nothing was written", status)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        _fail(
            f"internal error, {type(error).__name__}: {error}. Please report it, with the "
            f"traceback that {TRACEBACK}=1 shows",
            FAILED,
        )
    sys.exit(0)


def _fail(message: str, status: int) -> NoReturn:
    _tell(message)
    sys.exit(status)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of ours as one line, and that of another package as Python does."""
    if issubclass(category, InputWarning):
        _tell(f"note: {message}")
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        (file or sys.stderr).write(text)


def _tell(message: str) -> None:
    print(f"cellclassifier: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
