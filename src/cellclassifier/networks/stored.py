"""The default network as a model file holds it, which Keras builds for who asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import ModelFileError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import LOGITS
from cellclassifier.networks.wide_deep import WIDE_DEEP
from cellclassifier.networks.wide_deep_inference import N_VIEWS, WEIGHTED

Floats = npt.NDArray[np.float32]

# its layers and their classes in Keras; dropout is there where some units are dropped
LAYERS: Mapping[str, str] = {
    "expression": "InputLayer",
    **{f"view_{n}{step}": kind
       for n in (1, 2)
       for step, kind in (("_odds", "Rescaling"), ("_softplus", "Activation"), ("", "Rescaling"))},
    "projection": "Dense",
    "hidden_1": "Dense",
    "features": "Concatenate",
    LOGITS: "Dense",
    "probabilities": "Softmax",
}  # fmt: skip
DROPOUT = "dropout_1"


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A wide and deep network that Keras has not built yet.

    Naming cells takes its weights alone: importing Keras and building the network would take longer
    than naming some thousand cells.

    Parameters
    ----------
    architecture
        As Keras writes it, parsed.
    weights
        As Keras lists them.
    """

    architecture: Mapping[str, Any]
    weights: tuple[Floats, ...]

    @classmethod
    def of(
        cls, architecture: Mapping[str, Any], weights: Sequence[Floats] | None
    ) -> "StoredNetwork | None":
        """Return the network; None where there are no weights, or their shapes do not fit."""
        match [part.shape for part in weights or ()]:
            case [(n_genes, n_projected), kernel, (n_hidden,), of_logits, (n_types,)]:
                expected = (n_projected, n_hidden), (N_VIEWS * n_genes + n_hidden, n_types)
                if weights and (kernel, of_logits) == expected:
                    return cls(architecture, tuple(weights))
        return None

    @property
    def sizes(self) -> tuple[int, int]:
        """Of input and output, (n_genes, n_types)."""
        return len(self.weights[0]), len(self.weights[-1])

    def build(self) -> "keras.Model":
        """Return the network as Keras loads it from the file, in safe mode.

        Raises
        ------
        ModelFileError
            Keras cannot build it.
        """
        try:
            model = keras.saving.deserialize_keras_object(
                {**self.architecture, "compile_config": None}, safe_mode=True
            )
            model.set_weights(list(self.weights))
        except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
            raise ModelFileError(f"Keras cannot build the network: {error}") from error
        return model


def weighted_layers(architecture: Mapping[str, Any]) -> Sequence[str] | None:
    """Return the layers whose weights `StoredNetwork` takes, in order; None for other networks.

    Parameters
    ----------
    architecture
        As Keras writes it, parsed.

    Examples
    --------
    >>> import json
    >>> from cellclassifier.networks import build_linear, build_wide_deep
    >>> weighted_layers(json.loads(build_wide_deep(50, 3).to_json()))
    ('projection', 'hidden_1', 'logits')
    >>> weighted_layers(json.loads(build_linear(50, 3).to_json()))
    """
    try:
        network = architecture["config"]
        parts = {layer["config"]["name"]: layer for layer in network["layers"]}
        kinds = {name: layer["class_name"] for name, layer in parts.items()}
        kinds.pop(DROPOUT, None)
        fits = (
            architecture["class_name"] == "Functional"
            and str(network["name"]).startswith(WIDE_DEEP)
            and kinds == dict(LAYERS)
            and parts["hidden_1"]["config"]["activation"] == "relu"
        )
    except (KeyError, TypeError):
        return None
    return WEIGHTED if fits else None
