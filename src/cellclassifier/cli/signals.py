"""What ends a command from outside: SIGTERM is taken as Ctrl-C is, so that work is kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cellclassifier.cli.seat import Seat


@contextmanager
def interrupted_by_sigterm(seen: list[int]) -> Iterator[None]:
    """Have SIGTERM, which batch systems and containers send before they kill, do as Ctrl-C does.

    A process that another one began, and will end, is ended by it as ever: JAX may wait for others
    there, and hear of no signal.

    Parameters
    ----------
    seen
        Grows by the signal when it comes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or Seat.of_this_process() is not None:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):  # where Ctrl-C is ignored, as in the background of a shell
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)  # which may let it wait

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
