"""Downloading one file: going on where the line was cut, and trying again."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pooch
import requests
import urllib3

from cellclassifier.errors import DownloadError, OutputError
from cellclassifier.fetching.progress import Watcher

# fruitless tries in a row after which a download ends; one that brought bytes is not fruitless
MAX_TRIES = 5
MAX_WAIT_SECONDS = 30.0
CHUNK_BYTES = 2**18
CONNECT_SECONDS, READ_SECONDS = 30.0, 60.0
OVERLOADED = {429, 500, 502, 503, 504}
# a body as it is stored, so that its bytes can be counted; a name, since hosts refuse nameless ones
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "cellclassifier"}


class _TryAgain(Exception):  # noqa: N818  (not an error to the user)
    """A try that brought no whole file; the next one may."""


@dataclass(frozen=True)
class _Begun:
    """What is known of a download that has begun."""

    address: str
    # the strong ETag or the date by which the server proves that the rest belongs to what is here
    validator: str
    n_total: int | None

    @classmethod
    def of(cls, address: str, response: requests.Response) -> "_Begun":
        etag = response.headers.get("ETag", "W/")
        validator = response.headers.get("Last-Modified", "") if etag.startswith("W/") else etag
        length = response.headers.get("Content-Length", "")
        return cls(address, validator, int(length) if length.isdecimal() else None)


class ResumingDownloader:
    """A downloader for pooch that keeps what came so far beside the file.

    A later try, also of another process, asks for the rest only, and only where the server proves
    that the file has not changed meanwhile; else it starts afresh.

    Parameters
    ----------
    path
        The file in the cache; ``.part`` and ``.part.json`` stand beside it until it is whole.
    wait_seconds
        Before the second try; doubled for each one after.
    watch
        Called as bytes come.
    """

    def __init__(self, path: Path, *, wait_seconds: float, watch: Watcher) -> None:
        self.name = path.name
        self.part = path.with_name(f"{path.name}.part")
        self.record = path.with_name(f"{path.name}.part.json")
        self.wait_seconds = wait_seconds
        self.watch = watch
        self.sha256 = ""

    def __call__(self, address: str, output_file: str, _: object) -> None:
        """Download `address` to `output_file`.

        Raises
        ------
        DownloadError
            The server refuses, or `MAX_TRIES` tries in a row brought nothing.
        OutputError
            The cache cannot be written.
        """
        try:
            self._try_until_whole(address)
            self.sha256 = pooch.file_hash(str(self.part))
            self.part.replace(output_file)
            self.record.unlink(missing_ok=True)
        except DownloadError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write '{self.part}': {error.strerror or error}") from error

    def _try_until_whole(self, address: str) -> None:
        fruitless = 0
        while True:
            n_before = self._n_here()
            try:
                return self._go_on(address)
            except _TryAgain as problem:
                fruitless = 0 if self._n_here() > n_before else fruitless + 1
                if fruitless >= MAX_TRIES:
                    kept = "; the same command goes on from there" if self._n_here() else ""
                    raise DownloadError(
                        f"cannot download '{address}': {problem} ({fruitless} tries){kept}"
                    ) from problem
            time.sleep(min(self.wait_seconds * 2 ** max(fruitless - 1, 0), MAX_WAIT_SECONDS))

    def _go_on(self, address: str) -> None:
        begun = self._begun(address)
        n_here = self._n_here()
        if begun is not None and n_here == begun.n_total:
            return
        headers = dict(HEADERS)
        if begun is not None:
            headers |= {"Range": f"bytes={n_here}-", "If-Range": begun.validator}
        try:
            timeout = (CONNECT_SECONDS, READ_SECONDS)
            with requests.get(address, headers=headers, stream=True, timeout=timeout) as response:
                self._check_status(address, response)
                begun = self._start_or_continue(address, response, begun)
                self._write(response, begun)
        except requests.exceptions.SSLError as error:
            raise DownloadError(
                f"cannot download '{address}': the server cannot prove who it is"
            ) from error
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _TryAgain(_reason(error, self._n_here())) from error
        except requests.RequestException as error:
            raise DownloadError(f"cannot download '{address}': {error}") from error

    def _check_status(self, address: str, response: requests.Response) -> None:
        status = response.status_code
        if address.startswith("https://") and not response.url.startswith("https://"):
            raise DownloadError(f"'{address}' leads to '{response.url}', which is not encrypted")
        if status == requests.codes.requested_range_not_satisfiable:
            self._forget()
            raise _TryAgain("the server does not have the rest")
        if status in OVERLOADED:
            raise _TryAgain(f"the server answers {status} {response.reason}")
        if status not in (requests.codes.ok, requests.codes.partial_content):
            raise DownloadError(
                f"cannot download '{address}': the server answers {status} {response.reason}; "
                "the catalogue may be out of date (docs/how-to/fetch.md says how to correct it)"
            )

    def _start_or_continue(
        self, address: str, response: requests.Response, begun: _Begun | None
    ) -> _Begun:
        if response.status_code == requests.codes.ok:
            self._forget()
            begun = _Begun.of(address, response)
            self.record.write_text(json.dumps(asdict(begun)), encoding="utf-8")
            return begun
        place = response.headers.get("Content-Range", "")
        if begun is None or not place.startswith(f"bytes {self._n_here()}-"):
            self._forget()
            raise _TryAgain(f"the server sends another part of the file ('{place}')")
        return begun

    def _write(self, response: requests.Response, begun: _Begun) -> None:
        n_here = self._n_here()
        with self.part.open("ab") as part:
            for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
                part.write(chunk)
                n_here += len(chunk)
                self.watch(self.name, n_here, begun.n_total)
        if begun.n_total is not None and n_here != begun.n_total:
            if n_here > begun.n_total:
                self._forget()
            raise _TryAgain(f"{n_here:,} bytes came, not {begun.n_total:,}")

    def _begun(self, address: str) -> _Begun | None:
        """Return what is known of the part that is here, or None where it cannot be used."""
        try:
            begun = _Begun(**json.loads(self.record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        usable = begun.address == address and begun.validator and self._n_here()
        return begun if usable else None

    def _n_here(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)


def _reason(error: Exception, n_here: int) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"no answer within {READ_SECONDS:.0f} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"the line was cut after {n_here:,} bytes"
