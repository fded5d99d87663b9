"""Linear views of a cell and a perceptron beside each other, into one layer of logits."""

import math
from collections.abc import Sequence

from cellclassifier.data.views import NEAR_LINEAR
from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import check_sizes, classify, glorot, hidden_layers

WIDE_DEEP = "wide_deep"


def build_wide_deep(
    n_genes: int,
    n_types: int,
    *,
    projection: int = 64,
    hidden: Sequence[int] = (512,),
    dropout: float = 0.5,
    l2: float = 0.0,
    activation: str = "relu",
    seed: int = 0,
) -> "keras.Model":
    """Build a network that sees a cell's counts on three scales, directly and through a perceptron.

    The input is log1p of counts per 10,000. Beside it the network computes log1p of counts per 30
    and per 300, which are nearer to linear: log(1 + c (exp(x) - 1)) is a softplus but for a
    constant. The logits are linear in the three views and in the last hidden layer, which looks at
    a projection of counts per 300 ("wide and deep", Cheng et al. 2016).

    Parameters
    ----------
    n_genes, n_types
        The sizes of input and output.
    projection
        The dimensions of what the hidden layers look at.
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
        Input (batch, n_genes), expression; output (batch, n_types), probabilities. The layer
        ``logits`` takes (batch, 3 n_genes + hidden[-1]): the two near-linear views, the input, the
        last hidden layer.

    Examples
    --------
    >>> build_wide_deep(1000, 10).count_params()
    132410
    """
    check_sizes(n_genes, n_types)
    expression = keras.Input((n_genes,), name="expression")
    views = [near_linear(expression, share, f"view_{n}") for n, share in enumerate(NEAR_LINEAR, 1)]
    projected = keras.layers.Dense(
        projection, use_bias=False, kernel_initializer=glorot(seed), name="projection"
    )(views[-1])
    deep = hidden_layers(
        projected, hidden, dropout=dropout, activation=activation, l2=l2, seed=seed
    )
    features = keras.layers.Concatenate(name="features")([*views, expression, deep])
    return keras.Model(expression, classify(features, n_types, l2=l2, seed=seed), name=WIDE_DEEP)


def near_linear(expression: "keras.KerasTensor", share: float, name: str) -> "keras.KerasTensor":
    """Return log1p(share * expm1(expression)), by layers that every Keras has."""
    odds = keras.layers.Rescaling(1.0, math.log(share / (1 - share)), name=f"{name}_odds")
    softplus = keras.layers.Activation("softplus", name=f"{name}_softplus")
    # so that zero stays zero
    zeroed = keras.layers.Rescaling(1.0, math.log1p(-share), name=name)
    return zeroed(softplus(odds(expression)))
