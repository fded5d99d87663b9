"""The low-level twin: networks in raw TensorFlow operations, faster on a processor.

It needs TensorFlow (the extra ``tensorflow``) and works beside any Keras backend.
"""

from cellclassifier.networks.lowlevel.network import LowLevelNetwork, Shortcuts

__all__ = ["LowLevelNetwork", "Shortcuts"]
