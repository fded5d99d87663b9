"""The one place that imports TensorFlow, which is an extra."""

from typing import Any, TypeAlias

from cellclassifier.errors import MissingExtraError

try:
    import tensorflow as tf
except ImportError as error:
    raise MissingExtraError(
        "the low-level engine is written in TensorFlow, which is not installed: "
        "pip install 'cellclassifier[tensorflow]', or use the engine 'keras'"
    ) from error

# TensorFlow ships no types
Tensor: TypeAlias = Any

__all__ = ["Tensor", "tf"]
