"""Colours of cell types that can be told apart, also by eyes that see no red or no green."""

import itertools
from functools import cache

import numpy as np
import numpy.typing as npt

# of Okabe and Ito (2008), but for black and yellow, which a dark or a white page swallows
FIRST = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
GREY = "#8c8c8c"
# lightness that shows on white and on black, and enough colour not to be taken for grey
LIGHTNESS, LEAST_CHROMA = (0.52, 0.82), 0.07
LEVELS = np.linspace(0, 1, 18)

# linear sRGB to the cone responses of Oklab, and these to lightness and two axes of colour
# (Ottosson 2020)
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# what eyes without green cones make of linear sRGB (Machado et al. 2009), the commonest kind
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)

Colours = npt.NDArray[np.float64]


def type_colours(n_types: int) -> list[str]:
    """Return a colour for each type, as ``#rrggbb``; the same ones for fewer types.

    The first six are those of Okabe and Ito. Each further one is the colour that is farthest from
    all before it, in Oklab, as usual eyes and as eyes without green cones see them.

    Examples
    --------
    >>> type_colours(2), len(set(type_colours(60)))
    (['#0072b2', '#d55e00'], 60)
    """
    chosen = list(FIRST[:n_types])
    if n_types <= len(FIRST):
        return chosen
    candidates, seen = _candidates()
    distance = np.full(len(candidates), np.inf)
    for colour in FIRST:
        distance = np.minimum(distance, _distances(seen, _as_seen(_from_hex([colour]))))
    while len(chosen) < n_types:
        farthest = int(distance.argmax())
        chosen.append(_to_hex(candidates[farthest]))
        distance = np.minimum(distance, _distances(seen, seen[:, [farthest]]))
    return chosen


@cache
def _candidates() -> tuple[Colours, Colours]:
    """Return colours of a grid in sRGB, (n_colours, 3), and as they are seen."""
    grid = np.array(list(itertools.product(LEVELS, repeat=3)))
    seen = _as_seen(grid)
    lightness, chroma = seen[0, :, 0], np.hypot(seen[0, :, 1], seen[0, :, 2])
    low, high = LIGHTNESS
    fits = (lightness >= low) & (lightness <= high) & (chroma >= LEAST_CHROMA)
    return grid[fits], seen[:, fits]


def _as_seen(colours: Colours) -> Colours:
    """Return Oklab of sRGB in [0, 1], (2, n_colours, 3): for usual eyes, and without green."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    both = np.stack([linear, np.clip(linear @ DEUTERANOPIA.T, 0, 1)])
    return np.asarray(np.cbrt(both @ TO_CONES.T) @ TO_OKLAB.T, dtype=np.float64)


def _distances(seen: Colours, one: Colours) -> Colours:
    """Return how far colours are from one, for the eyes to which they look more alike."""
    usual, without_green = np.linalg.norm(seen - one, axis=2)
    # the latter tell fewer colours apart: fifty that differ for them as well do not exist
    return np.asarray(np.minimum(usual, 2 * without_green), dtype=np.float64)


def _from_hex(colours: list[str]) -> Colours:
    return np.array([[int(c[at : at + 2], 16) / 255 for at in (1, 3, 5)] for c in colours])


def _to_hex(colour: Colours) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)
