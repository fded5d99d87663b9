"""What runs a network: Keras, or its low-level twin."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.inference import logits_model, predict_logits

Engine = Literal["keras", "lowlevel"]
ENGINES = ("keras", "lowlevel")

Floats = npt.NDArray[np.float32]
# from expression, and what stands in for genes not measured, to logits
Predictor = Callable[[sparse.csr_matrix, Floats | None], Floats]


def check_engine(engine: str) -> None:
    """Refuse an engine that does not exist."""
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}; there are {list(ENGINES)}")


def choose_predictor(model: keras.Model, engine: Engine) -> Predictor:
    """Return the function from expression, (n_cells, n_genes), to logits, (n_cells, n_types).

    Its second argument, (n_genes,) or None, is added to each cell's expression.

    Raises
    ------
    MissingExtraError
        The low-level engine needs TensorFlow, which is not installed.
    InputError
        The low-level engine does not have one of the layers.
    """
    check_engine(engine)
    logits = logits_model(model)
    if engine == "keras":
        return partial(predict_logits, logits)
    # here, since it needs TensorFlow, which is an extra
    from cellclassifier.networks.lowlevel import LowLevelNetwork

    return LowLevelNetwork(logits).predict_logits
