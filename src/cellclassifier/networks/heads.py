"""What networks end in: hidden dense layers, a dense layer of logits, a softmax."""

from collections.abc import Sequence

from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras

LOGITS = "logits"
PROBABILITIES = "probabilities"


def classify(
    features: "keras.KerasTensor", n_types: int, *, l2: float, seed: int
) -> "keras.KerasTensor":
    """Return probabilities, (batch, n_types), of features, (batch, n_features)."""
    logits = keras.layers.Dense(
        n_types, kernel_initializer=glorot(seed), kernel_regularizer=penalty(l2), name=LOGITS
    )(features)
    return keras.layers.Softmax(name=PROBABILITIES)(logits)


def hidden_layers(
    features: "keras.KerasTensor",
    units: Sequence[int],
    *,
    dropout: float,
    activation: str,
    l2: float,
    seed: int,
) -> "keras.KerasTensor":
    """Return features after dense layers, each followed by dropout."""
    for number, n_units in enumerate(units, start=1):
        features = keras.layers.Dense(
            n_units,
            activation=activation,
            kernel_initializer=glorot(seed + number),
            kernel_regularizer=penalty(l2),
            name=f"hidden_{number}",
        )(features)
        if dropout:
            drop = keras.layers.Dropout(dropout, seed=seed + number, name=f"dropout_{number}")
            features = drop(features)
    return features


def glorot(seed: int) -> "keras.Initializer":
    """Return Keras's usual initialiser with a seed of its own, so that no global seed is needed."""
    return keras.initializers.GlorotUniform(seed=seed)


def penalty(l2: float) -> "keras.Regularizer | None":
    """Return the L2 penalty on a kernel, or None for zero."""
    return keras.regularizers.L2(l2) if l2 else None


def check_sizes(n_genes: int, n_types: int) -> None:
    """Refuse sizes that make no classifier."""
    if n_genes < 1 or n_types < 2:
        raise InputError(
            f"a network needs at least one gene and two types, not {n_genes} and {n_types}"
        )
