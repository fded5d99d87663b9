"""Cells from elsewhere: how far they are from the training cells, and what follows from it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from cellclassifier.classifier.view import ModelView
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.errors import InputError
from cellclassifier.networks import Predictor, WideDeepPredictor
from cellclassifier.trust import profile_shift

# the totals of genes over so many cells say enough
SAMPLE_CELLS = 2_000
SEED = 0
BLOCK_CELLS = 2048


def predict_shifted(
    view: ModelView, predict: Predictor, shift: float | None
) -> tuple[npt.NDArray[np.float32], float | None]:
    """Return the logits of all cells, (n_cells, n_types), and the shift they were named for.

    Parameters
    ----------
    view
        The cells.
    predict
        The network; it is adapted where its model can be.
    shift
        As `profile_shift` measures it; None measures it, on a seeded sample of the cells.

    Returns
    -------
    logits, shift
        The shift is None where the model does not adapt.

    Raises
    ------
    InputError
        `shift` is negative or not a number.
    """
    if shift is not None and not (np.isfinite(shift) and shift >= 0):
        raise InputError(f"a shift is a number from 0 on, or None to measure it; not {shift!r}")
    adaptation = view.manifest.adaptation
    if adaptation is None or not isinstance(predict, WideDeepPredictor):
        return _logits(view, predict), None
    if shift is None:
        shift = measure_shift(view, predict)
    layer = adaptation.last_layer(*predict.logits, shift)
    return _logits(view, predict.with_logits(*layer)), shift


def measure_shift(view: ModelView, predict: Predictor) -> float:
    """Return how far cells are from the training cells of a model that adapts.

    It depends on the set of cells as a whole, not on their order or number beyond chance, and is
    measured on a seeded sample of them; see `profile_shift`.
    """
    adaptation, raw = view.manifest.adaptation, view.raw
    if adaptation is None:
        return 0.0
    if len(raw) > SAMPLE_CELLS:
        rows = np.random.default_rng(SEED).permutation(len(raw))[:SAMPLE_CELLS]
        raw = raw[np.sort(rows)]
    aligned = view.aligned(raw)
    logits = predict(view.manifest.normalisation.apply(aligned), view.stand_in)
    return profile_shift(
        adaptation.profiles,
        aligned.counts,
        aligned.library_size,
        logits.argmax(axis=1),
        view.match.measured,
    )


def _logits(view: ModelView, predict: Predictor) -> npt.NDArray[np.float32]:
    """Return the logits of all cells, block by block."""

    def of_block(start: int) -> npt.NDArray[np.float32]:
        block = view.aligned(view.raw[start : start + BLOCK_CELLS])
        return predict(view.manifest.normalisation.apply(block), view.stand_in)

    starts = range(0, len(view.raw), BLOCK_CELLS)
    if not isinstance(predict, WideDeepPredictor):
        return np.concatenate([of_block(start) for start in starts])
    # what is compiled, and not Keras, can do several blocks at once, each on its thread
    predict = replace(predict, n_threads=1)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_cores()) as threads:
        return np.concatenate(list(threads.map(of_block, starts)))
