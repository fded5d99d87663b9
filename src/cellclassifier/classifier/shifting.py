"""Cells from elsewhere: how far they are from the training cells, and what follows from it."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.sampling import sample_rows
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import RawCounts
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.selection import PanelCounts
from cellclassifier.errors import InputError
from cellclassifier.networks import Companion, Predictor, WideDeepOutput, WideDeepPredictor
from cellclassifier.trust import profile_shift

# of which dense copies fit in memory, for Keras
BLOCK_CELLS = 2048

Floats = npt.NDArray[np.float32]


class ShiftedPredictor(NamedTuple):
    """A network for raw counts, adapted to a shift.

    Parameters
    ----------
    predict
        From raw counts of the genes that were matched, any number of cells, and how many blocks of
        them are worked on at once, unless it is Keras, which has all cores for itself: logits and
        embedding. What it says of a cell does not depend on the others.
    shift
        What it was adapted to; None where the model does not adapt.
    """

    predict: Callable[[RawCounts, int], WideDeepOutput]
    shift: float | None


def predict_shifted(
    view: ModelView, predict: Predictor, shift: float | None, *, judged: bool = False
) -> tuple[WideDeepOutput, float | None]:
    """Return what a network says of all cells, and the shift they were named for.

    Parameters
    ----------
    view
        The cells.
    predict
        The network; it is adapted where its model can be.
    shift
        As `profile_shift` measures it; None measures it, on a seeded sample of the cells.
    judged
        Whether a `Judge` comes after, for whom counts are compared with the type's in one go.

    Returns
    -------
    said, shift
        The embedding is that of the model's novelty. The shift is None where the model does not
        adapt.

    Raises
    ------
    InputError
        `shift` is negative or not a number.
    """
    shifted = adapt(view, predict, shift, judged=judged)
    return shifted.predict(view.raw, n_cores()), shifted.shift


def adapt(
    view: ModelView, predict: Predictor, shift: float | None, *, judged: bool = False
) -> ShiftedPredictor:
    """Return the network for cells like those of `view`, block by block.

    Parameters
    ----------
    view, predict, shift, judged
        As in `predict_shifted`; the shift is measured on the cells of the view.

    Raises
    ------
    InputError
        `shift` is negative or not a number.
    """
    if shift is not None and not (np.isfinite(shift) and shift >= 0):
        raise InputError(f"a shift is a number from 0 on, or None to measure it; not {shift!r}")
    adaptation = view.manifest.adaptation
    if adaptation is None or not isinstance(predict, WideDeepPredictor):
        return ShiftedPredictor(lambda raw, _: _by_expression(view, predict, raw), None)
    if shift is None:
        shift = measure_shift(view, predict)
    adapted = replace(
        predict.with_logits(*adaptation.last_layer(*predict.logits, shift)),
        embedding=view.components,
        plain=None if view.plain_head is None else view.plain_head[0],
    )
    on_counts = adapted.on_counts(view.match.target, view.stand_in)

    def predict_counts(raw: RawCounts, n_threads: int) -> WideDeepOutput:
        companion = _comparison(view, raw) if judged else None
        return on_counts(raw.counts, view.scale(raw), n_threads=n_threads, companion=companion)

    return ShiftedPredictor(predict_counts, shift)


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


def measure_shift(view: ModelView, predict: WideDeepPredictor) -> float:
    """Return how far cells are from the training cells of a model that adapts.

    It depends on the set of cells as a whole, not on their order or number beyond chance, and is
    measured on a seeded sample of them; see `profile_shift`.
    """
    adaptation, raw = view.manifest.adaptation, view.raw
    if adaptation is None:
        return 0.0
    raw = raw[sample_rows(len(raw))]
    aligned = view.aligned(raw)
    predict_counts = predict.on_counts(view.match.target, view.stand_in)
    logits = predict_counts(raw.counts, view.scale(raw), n_threads=n_cores()).logits
    return profile_shift(
        adaptation.profiles,
        aligned.counts,
        aligned.library_size,
        logits.argmax(axis=1),
        view.match.measured,
    )


def _by_expression(view: ModelView, predict: Predictor, raw: RawCounts) -> WideDeepOutput:
    """Return what a network says of cells, from expression, block by block."""

    def of_block(block: RawCounts) -> WideDeepOutput:
        expression = view.manifest.normalisation.apply(view.aligned(block))
        return WideDeepOutput(predict(expression, view.stand_in), view.embed(expression))

    said = [of_block(block) for block in raw.blocks(BLOCK_CELLS)]
    return WideDeepOutput(
        np.concatenate([of_block.logits for of_block in said]),
        np.concatenate([of_block.embedding for of_block in said]),
    )
