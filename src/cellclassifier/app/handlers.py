"""What the server answers to each address, once the gate has let a request pass."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.web import HTTPError, RequestHandler, StaticFileHandler, stream_request_body

from cellclassifier.app.completion import completions
from cellclassifier.app.page import page_text, script_text, style_text
from cellclassifier.app.room import Chosen, Kind, Room, Upload, chosen_by_path
from cellclassifier.app.wishes import Wishes
from cellclassifier.app.workbench import MADE, REPORT, BusyError, Workbench
from cellclassifier.errors import CellClassifierError, InputError, OutputError

BUSY, TOO_LARGE, NO_ROOM, NO_LENGTH, WRONG, REFUSED = 409, 413, 507, 411, 400, 403

# the page runs its own script only, and asks nobody else for anything
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# the report has texts of the file in it: it runs without an origin, so that nothing in it could
# ask this server for something, not even in a tab of its own
REPORT_POLICY = (
    "sandbox allow-scripts allow-modals allow-downloads; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "X-Content-Type-Options": "nosniff",
}
STATUSES = {BusyError: BUSY, OutputError: NO_ROOM, CellClassifierError: WRONG}


class Answering(RequestHandler):
    """An answer with the headers of all, and errors as JSON."""

    def set_default_headers(self) -> None:
        """Set what every answer has."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401, ARG002
        """Tell what went wrong: of errors of ours, with the fix."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = "internal error; the terminal of the app has the traceback"
        if isinstance(error, CellClassifierError):
            kinds = (status for kind, status in STATUSES.items() if isinstance(error, kind))
            self.set_status(next(kinds))
            message = str(error)
        elif isinstance(error, HTTPError):
            message = error.log_message or self._reason
        self.finish({"error": message})

    def log_exception(self, *error: Any) -> None:  # noqa: ANN401
        """Say nothing in the terminal of what the page is told."""
        if not isinstance(error[1], CellClassifierError):
            super().log_exception(*error)


@stream_request_body
class Refusal(Answering):
    """The answer to what the gate does not let pass, before a byte of the body is read."""

    def initialize(self, why: str) -> None:
        """Store the reason."""
        self.why = why

    def prepare(self) -> None:
        """Refuse."""
        self.set_status(REFUSED)
        self.set_header("Connection", "close")
        self.finish({"error": self.why})

    def data_received(self, chunk: bytes) -> None:
        """Take nothing."""


class Entrance(Answering):
    """The way from an address that is good for once to that of the page."""

    def initialize(self, address: str) -> None:
        """Store where to."""
        self.address = address

    def get(self) -> None:
        """Send the browser there."""
        self.redirect(self.address)


class PagePart(Answering):
    """The page, its style, or its script."""

    def initialize(self, text: Callable[[], str], kind: str) -> None:
        """Store what to answer."""
        self.text, self.kind = text, kind

    def get(self) -> None:
        """Answer it."""
        self.set_header("Content-Type", f"{self.kind}; charset=utf-8")
        self.finish(self.text())


class AtWork(Answering):
    """An answer of the workbench."""

    def initialize(self, workbench: Workbench) -> None:
        """Store it."""
        self.workbench = workbench

    def told(self) -> dict[str, Any]:
        """Return the JSON object that the page sent."""
        # a page elsewhere cannot send this kind without asking first, and would be refused
        if self.request.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            raise InputError("the page sends application/json")
        return as_object(self.request.body)


class StateOf(AtWork):
    """What there is."""

    def get(self) -> None:
        """Answer it."""
        self.finish(self.workbench.told())


class Order(AtWork):
    """Something to be done."""

    def post(self, what: str) -> None:
        """Begin it, and answer what there is then."""
        told = self.told()
        if what == "stop":
            self.workbench.stop()
        else:
            {"check": self.workbench.check, "annotate": self.workbench.annotate}[what](
                Wishes.of(told)
            )
        self.finish(self.workbench.told())


class Choice(AtWork):
    """A file of this machine, by its path."""

    def post(self, kind: Kind) -> None:
        """Choose it."""
        told = self.told()
        chosen = chosen_by_path(str(told.pop("path", "")))
        self.workbench.choose(kind, chosen, Wishes.of(told))
        self.finish(self.workbench.told())


class Completion(Answering):
    """What a path that is being typed could become."""

    def get(self) -> None:
        """Answer it."""
        self.finish({"paths": completions(self.get_query_argument("path", ""))})


@stream_request_body
class UploadOf(AtWork):
    """A file that the page sends; it goes to the disk piece by piece."""

    def initialize(self, workbench: Workbench, room: Room, max_bytes: int) -> None:  # type: ignore[override]
        """Store where to and how much."""
        super().initialize(workbench)
        self.room, self.max_bytes = room, max_bytes
        self.upload: Upload | None = None
        self.wishes = Wishes()

    def prepare(self) -> None:
        """Refuse at once what is too large, of another kind, or in the way."""
        if self.request.method != "PUT":
            return
        kind: Any = self.path_args[0]
        name = self.get_query_argument("name")
        self.wishes = Wishes.of(as_object(self.get_query_argument("wishes", "{}")))
        if self.workbench.state.doing:
            raise BusyError(f"the app is {self.workbench.state.doing}; wait for it, or stop it")
        n_bytes = self._announced()
        if n_bytes > self.max_bytes:
            self.set_header("Connection", "close")
            raise HTTPError(
                TOO_LARGE,
                f"the file has {n_bytes / 1e9:,.3g} GB, and {self.max_bytes / 1e9:,.3g} GB can be "
                "dropped; give its path instead, or start the app with a larger --max-upload",
            )
        self.request.connection.set_max_body_size(self.max_bytes)  # type: ignore[union-attr]
        self.upload = self.room.begin_upload(kind, name, n_bytes)

    def _announced(self) -> int:
        length = self.request.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise HTTPError(NO_LENGTH, "a file is sent with its Content-Length")
        return int(length)

    def data_received(self, chunk: bytes) -> None:
        """Take the next piece."""
        if self.upload is not None:
            self.upload.write(chunk)

    def put(self, kind: Kind) -> None:
        """Choose it, whole."""
        if self.upload is None:
            raise InputError("nothing was sent")
        chosen: Chosen = self.upload.finish()
        try:
            self.workbench.choose(kind, chosen, self.wishes)
        except BusyError:
            self.room.forget(chosen)
            raise
        self.finish(self.workbench.told())

    def on_finish(self) -> None:
        """Leave nothing of what was not finished."""
        if self.upload is not None:
            self.upload.abandon()

    def on_connection_close(self) -> None:
        """Leave nothing of what was broken off."""
        self.on_finish()


class Download(StaticFileHandler, Answering):
    """A file that was made, whole or in parts, to be saved; or the report, to be looked at."""

    def initialize(self, path: str, workbench: Workbench) -> None:  # type: ignore[override]
        """Store the folder, and what was made."""
        super().initialize(path)
        self.workbench = workbench

    async def get(self, path: str, include_body: bool = True) -> None:  # noqa: FBT001, FBT002
        """Answer a file that is finished."""
        names = {made.file: made.name for made in self.workbench.state.made}
        if path not in names:
            raise HTTPError(404, "there is no such file yet; name the cells first")
        if path == REPORT:
            self.set_header("Content-Security-Policy", REPORT_POLICY)
        if path != REPORT or self.get_query_argument("save", None) is not None:
            self.set_header("Content-Disposition", _attached(names[path]))
        await super().get(path, include_body)

    def compute_etag(self) -> None:
        """Compute none: it would read the whole file."""

    def set_extra_headers(self, path: str) -> None:  # noqa: ARG002
        """Have nothing kept: the next file of this name is another one."""
        self.set_header("Cache-Control", "no-store")

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """Return what tells versions apart, without reading the file."""
        return str(Path(abspath).stat().st_mtime_ns)


class Ending(AtWork):
    """The button that closes the app."""

    def initialize(self, workbench: Workbench, end: Callable[[], None]) -> None:  # type: ignore[override]
        """Store how."""
        super().initialize(workbench)
        self.end = end

    def post(self) -> None:
        """Close."""
        self.told()
        self.finish({"closed": True})
        self.end()


def as_object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a text.

    >>> as_object("[]")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: the page sends a JSON object
    """
    try:
        told = json.loads(text)
    except ValueError as error:
        raise InputError(f"what the page sent is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise InputError("the page sends a JSON object")
    return told


def _attached(name: str) -> str:
    """Return the header that has a browser save a file under a name.

    >>> _attached('a"b.csv')
    "attachment; filename*=UTF-8''a%22b.csv"
    """
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def routes(
    workbench: Workbench, room: Room, max_bytes: int, end: Callable[[], None]
) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Return what answers which path, behind the token."""
    at_work = {"workbench": workbench}
    page = {"text": lambda: page_text(max_bytes), "kind": "text/html"}
    files = "|".join(file.replace(".", r"\.") for file in MADE)
    return [
        (r"/", PagePart, page),
        (r"/app\.css", PagePart, {"text": style_text, "kind": "text/css"}),
        (r"/app\.js", PagePart, {"text": script_text, "kind": "text/javascript"}),
        (r"/state", StateOf, at_work),
        (r"/(check|annotate|stop)", Order, at_work),
        (r"/choose/(cells|model)", Choice, at_work),
        (r"/completions", Completion, {}),
        (r"/upload/(cells|model)", UploadOf, {**at_work, "room": room, "max_bytes": max_bytes}),
        (rf"/files/({files})", Download, {**at_work, "path": str(room.folder)}),
        (r"/close", Ending, {**at_work, "end": end}),
    ]
