"""Who a process is among those that run one command together."""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Self

from cellclassifier.errors import CellClassifierError, LostProcessError

# who a process is, for the process itself
SEAT = "CELLCLASSIFIER_SEAT"
# shows what is otherwise kept back, where something goes wrong
TRACEBACK = "CELLCLASSIFIER_TRACEBACK"


@dataclass(frozen=True)
class Seat:
    """Who a process is among those that run one command.

    Parameters
    ----------
    number, count, coordinator
        As in `Meeting`.
    n_here
        How many of them run on this machine.
    report
        The file in which it leaves word of what went wrong.
    """

    number: int
    count: int
    coordinator: str
    n_here: int
    report: str

    @classmethod
    def of_this_process(cls) -> Self | None:
        """Return who this process is; None where it was begun by hand."""
        seat = os.environ.get(SEAT)
        return None if seat is None else cls(**json.loads(seat))

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Leave errors for the process that watches to say.

        This process ends with the one that began it; and at once after an error, since JAX would
        wait for the others.
        """
        Thread(target=_end_with_parent, daemon=True).start()
        _keep_back_messages()
        try:
            yield
        except Exception as error:  # noqa: BLE001  (whatever it is, it is passed on)
            self._leave_word(error)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)

    def _leave_word(self, error: Exception) -> None:
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        known = isinstance(error, CellClassifierError)
        text = str(error) if known else f"internal error, {type(error).__name__}: {error}"
        word = {"text": text, "is_lost": isinstance(error, LostProcessError)}
        Path(self.report).write_text(json.dumps(word), encoding="utf-8")


@contextmanager
def watched() -> Iterator[None]:
    """Do the work of a process, which may be one of several that another one began."""
    seat = Seat.of_this_process()
    with nullcontext() if seat is None else seat.taken():
        yield


def _end_with_parent() -> None:
    """End this process when the one that began it is gone, however it ended."""
    os.read(0, 1)
    os._exit(1)


def _keep_back_messages() -> None:
    """Keep what JAX and Gloo print apart from what Python does; they say it in many lines."""
    if os.environ.get(TRACEBACK):
        return
    for number, name in ((1, "stdout"), (2, "stderr")):
        shown = os.fdopen(os.dup(number), "w", buffering=1, encoding="utf-8", errors="replace")
        setattr(sys, name, shown)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, number)
        os.close(nothing)
