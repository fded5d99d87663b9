"""Multinomial logistic regression."""

from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import check_sizes, classify


def build_linear(n_genes: int, n_types: int, *, l2: float = 0.0, seed: int = 0) -> "keras.Model":
    """Build multinomial logistic regression: one dense layer and a softmax.

    Parameters
    ----------
    n_genes, n_types
        The sizes of input and output.
    l2
        The penalty on the weights, for training by gradient steps.
    seed
        Of the initial weights.

    Returns
    -------
    keras.Model
        Input (batch, n_genes), expression; output (batch, n_types), probabilities.

    Examples
    --------
    >>> build_linear(1000, 10).count_params()
    10010
    """
    check_sizes(n_genes, n_types)
    expression = keras.Input((n_genes,), name="expression")
    return keras.Model(expression, classify(expression, n_types, l2=l2, seed=seed), name="linear")
