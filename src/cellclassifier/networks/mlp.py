"""The multilayer perceptron."""

from collections.abc import Sequence

from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import check_sizes, classify, hidden_layers


def build_mlp(
    n_genes: int,
    n_types: int,
    *,
    hidden: Sequence[int] = (512, 128),
    dropout: float = 0.5,
    l2: float = 0.0,
    activation: str = "relu",
    seed: int = 0,
) -> "keras.Model":
    """Build a perceptron: hidden dense layers, each followed by dropout, and a softmax.

    Parameters
    ----------
    n_genes, n_types
        The sizes of input and output.
    hidden
        The units of each hidden layer.
    dropout
        The share of units dropped after each hidden layer in training, in [0, 1).
    l2
        The penalty on every kernel.
    activation
        The activation of the hidden layers.
    seed
        Of the initial weights and of dropout.

    Returns
    -------
    keras.Model
        Input (batch, n_genes), expression; output (batch, n_types), probabilities.

    Examples
    --------
    >>> build_mlp(1000, 10, hidden=(2048, 512)).count_params()
    3104266
    """
    check_sizes(n_genes, n_types)
    expression = keras.Input((n_genes,), name="expression")
    features = hidden_layers(
        expression, hidden, dropout=dropout, activation=activation, l2=l2, seed=seed
    )
    return keras.Model(expression, classify(features, n_types, l2=l2, seed=seed), name="mlp")
