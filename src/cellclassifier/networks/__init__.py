"""The family of networks, on Keras 3."""

from cellclassifier.networks.adoption import as_classifier
from cellclassifier.networks.backend import free_memory, keras
from cellclassifier.networks.cnn import ConvBlock, build_cnn
from cellclassifier.networks.contributions import Attributor, choose_attributor
from cellclassifier.networks.counts_predictor import Companion, CountsPredictor, WideDeepOutput
from cellclassifier.networks.engines import Engine, Predictor, check_engine, choose_predictor
from cellclassifier.networks.inference import divide_logits, logits_model, predict_logits, to_batch
from cellclassifier.networks.linear import build_linear
from cellclassifier.networks.mlp import build_mlp
from cellclassifier.networks.options import check_options, choose_builder, configure_network
from cellclassifier.networks.probabilities import probabilities_of
from cellclassifier.networks.products import times_dense
from cellclassifier.networks.registry import (
    NETWORKS,
    PRESETS,
    NetworkBuilder,
    build_preset,
    find_network,
)
from cellclassifier.networks.stored import StoredNetwork, weighted_layers
from cellclassifier.networks.wide_deep import build_wide_deep
from cellclassifier.networks.wide_deep_inference import WideDeepPredictor, is_wide_deep

__all__ = [
    "NETWORKS",
    "PRESETS",
    "Attributor",
    "Companion",
    "ConvBlock",
    "CountsPredictor",
    "Engine",
    "NetworkBuilder",
    "Predictor",
    "StoredNetwork",
    "WideDeepOutput",
    "WideDeepPredictor",
    "as_classifier",
    "build_cnn",
    "build_linear",
    "build_mlp",
    "build_preset",
    "build_wide_deep",
    "check_engine",
    "check_options",
    "choose_attributor",
    "choose_builder",
    "choose_predictor",
    "configure_network",
    "divide_logits",
    "find_network",
    "free_memory",
    "is_wide_deep",
    "keras",
    "logits_model",
    "predict_logits",
    "probabilities_of",
    "times_dense",
    "to_batch",
    "weighted_layers",
]
