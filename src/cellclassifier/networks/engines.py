"""What runs a network: Keras, or its low-level twin."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import StandIn, ViewMoments
from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.inference import logits_model, predict_logits
from cellclassifier.networks.stored import StoredNetwork
from cellclassifier.networks.wide_deep_inference import WideDeepPredictor, is_wide_deep, weights_of

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
    network: "keras.Model | StoredNetwork",
    engine: Engine,
    moments: ViewMoments | None = None,
    weights: Sequence[Floats] | None = None,
) -> Predictor:
    """Return the function from expression, (n_cells, n_genes), to logits, (n_cells, n_types).

    Its second argument is what genes that were not measured get, or None where all were.

    Parameters
    ----------
    network
        From expression to probabilities.
    engine
        What runs it.
    moments
        With those of its training cells a wide and deep network runs without Keras, on the sparse
        matrix.
    weights
        Others than the network's own, up to its logits, as Keras lists them.

    Raises
    ------
    MissingExtraError
        The low-level engine needs TensorFlow, which is not installed.
    InputError
        The low-level engine does not have one of the layers.
    """
    check_engine(engine)
    if engine == "keras" and moments is not None:
        of_its_own = _wide_deep_weights(network)
        if of_its_own is not None:
            return WideDeepPredictor.of_weights(weights or of_its_own, moments)
    logits = logits_model(network.build() if isinstance(network, StoredNetwork) else network)
    if weights is not None:
        logits = keras.models.clone_model(logits)
        logits.set_weights(list(weights))
    if engine == "keras":
        return partial(predict_logits, logits)
    # here, since it needs TensorFlow, which is an extra
    from cellclassifier.networks.lowlevel import LowLevelNetwork

    return LowLevelNetwork(logits).predict_logits


def _wide_deep_weights(network: "keras.Model | StoredNetwork") -> Sequence[Floats] | None:
    """Return what runs without Keras; None where the network is another."""
    if isinstance(network, StoredNetwork):
        return network.weights
    if not is_wide_deep(network):
        return None
    return weights_of(network)
