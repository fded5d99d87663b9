"""The work behind the page: one thing at a time, in a thread of its own."""

import logging
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cellclassifier.app import steps
from cellclassifier.app.room import Chosen, Kind, Room
from cellclassifier.app.state import Made, State
from cellclassifier.app.wishes import Wishes
from cellclassifier.errors import CellClassifierError, InputError, InputWarning

if TYPE_CHECKING:
    from cellclassifier.classifier import CellTypeClassifier

NAMED, TABLE, REPORT = "named.h5ad", "cell_types.csv", "report.html"
MADE = (NAMED, TABLE, REPORT)

_log = logging.getLogger(__name__)


class BusyError(InputError):
    """Something is at work; it has to end, or be stopped, before anything else."""


class _StoppedError(Exception):
    """The work was asked to end."""


class Workbench:
    """What is chosen, what is at work, and what came of it.

    Its methods return at once; what they began is told by `told`.

    Parameters
    ----------
    room
        For what is made.
    models
        A folder of models to pick from; or None.
    """

    def __init__(self, room: Room, models: Path | None = None) -> None:
        self._room, self._models = room, models and models.absolute()
        self._lock = threading.Lock()
        self._state = State()
        self._classifier: CellTypeClassifier | None = None
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> State:
        """What there is now."""
        return self._state

    def told(self) -> dict[str, Any]:
        """Return what the page is told."""
        models = [] if self._models is None else sorted(self._models.glob("*.keras"))
        return self._state.to_json(models)

    def choose(self, kind: Kind, chosen: Chosen, wishes: Wishes) -> None:
        """Take cells or a model, and check them once there are both."""

        def work() -> None:
            self._replace(kind, chosen)
            self._look(wishes)

        self._begin("reading the model" if kind == "model" else "reading the cells", work)

    def check(self, wishes: Wishes) -> None:
        """Check the cells."""
        self._begin("checking the cells", lambda: self._look(wishes))

    def annotate(self, wishes: Wishes) -> None:
        """Name the cells, and make what can be saved."""
        if self._state.cells is None or self._state.model is None:
            raise InputError("choose a file of cells and a model first")
        self._begin("reading the cells", lambda: self._annotate(wishes))

    def stop(self) -> None:
        """Ask the work to end after the block at hand, or the step."""
        with self._lock:
            if self._state.doing:
                self._state = replace(self._state, stopping=True)

    def close(self, seconds: float) -> None:
        """Stop, and wait a while for the end."""
        self.stop()
        if self._thread is not None:
            self._thread.join(seconds)

    def note(  # its arguments are those of `warnings.showwarning`
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG002
        line: str | None = None,  # noqa: ARG002
    ) -> None:
        """Take a warning: one of ours is for the user, another one for the terminal."""
        if issubclass(category, InputWarning):
            self._change(notes=(*self._state.notes, self._plain(str(message))))
        else:
            _log.warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)

    def _change(self, **values: Any) -> None:  # noqa: ANN401
        with self._lock:
            self._state = replace(self._state, **values)

    def _begin(self, doing: str, work: Callable[[], None]) -> None:
        with self._lock:
            if self._state.doing:
                raise BusyError(f"the app is {self._state.doing}; wait for it, or stop it first")
            self._state = replace(self._state, doing=doing, error="", notes=(), stopping=False)
        self._thread = threading.Thread(target=self._guarded, args=(work,), daemon=True)
        self._thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Work, and tell of whatever goes wrong as the command line does."""
        error = ""
        try:
            work()
        except _StoppedError:
            self._change(notes=(*self._state.notes, self._stopped()))
        except CellClassifierError as known:
            error = self._plain(str(known))
        except Exception as unknown:  # noqa: BLE001  (told, and logged)
            error = (
                f"internal error, {type(unknown).__name__}: {unknown}. Please report it, with the "
                f"traceback in '{_logged(unknown)}'"
            )
        finally:
            self._change(doing="", n_done=0, n_cells=0, stopping=False, error=error)

    def _stopped(self) -> str:
        if self._state.named is not None:
            return "stopped; what is there can be saved"
        if not self._state.n_done:
            return "stopped"
        return (
            f"stopped: {self._state.n_done:,} of {self._state.n_cells:,} cells are named and kept; "
            "name the cells again, and it goes on"
        )

    def _plain(self, message: str) -> str:
        """Return a message on one line, with the names that the user knows."""
        for chosen in (self._state.cells, self._state.model):
            if chosen is not None:
                message = chosen.told(message)
        return " ".join(message.split())

    def _step(self, doing: str) -> None:
        if self._state.stopping:
            raise _StoppedError
        self._change(doing=doing)

    def _replace(self, kind: Kind, chosen: Chosen) -> None:
        """Put a file in the place of another one, and forget what came of that."""
        before = self._state.model if kind == "model" else self._state.cells
        self._room.forget(before)
        self._forget_made()
        if kind == "model":
            self._classifier = None
            self._change(model=chosen, types=(), checked=None)
        else:
            self._change(cells=chosen, checked=None)

    def _forget_made(self) -> None:
        self._change(named=None, made=())
        for file in MADE:
            self._room.clear(file)

    def _loaded(self) -> "CellTypeClassifier | None":
        """Return the model, if one was chosen."""
        import cellclassifier as cc

        if self._classifier is None and self._state.model is not None:
            self._step("reading the model")
            self._classifier = cc.CellTypeClassifier.load(self._state.model.path)
            self._change(types=tuple(map(str, self._classifier.classes_)))
        return self._classifier

    def _look(self, wishes: Wishes) -> None:
        """Load what is there, and check the cells if all is there."""
        self._change(checked=None)
        classifier, cells = self._loaded(), self._state.cells
        if classifier is not None and cells is not None:
            self._step("checking the cells")
            self._change(checked=steps.check_cells(cells, classifier, wishes))

    def _annotate(self, wishes: Wishes) -> None:
        classifier, cells, model = self._loaded(), self._state.cells, self._state.model
        if classifier is None or cells is None or model is None:
            raise InputError("choose a file of cells and a model first")
        self._change(named=None, made=())
        self._step("reading the cells")
        out, table, report = (self._room.folder / file for file in MADE)
        named = steps.name_cells(cells, classifier, out, wishes, self._watch)
        self._change(named=steps.Named.of(named))
        self._keep(NAMED, f"{cells.stem}_named.h5ad")
        self._step("writing the table")
        steps.write_table(out, table)
        self._keep(TABLE, f"{cells.stem}_cell_types.csv")
        self._step("making the report")
        steps.write_report(cells, model, classifier, named, report, wishes)
        self._keep(REPORT, f"{cells.stem}_report.html")

    def _keep(self, file: str, name: str) -> None:
        made = Made(file, name, (self._room.folder / file).stat().st_size)
        self._change(made=(*self._state.made, made))

    def _watch(self, n_done: int, n_cells: int) -> None:
        """Tell of the cells that are named; end here if asked to."""
        self._change(n_done=n_done, n_cells=n_cells)
        self._step("naming the cells" if n_done < n_cells else "writing the annotated file")


def _logged(error: Exception) -> str:
    """Write a traceback to a file that outlives the room, and return its name."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="cellclassifier-app-", suffix=".log", delete=False
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    return file.name
