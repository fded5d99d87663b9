"""Who may ask the local page for something: who has its address, and no foreign page."""

import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
# A browser can be sent to this machine under any name whose owner lets it point here (DNS
# rebinding); under these names it goes nowhere else.
HOST_NAMES = frozenset({LOOPBACK, "localhost"})
TOKEN_BYTES = 32


def _new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True)
class Gate:
    """The token that stands first in the path of every address, and the checks of a request.

    Parameters
    ----------
    token
        A random one of 256 bits unless it is given.

    Examples
    --------
    >>> gate = Gate("secret")
    >>> gate.refusal(host="localhost:8642", origin=None, path="/secret/state")
    >>> gate.refusal(host="localhost:8642", origin=None, path="/guess/state")
    'this address lacks the token of the running app; use the one that it printed'
    """

    token: str = field(default_factory=_new_token, repr=False)

    @property
    def path(self) -> str:
        """Of the page."""
        return f"/{self.token}/"

    def address(self, port: int) -> str:
        """Return the address of the page."""
        return f"http://{LOOPBACK}:{port}{self.path}"

    def refusal(self, *, host: str | None, origin: str | None, path: str) -> str | None:
        """Return why a request is refused, or None.

        Parameters
        ----------
        host, origin
            The headers of these names; None where there is none.
        path
            Of the address, with the token first.
        """
        if host is None or _name_of(host) not in HOST_NAMES:
            return f"the page answers to {' and '.join(sorted(HOST_NAMES))} only"
        if origin is not None and origin != f"http://{host}":
            return "the page takes no requests of other pages"
        given = path.removeprefix("/").partition("/")[0]
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return "this address lacks the token of the running app; use the one that it printed"
        return None

    def inner_path(self, path: str) -> str:
        """Return the path behind the token, of a request that was not refused.

        >>> Gate("secret").inner_path("/secret/files/report.html")
        '/files/report.html'
        """
        return path.removeprefix(f"/{self.token}") or "/"


def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
