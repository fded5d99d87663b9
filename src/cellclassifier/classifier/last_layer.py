"""A wide and deep network with another last layer, for raw counts as they were measured."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.view import ModelView
from cellclassifier.data import RawCounts
from cellclassifier.data.selection import PanelCounts
from cellclassifier.networks import Companion, WideDeepOutput, WideDeepPredictor

Floats = npt.NDArray[np.float32]
SaidBy = Callable[[RawCounts, int], WideDeepOutput]


def with_last_layer(
    view: ModelView, predict: WideDeepPredictor, layer: tuple[Floats, Floats], *, judged: bool
) -> SaidBy:
    """Return the function from raw counts, and how many threads work on them, to what it says.

    Parameters
    ----------
    view
        Cells with the same genes.
    predict
        The network.
    layer
        Kernel and bias of its last layer.
    judged
        Whether a `Judge` comes after, for whom counts are compared with the type's in one go.
    """
    adapted = replace(
        predict.with_logits(*layer),
        embedding=view.components,
        plain=None if view.plain_head is None else view.plain_head[0],
    )
    on_counts = adapted.on_counts(view.match.target, view.stand_in)

    def said_of(raw: RawCounts, n_threads: int) -> WideDeepOutput:
        companion = _comparison(view, raw) if judged else None
        return on_counts(raw.counts, view.scale(raw), n_threads=n_threads, companion=companion)

    return said_of


def _comparison(view: ModelView, raw: RawCounts) -> Companion | None:
    """Return what compares the counts of cells with those of their most probable type."""
    detector = view.detector
    if detector is None:
        return None
    library_size, unexpected = view.library_size(raw), detector.unexpected

    def compare(rows: slice, panel: PanelCounts, probabilities: Floats) -> npt.NDArray[np.float64]:
        # not those of the logits: what differs by less than rounding is a tie of probabilities
        return unexpected.of_panel(panel, library_size[rows], probabilities.argmax(axis=1))

    return compare
