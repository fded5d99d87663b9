"""What a report costs: seconds, memory, bytes, and seconds to open it in headless Chromium.

    PYTHONPATH=benchmarks/accuracy python benchmarks/report/report.py

The model is a linear one of the cells that these were made of, so that all types are there. For
each number of cells a file is made, named once without and once with a report, each in a process of
its own, and the report is opened. Rows go to benchmarks/results/report.jsonl.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from in_chromium import opened_pages
from record import Row, provenance, save

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT.parent / "shared" / "data" / "baron_pancreas.h5ad"
NAME = [sys.executable, "-m", "cellclassifier"]
MEASURE = """
import json, re, sys, time
from cellclassifier.cli import main
begin = time.perf_counter()
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert ended.code == 0, ended.code
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
print(json.dumps({"seconds": round(time.perf_counter() - begin, 1), "peak_mb": int(peak) // 1024}))
"""
N_OPENED = 5


def main() -> None:
    """Make, name, open; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[2_000, 10_000, 50_000, 100_000])
    sizes = parser.parse_args().cells
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        folder = Path(name)
        model = folder / "model.keras"
        wanted = ("--labels-key", "cell_type", "--network", "linear", "--out", model)
        run(*NAME, "train", SOURCE, *wanted)
        for n_cells in sizes:
            rows.append({**measured(n_cells, model, folder), **provenance(SOURCE)})
            print(json.dumps({key: rows[-1][key] for key in list(rows[-1])[:9]}))
    save("report.jsonl", rows, lambda _: True)


def measured(n_cells: int, model: Path, folder: Path) -> Row:
    """Name a file of cells with and without a report, and open the report."""
    cells, report = folder / "cells.h5ad", folder / "report.html"
    run(sys.executable, ROOT / "benchmarks" / "scale" / "make_cells.py", cells, "--cells", n_cells)
    command = ["annotate", cells, "--model", model, "--out", folder / "named.csv"]
    plain = json.loads(run(sys.executable, "-c", MEASURE, *command).splitlines()[-1])
    with_report = json.loads(
        run(sys.executable, "-c", MEASURE, *command, "--report", report).splitlines()[-1]
    )
    seen = opened_pages({"report": report}, N_OPENED)["report"]
    return {
        "n_cells": n_cells,
        "seconds_annotate": plain["seconds"],
        "seconds_with_report": with_report["seconds"],
        "peak_mb_annotate": plain["peak_mb"],
        "peak_mb_with_report": with_report["peak_mb"],
        "report_mb": round(report.stat().st_size / 2**20, 2),
        "seconds_to_open": round(median(seen.seconds), 2),
        "errors": seen.errors,
    }


def run(*command: object) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
