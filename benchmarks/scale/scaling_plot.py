"""The plot of docs/scaling.md: time and memory over cells; for scaling.py."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scaling_figures import Line, Measured
from scaling_tables import LINEAR_FROM, PARTS

MARKERS = dict(zip(PARTS, "osD^", strict=True))
# as wide as a machine's memory, so that what does not grow looks so
MEMORY_GB = 0.1, 16


def draw(measured: Measured, path: Path) -> None:
    """Draw processor seconds and peak memory over cells, both on logarithmic axes, and save it."""
    figure, (times, memory) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for number, (part, marker) in enumerate(MARKERS.items()):
        rows = measured.over_cells(part)
        n_cells, colour = [row["n_cells"] for row in rows], f"C{number}"
        seconds = [row["cpu_seconds"] for row in rows]
        times.plot(n_cells, seconds, marker, color=colour, label=PARTS[part])
        kept = [row for row in rows if part != "train" or row["n_cells"] >= LINEAR_FROM]
        line = Line.through(kept, "cpu_seconds")
        along = np.geomspace(kept[0]["n_cells"], n_cells[-1])
        times.plot(along, line.at(along), color=colour, linewidth=0.8)
        peaks = [row["peak_mb"] / 1000 for row in rows]
        memory.plot(n_cells, peaks, marker, color=colour, linestyle="-", linewidth=0.8)
    times.set_ylabel("processor seconds, all cores")
    memory.set_ylabel("peak memory, GB")
    for axes in (times, memory):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("cells")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(alpha=0.3)
    memory.set_ylim(*MEMORY_GB)
    times.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
