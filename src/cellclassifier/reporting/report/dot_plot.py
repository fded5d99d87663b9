"""Where the dots of a dot plot go: genes across, types down."""

from itertools import groupby
from typing import Any

import numpy as np

from cellclassifier.evaluation.survey import GeneDots

# in pixels
STEP, ROW = 22, 24
LARGEST = 9.0
LETTER = 7.2
# of a slanted name of a gene
SLANT = 0.87


def lay_out_dots(dots: GeneDots) -> dict[str, Any]:
    """Return what the template draws: places in pixels, radii, strengths and titles.

    Radii go with the root of the share of cells, so that areas are as the shares; strengths go
    from the type with the lowest mean of the gene to the one with the highest.

    Examples
    --------
    >>> dots = GeneDots(("CD3D",), ("T",), ("B", "T"), np.float32([[0], [2]]),
    ...     np.float32([[0], [0.25]]))
    >>> [(dot["r"], dot["strength"]) for dot in lay_out_dots(dots)["dots"]]
    [(4.5, 1.0)]
    """
    left = round(LETTER * max(map(len, dots.labels), default=0)) + 20
    top = round(SLANT * LETTER * max(map(len, dots.genes), default=0)) + 20
    across = [left + STEP * (number + 0.5) for number in range(len(dots.genes))]
    down = [top + ROW * (number + 0.5) for number in range(len(dots.labels))]
    # the last slanted name leans out
    width = left + STEP * len(dots.genes) + round(0.5 * top) + 10
    return {
        "left": left,
        "top": top,
        "width": width,
        "height": top + ROW * len(dots.labels) + 6,
        "genes": [{"name": name, "x": x} for name, x in zip(dots.genes, across, strict=True)],
        "rows": [{"label": label, "y": y} for label, y in zip(dots.labels, down, strict=True)],
        "bands": _bands(dots, left),
        "dots": _dots(dots, across, down),
    }


def _bands(dots: GeneDots, left: int) -> list[dict[str, int]]:
    """Return a band behind the genes of every other type."""
    bands, start = [], 0
    for number, (_, own) in enumerate(groupby(dots.speaks_for)):
        size = len(list(own))
        if number % 2 == 0:
            bands.append({"x": left + STEP * start, "width": STEP * size})
        start += size
    return bands


def _dots(dots: GeneDots, across: list[float], down: list[float]) -> list[dict[str, Any]]:
    lowest = dots.mean.min(axis=0, initial=np.inf)
    reach = np.maximum(dots.mean.max(axis=0, initial=0) - lowest, np.finfo(np.float32).eps)
    made = []
    for row, column in zip(*np.nonzero(dots.share), strict=True):
        mean, share = float(dots.mean[row, column]), float(dots.share[row, column])
        made.append(
            {
                "x": across[column],
                "y": down[row],
                "r": round(LARGEST * share**0.5, 1),
                "strength": round(0.08 + 0.92 * float((mean - lowest[column]) / reach[column]), 2),
                "title": f"{dots.genes[column]} in {dots.labels[row]}: mean {mean:.2f}, "
                f"{share:.0%} of cells",
            }
        )
    return made
