"""Cells in memory, named: with what their names are worth, or in less time without."""

from cellclassifier.classifier.shifting import ShiftedPredictor, adapt
from cellclassifier.classifier.trusting import Judge, TrustSettings, unjudged
from cellclassifier.classifier.view import ModelView
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.networks import Predictor
from cellclassifier.predictions import Predictions


def name_cells(view: ModelView, predict: Predictor) -> Predictions:
    """Return the types of cells, and their probabilities, without sets, novelty and status.

    Parameters
    ----------
    view
        The cells.
    predict
        The network; where its model adapts, it is adapted to the shift that is measured on them.
    """
    shifted = adapt(view, predict, None)
    said = shifted.predict(view.raw, n_cores())
    return unjudged(view, view.raw, said, shifted.shift, shifted.depth)


def judge_cells(
    view: ModelView,
    predict: Predictor,
    shift: float | None,
    depth: float | None,
    settings: TrustSettings | None,
) -> Predictions:
    """Return the types of cells, and what they are worth; parameters are those of `settle`."""
    shifted, judge = settle(view, predict, shift, depth, settings)
    return judge(view.raw, shifted.predict(view.raw, n_cores()))


def settle(
    view: ModelView,
    predict: Predictor,
    shift: float | None,
    depth: float | None,
    settings: TrustSettings | None,
) -> tuple[ShiftedPredictor, Judge]:
    """Return the network for cells like those of a view, and who says what labels are worth.

    Parameters
    ----------
    view, predict
        As in `name_cells`.
    shift, depth
        As in `adapt`.
    settings
        What is asked of labels; None asks for the usual.

    Raises
    ------
    InputError
        As `adapt` and `TrustSettings.check_labels`.
    """
    settings = settings or TrustSettings()
    settings.check_labels(view.manifest.label_space)
    shifted = adapt(view, predict, shift, depth, judged=True)
    return shifted, shifted.judge(view, settings)
