"""What runs a network: Keras, or its low-level twin."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import StandIn, ViewMoments
from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.inference import logits_model, predict_logits
from cellclassifier.networks.wide_deep_inference import WideDeepPredictor, is_wide_deep

Engine = Literal["keras", "lowlevel"]
ENGINES = ("keras", "lowlevel")

Floats = npt.NDArray[np.float32]
# from expression, and what stands in for genes not measured, to logits
Predictor = Callable[[sparse.csr_matrix, StandIn | None], Floats]


def check_engine(engine: str) -> None:
    """Refuse an engine that does not exist."""
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}; there are {list(ENGINES)}")


def choose_predictor(
    model: keras.Model, engine: Engine, moments: ViewMoments | None = None
) -> Predictor:
    """Return the function from expression, (n_cells, n_genes), to logits, (n_cells, n_types).

    Its second argument is what genes that were not measured get, or None where all were.

    Parameters
    ----------
    model
        From expression to probabilities.
    engine
        What runs it.
    moments
        With those of its training cells a wide and deep network runs without Keras, on the sparse
        matrix.

    Raises
    ------
    MissingExtraError
        The low-level engine needs TensorFlow, which is not installed.
    InputError
        The low-level engine does not have one of the layers.
    """
    check_engine(engine)
    if engine == "keras" and moments is not None and is_wide_deep(model):
        return WideDeepPredictor.of(model, moments)
    logits = logits_model(model)
    if engine == "keras":
        return partial(predict_logits, logits)
    # here, since it needs TensorFlow, which is an extra
    from cellclassifier.networks.lowlevel import LowLevelNetwork

    return LowLevelNetwork(logits).predict_logits
