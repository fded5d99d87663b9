"""The command ``app``: the same in a browser, for people who use no terminal."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

import webbrowser
from pathlib import Path
from threading import Thread

from cellclassifier.cli.console import say
from cellclassifier.cli.options import Switch


def app(
    *,
    models: Path | None = None,
    port: int = 8642,
    no_browser: Switch = False,
    max_upload: float = 4.0,
    scratch: Path | None = None,
) -> None:
    """Name cells on a page in the browser, which this computer alone can reach.

    The page is at an address of this computer (127.0.0.1) with a random token, and whoever has it
    can use the page: keep it to yourself. Ctrl-C, or the button on the page, closes the app and
    removes its temporary files.

    Parameters
    ----------
    models
        A folder with model files, to pick from on the page.
    port
        Of the page; another free one is taken where it is in use.
    no_browser
        Print the address only.
    max_upload
        The largest file that can be dropped on the page, in GB. One whose path is typed can be of
        any size.
    scratch
        The folder for temporary files, which need the room of what is dropped and of what is made
        of it; else the system's.
    """
    from cellclassifier.app import serve

    def opened(address: str, entrance: str) -> None:
        say(f"the app is at {address}")
        say("Ctrl-C closes it, and removes its temporary files")
        if not no_browser:
            # by an address that is good for once: all users can see how a browser was started; and
            # in a thread, for a browser may take its time, or the terminal
            Thread(target=webbrowser.open, args=(entrance,), daemon=True).start()

    serve(models=models, port=port, max_gb=max_upload, scratch=scratch, opened=opened)
    say("closed; the temporary files are removed")
