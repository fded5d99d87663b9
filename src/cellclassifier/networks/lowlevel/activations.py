"""Activations, as TensorFlow operations that agree with Keras's of the same name."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from cellclassifier.networks.lowlevel.backend import Tensor, tf

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "linear": tf.identity,
        "relu": tf.nn.relu,
        "leaky_relu": partial(tf.nn.leaky_relu, alpha=0.2),
        "elu": tf.nn.elu,
        "selu": tf.nn.selu,
        "gelu": partial(tf.nn.gelu, approximate=False),
        "silu": tf.nn.silu,
        "softplus": tf.nn.softplus,
        "sigmoid": tf.sigmoid,
        "tanh": tf.tanh,
    }
)
# these never fall: pooling the maximum before them is the same as after them
MONOTONE = frozenset(ACTIVATIONS) - {"gelu", "silu"}
