"""Cells from elsewhere: how far they are from the training cells, and what follows from it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.last_layer import with_last_layer
from cellclassifier.classifier.recalibrating import Recalibration, recalibrate
from cellclassifier.classifier.sampling import sample_rows
from cellclassifier.classifier.trusting import MAX_SHIFT, Judge, TrustSettings, foreign_limit
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import RawCounts
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.errors import InputError
from cellclassifier.networks import Predictor, WideDeepOutput, WideDeepPredictor
from cellclassifier.trust import find_shift

# of which dense copies fit in memory, for Keras
BLOCK_CELLS = 2048


ShiftToldBy = Literal["given", "measured", "nothing"]


class ToldBy(NamedTuple):
    """Where the shift and the depth of cells come from.

    Parameters
    ----------
    shift
        ``"given"`` by the caller, ``"measured"``, or ``"nothing"``: the model, the cells or their
        genes do not tell it.
    depth
        As it was given; None where it was not.
    """

    shift: ShiftToldBy
    depth: float | None = None


class ShiftedPredictor(NamedTuple):
    """A network for raw counts, adapted to a shift where it can be.

    Parameters
    ----------
    predict
        From raw counts of the genes that were matched, any number of cells, and how many blocks of
        them are worked on at once, unless it is Keras, which has all cores for itself: logits and
        embedding. What it says of a cell does not depend on the others.
    shift
        How far the cells are taken to be from the training cells; None where the model cannot tell.
    told_by
        Where the shift and the depth come from.
    adapts
        Whether the network was adapted to it.
    recalibration
        What it was adapted by to the depth and the genes of the cells; None where it was not.
    """

    predict: Callable[[RawCounts, int], WideDeepOutput]
    shift: float | None
    told_by: ToldBy
    adapts: bool = False
    recalibration: Recalibration | None = None

    @property
    def depth(self) -> float | None:
        """As `Predictions.calibrated_depth`."""
        return None if self.recalibration is None else self.recalibration.kept

    def judge(self, view: ModelView, settings: TrustSettings | None) -> Judge:
        """Return who says what labels of cells like those of the view are worth."""
        judge, found = Judge.of(view, settings, self.shift), self.recalibration
        if found is not None:
            conformal = judge.conformal if found.conformal is None else found.conformal
            judge = replace(judge, conformal=conformal, stretch=found.stretch, depth=found.kept)
        if self.shift is None or self.shift < MAX_SHIFT or judge.detector is None:
            return judge
        some = view.raw[sample_rows(len(view.raw))]
        trust = judge(some, self.predict(some, n_cores())).trust
        return (
            judge if trust is None else replace(judge, foreign_limit=foreign_limit(trust.novelty))
        )


def adapt(
    view: ModelView,
    predict: Predictor,
    shift: float | None,
    depth: float | None = None,
    *,
    judged: bool = False,
) -> ShiftedPredictor:
    """Return the network for cells like those of `view`, block by block.

    Parameters
    ----------
    view
        Cells like those to be named; shift and depth are measured on a seeded sample of them.
    predict
        The network; it is adapted where its model can be.
    shift
        As `profile_shift` measures it; None measures it, also for a network that does not adapt,
        where what its labels are worth is asked for.
    depth
        As a share of that of the training cells; None measures it, unless the shift is given.
    judged
        Whether a `Judge` comes after, for whom counts are compared with the type's in one go.

    Raises
    ------
    InputError
        `shift` is negative or not a number, or `depth` is not above zero.
    """
    if depth is not None and not (np.isfinite(depth) and depth > 0):
        raise InputError(
            "a depth is a share of that of the training cells, above 0, or None to measure it; not "
            f"{depth!r}"
        )
    if shift is not None and not (np.isfinite(shift) and shift >= 0):
        raise InputError(f"a shift is a number from 0 on, or None to measure it; not {shift!r}")
    if view.manifest.adaptation is None or not isinstance(predict, WideDeepPredictor):
        return _as_it_is(view, predict, shift, depth, judged=judged)
    adapted = adapt_wide_deep(view, predict, shift, depth, judged=judged)
    said_by = with_last_layer(view, predict, adapted.predict.logits, judged=judged)
    told_by = ToldBy(adapted.shift_told_by, depth)
    return ShiftedPredictor(
        said_by, adapted.shift, told_by, adapts=True, recalibration=adapted.recalibration
    )


class AdaptedNetwork(NamedTuple):
    """The default network with a last layer for some cells, and what made it.

    Parameters
    ----------
    predict
        The network.
    shift
        What it was adapted to.
    shift_told_by
        As in `ToldBy`.
    recalibration
        As in `ShiftedPredictor`.
    """

    predict: WideDeepPredictor
    shift: float
    shift_told_by: ShiftToldBy
    recalibration: Recalibration | None = None


def adapt_wide_deep(
    view: ModelView,
    predict: WideDeepPredictor,
    shift: float | None,
    depth: float | None = None,
    *,
    judged: bool = False,
) -> AdaptedNetwork:
    """Return the network with the last layer for cells like those of `view`.

    The parameters are those of `adapt`; a model that does not adapt stays as it is.
    """
    adaptation = view.manifest.adaptation
    if adaptation is None:
        return AdaptedNetwork(predict, shift or 0.0, "nothing" if shift is None else "given")
    if depth is None and shift is not None:  # each cell for itself
        depth = 1.0
    found = recalibrate(view, predict, depth, judged=judged)
    told_by: ShiftToldBy = "given"
    if shift is None:  # shallow cells would be taken for others than they are
        usual = predict.logits if found is None else found.logits.of_layer(*predict.logits)
        shift, told_by = _as_told(_measure_by(view, predict.with_logits(*usual)))
    layer = adaptation.last_layer(*predict.logits, shift)
    found = None if found is None else found.at(shift)
    if found is not None:
        layer = found.logits.of_layer(*layer)
    return AdaptedNetwork(predict.with_logits(*layer), shift, told_by, found)


def _as_it_is(
    view: ModelView, predict: Predictor, shift: float | None, depth: float | None, *, judged: bool
) -> ShiftedPredictor:
    """Return a network that does not adapt; the shift says what its labels are worth."""

    def said_by(raw: RawCounts, _: int) -> WideDeepOutput:
        return _by_expression(view, predict, raw)

    if shift is not None:
        return ShiftedPredictor(said_by, shift, ToldBy("given", depth))
    if not judged or view.profiles is None:
        return ShiftedPredictor(said_by, None, ToldBy("nothing", depth))
    raw = view.raw[sample_rows(len(view.raw))]
    shift, told_by = _as_told(measure_shift(view, raw, said_by(raw, n_cores()).logits))
    return ShiftedPredictor(said_by, shift, ToldBy(told_by, depth))


def _as_told(measured: float | None) -> tuple[float, ShiftToldBy]:
    """Return a shift, 0 for want of evidence, and what tells it."""
    return (0.0, "nothing") if measured is None else (measured, "measured")


def _measure_by(view: ModelView, predict: WideDeepPredictor) -> float | None:
    raw = view.raw[sample_rows(len(view.raw))]
    predict_counts = predict.on_counts(view.match.target, view.stand_in)
    return measure_shift(
        view, raw, predict_counts(raw.counts, view.scale(raw), n_threads=n_cores()).logits
    )


def measure_shift(view: ModelView, raw: RawCounts, logits: npt.NDArray[np.float32]) -> float | None:
    """Return how far cells are from the training cells; None where nothing tells it.

    It depends on the set of cells as a whole, not on their order or number beyond chance; see
    `profile_shift`.

    Parameters
    ----------
    view
        Cells with the same genes.
    raw, logits
        The cells, or a seeded sample of them, and what the network for cells like the training's
        says of them, (n_cells, n_types).
    """
    if view.profiles is None:
        return None
    aligned, measured = view.aligned(raw), view.match.measured
    codes = logits.argmax(axis=1)
    return find_shift(view.profiles, aligned.counts, aligned.library_size, codes, measured)


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
