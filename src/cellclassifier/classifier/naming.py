"""Cells in memory, named: with what their names are worth, or in less time without."""

from cellclassifier.classifier.shifting import predict_shifted
from cellclassifier.classifier.trusting import Judge, TrustSettings, unjudged
from cellclassifier.classifier.view import ModelView
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
    said, shift = predict_shifted(view, predict, None)
    return unjudged(view, view.raw, said, shift)


def judge_cells(
    view: ModelView, predict: Predictor, shift: float | None, settings: TrustSettings | None
) -> Predictions:
    """Return the types of cells, and what they are worth.

    Parameters
    ----------
    view, predict
        As in `name_cells`.
    shift
        None measures it.
    settings
        What is asked of labels; None asks for the usual.

    Raises
    ------
    InputError
        `shift` is negative or not a number.
    """
    said, shift = predict_shifted(view, predict, shift, judged=True)
    return Judge.of(view, settings, shift)(view.raw, said)
