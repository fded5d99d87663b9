"""The convolutional network over genes in a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import check_sizes, classify, glorot, hidden_layers, penalty


@dataclass(frozen=True)
class ConvBlock:
    """A convolution along the genes, and the pooling after it.

    Parameters
    ----------
    channels
        Output channels.
    kernel
        Genes under the kernel.
    pool
        Positions that become one; 1 for no pooling.
    padding
        Of the convolution; pooling never pads.
    """

    channels: int
    kernel: int
    pool: int
    padding: Literal["same", "valid"] = "same"


# the original study's; its third convolution really is unpadded
ORIGINAL_BLOCKS = (
    ConvBlock(16, 10, 4),
    ConvBlock(32, 10, 4),
    ConvBlock(64, 2, 4, "valid"),
    ConvBlock(128, 5, 3),
)


def build_cnn(
    n_genes: int,
    n_types: int,
    *,
    blocks: Sequence[ConvBlock] = ORIGINAL_BLOCKS,
    hidden: Sequence[int] = (512,),
    dropout: float = 0.5,
    pooling: Literal["max", "average"] = "max",
    activation: str = "relu",
    l2: float = 0.0,
    seed: int = 0,
) -> "keras.Model":
    """Build a convolutional network: blocks of convolution and pooling, dense layers, a softmax.

    Parameters
    ----------
    n_genes, n_types
        The sizes of input and output.
    blocks
        Channels, kernel, pool and padding of each convolution.
    hidden
        The units of each dense layer after flattening.
    dropout
        The share of units dropped after each dense layer in training, in [0, 1).
    pooling
        ``"max"`` or ``"average"``.
    activation
        Of the convolutions and the hidden dense layers.
    l2
        The penalty on every kernel.
    seed
        Of the initial weights and of dropout.

    Returns
    -------
    keras.Model
        Input (batch, n_genes, 1, 1), expression; output (batch, n_types), probabilities.

    Raises
    ------
    InputError
        There are too few genes for the kernels and pools.

    Examples
    --------
    >>> build_cnn(19232, 10).count_params()
    6609818
    """
    check_sizes(n_genes, n_types)
    _check_length(n_genes, blocks)
    pool_layer = {
        "max": keras.layers.MaxPooling2D,
        "average": keras.layers.AveragePooling2D,
    }[pooling]
    expression = keras.Input((n_genes, 1, 1), name="expression")
    features = expression
    for number, block in enumerate(blocks, start=1):
        features = keras.layers.Conv2D(
            block.channels,
            (block.kernel, 1),
            padding=block.padding,
            activation=activation,
            kernel_initializer=glorot(seed + number),
            kernel_regularizer=penalty(l2),
            name=f"conv_{number}",
        )(features)
        if block.pool > 1:
            features = pool_layer((block.pool, 1), name=f"pool_{number}")(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = hidden_layers(
        features, hidden, dropout=dropout, activation=activation, l2=l2, seed=seed + len(blocks)
    )
    return keras.Model(expression, classify(features, n_types, l2=l2, seed=seed), name="cnn")


def _check_length(n_genes: int, blocks: Sequence[ConvBlock]) -> None:
    length = n_genes
    for number, block in enumerate(blocks, start=1):
        if block.padding == "valid":
            length -= block.kernel - 1
        length //= block.pool
        if length < 1:
            raise InputError(
                f"{n_genes:,} genes are too few for these convolutions: nothing is left after "
                f"block {number} of {len(blocks)}; take more genes, or fewer or smaller pools"
            )
