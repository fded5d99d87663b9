"""The server of the local page: on the loopback address, until it is closed."""

import asyncio
import signal
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.web import Application

from cellclassifier.app.gate import LOOPBACK, Gate
from cellclassifier.app.handlers import Answering, Entrance, Refusal, routes
from cellclassifier.app.room import Room
from cellclassifier.app.workbench import Workbench
from cellclassifier.errors import InputError, InputWarning, OutputError

if TYPE_CHECKING:
    from tornado.web import _HandlerDelegate

DEFAULT_PORT, LAST_PORT = 8642, 65535
DEFAULT_MAX_GB = 4.0
# of what is no file
MAX_REQUEST_BYTES = 64 * 2**10
# for a block of cells that is being named when the app is closed
SECONDS_TO_END = 10.0


class _Guarded(Application):
    """Routes behind a gate, which every request passes before it is looked at.

    Parameters
    ----------
    gate
        Of all requests.
    entrance
        Of one request, which is sent on to the page.
    """

    def __init__(self, gate: Gate, entrance: Gate, *args: Any, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **settings)
        self._gate = gate
        self._entrance: Gate | None = entrance

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> "_HandlerDelegate":  # noqa: ANN401
        """Return what answers a request: a refusal unless it has the token."""
        headers = request.headers
        host, origin, path = headers.get("Host"), headers.get("Origin"), request.path
        if self._entrance and not self._entrance.refusal(host=host, origin=origin, path=path):
            self._entrance = None
            return self.get_handler_delegate(request, Entrance, {"address": self._gate.path})
        why = self._gate.refusal(host=host, origin=origin, path=path)
        if why is not None:
            return self.get_handler_delegate(request, Refusal, {"why": why})
        request.path = self._gate.inner_path(request.path)
        return super().find_handler(request, **kwargs)


class AppServer:
    """The server, bound to its port.

    Parameters
    ----------
    workbench, room
        What it works on.
    port
        Another free one is taken where this is in use; 0 takes any.
    max_bytes
        The largest upload.

    Raises
    ------
    OutputError
        No port can be had.
    """

    def __init__(
        self,
        workbench: Workbench,
        room: Room,
        *,
        port: int = DEFAULT_PORT,
        max_bytes: int = int(DEFAULT_MAX_GB * 1e9),
    ) -> None:
        self.workbench = workbench
        self.gate, self._entrance = Gate(), Gate()
        self._room, self._max_bytes = room, max_bytes
        self._socket = _bound(port)
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def address(self) -> str:
        """Of the page, with the token."""
        return self.gate.address(self._socket.getsockname()[1])

    @property
    def entrance(self) -> str:
        """Leads to the page once: for the command line of a browser, which all users can see."""
        return self._entrance.address(self._socket.getsockname()[1])

    async def run(self, ready: Callable[[], object] = lambda: None) -> None:
        """Serve until `end` is called.

        Parameters
        ----------
        ready
            Called once requests are answered.
        """
        self._loop = asyncio.get_running_loop()
        own = routes(self.workbench, self._room, self._max_bytes, self._ended.set)
        application = _Guarded(
            self.gate,
            self._entrance,
            [(path, handler, given) for path, handler, given in own],
            default_handler_class=_Missing,
            log_function=lambda _: None,  # addresses hold the token
        )
        server = HTTPServer(application, max_body_size=MAX_REQUEST_BYTES)
        server.add_socket(self._socket)
        try:
            ready()
            await self._ended.wait()
        finally:
            server.stop()
            await server.close_all_connections()

    def end(self) -> None:
        """Have it end, from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)


class _Missing(Answering):
    """The answer to addresses that are not there."""

    def prepare(self) -> None:
        """Answer so."""
        self.set_status(404)
        self.finish({"error": "there is nothing at this address"})


def serve(
    *,
    models: Path | None = None,
    port: int = DEFAULT_PORT,
    max_gb: float = DEFAULT_MAX_GB,
    scratch: Path | None = None,
    opened: Callable[[str, str], object],
) -> None:
    """Serve the page until it is closed, by its button, by Ctrl-C or by the system.

    Parameters
    ----------
    models
        A folder of models to pick from.
    port
        As in `AppServer`.
    max_gb
        The largest file that can be dropped, in GB of 10^9 bytes.
    scratch
        The folder for temporary files.
    opened
        Called once the page can be opened, with its address, and with another one that leads there
        once.

    Raises
    ------
    InputError
        An option has a value that it cannot have.
    OutputError
        There is no place for temporary files, or no port.

    Examples
    --------
    >>> serve(max_gb=0, opened=print)
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: the largest upload is a positive number of GB, not 0
    """
    _check(models, port, max_gb)
    with Room.made(scratch) as room, warnings.catch_warnings():
        workbench = Workbench(room, models)
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = workbench.note
        server = AppServer(workbench, room, port=port, max_bytes=int(max_gb * 1e9))
        try:
            asyncio.run(_until_closed(server, opened))
        except KeyboardInterrupt:
            pass  # where there are no handlers of signals
        finally:
            workbench.close(SECONDS_TO_END)


async def _until_closed(server: AppServer, opened: Callable[[str, str], object]) -> None:
    if threading.current_thread() is threading.main_thread():
        _end_by_signals(server)
    await server.run(lambda: opened(server.address, server.entrance))


def _end_by_signals(server: AppServer) -> None:
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            try:
                loop.add_signal_handler(number, server.end)
            except NotImplementedError:  # Windows
                return


def _check(models: Path | None, port: int, max_gb: float) -> None:
    if models is not None and not models.is_dir():
        raise InputError(f"there is no folder '{models}'; --models names one with .keras files")
    if not 0 <= port <= LAST_PORT:
        raise InputError(f"a port is a number from 0 to {LAST_PORT:,}, not {port}")
    if not max_gb > 0:
        raise InputError(f"the largest upload is a positive number of GB, not {max_gb:g}")


def _bound(port: int) -> socket.socket:
    """Return a socket at a port of the loopback address, or at a free one."""
    for wanted in dict.fromkeys((port, 0)):
        try:
            listening = socket.create_server((LOOPBACK, wanted))
        except OSError as error:
            last = error
        else:
            listening.setblocking(False)  # noqa: FBT003
            return listening
    raise OutputError(f"no port of {LOOPBACK} can be had: {last.strerror or last}; try --port")
