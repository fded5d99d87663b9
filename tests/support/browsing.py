"""Reports opened in a browser: names made to break them, and what the browser saw."""

import json
import time

from streamed_cells import KEY, TYPES

# what a careless page would run, or end a script with, or make an element of
NASTY = (
    "<script>alert(1)</script>",
    "</script><b id='injected'>B",
    "\"'><img src=x onerror=alert(2)>",
)
N_CELLS = 45


def nastily_named(cells):
    cells.obs[KEY] = cells.obs[KEY].map(dict(zip(TYPES, NASTY, strict=True)))
    cells.obs_names = [f"<i>cell{number}</i>" for number in range(cells.n_obs)]
    return cells


def wait_until(browser, condition, seconds=30):
    end = time.monotonic() + seconds
    while not browser.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < end, f"after {seconds} s still not: {condition}"
        time.sleep(0.05)


def drop_logs(browser):
    for kind in ("browser", "performance"):
        browser.get_log(kind)


def requested(browser):
    """Return the addresses that the page asked for, but for data that lie in it."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    return [address for address in addresses if not address.startswith(("data:", "blob:"))]
