"""The networks by name: the family, and the two of the original study."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from cellclassifier.errors import InputError
from cellclassifier.networks.cnn import build_cnn
from cellclassifier.networks.linear import build_linear
from cellclassifier.networks.mlp import build_mlp
from cellclassifier.networks.wide_deep import build_wide_deep

if TYPE_CHECKING:
    from cellclassifier.networks.backend import keras

# the original study's data: 19,232 expressed genes, and the 1,000 best of them for the perceptron
ORIGINAL_CNN_GENES = 19_232
ORIGINAL_MLP_GENES = 1_000
ORIGINAL_TYPES = 10


class NetworkBuilder(Protocol):
    """Anything that builds a network; its last dense layer has to be named ``logits``."""

    def __call__(self, n_genes: int, n_types: int, /, *, seed: int) -> "keras.Model":
        """Return a model from expression to probabilities."""
        ...


NETWORKS: Mapping[str, NetworkBuilder] = MappingProxyType(
    {
        "linear": build_linear,
        "mlp": build_mlp,
        "wide-deep": build_wide_deep,
        "cnn": build_cnn,
        "original-mlp": partial(build_mlp, hidden=(2048, 512), dropout=0.8, l2=0.01),
        "original-cnn": build_cnn,
    }
)

# name -> the number of genes it had in the study
PRESETS: Mapping[str, int] = MappingProxyType(
    {"original-cnn": ORIGINAL_CNN_GENES, "original-mlp": ORIGINAL_MLP_GENES}
)


def find_network(name: str) -> NetworkBuilder:
    """Return the builder of that name.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in NETWORKS:
        raise InputError(f"there is no network '{name}'; there are {list(NETWORKS)}")
    return NETWORKS[name]


def build_preset(name: str) -> "keras.Model":
    """Build a network of the original study at its original size.

    Examples
    --------
    >>> build_preset("original-mlp").count_params()
    3104266
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset '{name}'; there are {list(PRESETS)}")
    return NETWORKS[name](PRESETS[name], ORIGINAL_TYPES, seed=0)
