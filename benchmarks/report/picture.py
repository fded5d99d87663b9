"""Draw docs/images/report.png: the head, the map and the genes of a report on real cells.

    python benchmarks/report/picture.py

A model of the sorted blood cells names pbmc3k; the parts between are left out of the picture.
"""

import argparse
import base64
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from in_chromium import chromium, wait_until_ready
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
PICTURE = ROOT / "docs" / "images" / "report.png"
LEFT_OUT = ("input", "types", "doubt", "depth", "provenance")
WIDTH = 1280
BAR_HEIGHT = 80
HIDE = "for (const id of arguments[0]) document.getElementById(id).style.display = 'none';"


def main() -> None:
    """Train where no model is given, name the cells, open the report, and save the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="of zheng_sorted_merged; trained if left out")
    given = parser.parse_args().model
    with tempfile.TemporaryDirectory(prefix="picture-") as folder:
        model, report = given or Path(folder, "model.keras"), Path(folder, "report.html")
        if given is None:
            cells = DATA / "zheng_sorted_merged.h5ad"
            sizes = ("--library-size-key", "n_counts_all_genes")
            run("train", cells, "--labels-key", "cell_type", *sizes, "--out", model)
        named = Path(folder, "named.csv")
        run("annotate", DATA / "pbmc3k.h5ad", "--model", model, "--out", named, "--report", report)
        picture = Image.open(io.BytesIO(photographed(report)))
    picture.convert("RGB").save(PICTURE, optimize=True)


def photographed(report: Path) -> bytes:
    """Return a picture of some parts of a report, PNG."""
    with chromium() as browser:
        browser.set_window_size(WIDTH, 900)
        browser.get(report.as_uri())
        wait_until_ready(browser)
        browser.execute_script(HIDE, LEFT_OUT)
        height = browser.execute_script("return document.querySelector('main').offsetHeight")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height + BAR_HEIGHT, "scale": 1}
        taken = browser.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        return base64.b64decode(taken["data"])


def run(*words: object) -> None:
    """Run a command of the package."""
    subprocess.run([sys.executable, "-m", "cellclassifier", *map(str, words)], check=True)


if __name__ == "__main__":
    main()
