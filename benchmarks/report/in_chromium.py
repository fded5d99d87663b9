"""Pages opened in headless Chromium, in turns, and how long each took."""

import io
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver

PATIENCE = 60.0
# of 255: how far apart the parts of a colour are that is no grey
COLOURED = 60
IS_READY = "return document.documentElement.dataset.ready === 'yes'"


@dataclass
class Seen:
    """What was seen of a page: seconds from the call until it says that all is drawn, each time.

    `coloured` is the share of the window that is neither white nor black nor grey: a page may say
    that it is ready, and have drawn nothing.
    """

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    coloured: float = 0.0


def chromium() -> webdriver.Chrome:
    """Return a browser without a window; use it in a ``with`` statement."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for switch in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{switch}")
    options.add_argument("--window-size=1400,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    return webdriver.Chrome(options=options, service=service)


def wait_until_ready(browser: webdriver.Chrome) -> None:
    """Wait until a page says in its root's ``data-ready`` that all is drawn."""
    start = time.perf_counter()
    while time.perf_counter() - start < PATIENCE and not browser.execute_script(IS_READY):
        time.sleep(0.01)


def opened_pages(pages: Mapping[str, Path], n_repeats: int) -> dict[str, Seen]:
    """Open pages one after another, all of them so many times."""
    seen = {name: Seen() for name in pages}
    with chromium() as browser:
        for _ in range(n_repeats):
            for name, path in pages.items():
                _open(browser, path, seen[name])
    return seen


def _open(browser: webdriver.Chrome, path: Path, seen: Seen) -> None:
    start = time.perf_counter()
    browser.get(path.absolute().as_uri())
    wait_until_ready(browser)
    seen.seconds.append(time.perf_counter() - start)
    seen.coloured = _coloured(browser.get_screenshot_as_png())
    entries = browser.get_log("browser")  # type: ignore[no-untyped-call]
    seen.errors += [entry["message"][:200] for entry in entries if entry["level"] == "SEVERE"]


def _coloured(picture: bytes) -> float:
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(np.int16)
    return float((np.ptp(pixels, axis=2) > COLOURED).mean())
