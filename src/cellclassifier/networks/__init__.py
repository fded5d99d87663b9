"""The family of networks, on Keras 3."""

from cellclassifier.networks.backend import keras
from cellclassifier.networks.cnn import ConvBlock, build_cnn
from cellclassifier.networks.inference import divide_logits, logits_model, predict_logits, to_batch
from cellclassifier.networks.linear import build_linear
from cellclassifier.networks.mlp import build_mlp
from cellclassifier.networks.registry import (
    NETWORKS,
    PRESETS,
    NetworkBuilder,
    build_preset,
    find_network,
)

__all__ = [
    "NETWORKS",
    "PRESETS",
    "ConvBlock",
    "NetworkBuilder",
    "build_cnn",
    "build_linear",
    "build_mlp",
    "build_preset",
    "divide_logits",
    "find_network",
    "keras",
    "logits_model",
    "predict_logits",
    "to_batch",
]
