"""What the low-level engine has to know of a Keras network."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.lowlevel.activations import ACTIVATIONS, MONOTONE


@dataclass(frozen=True)
class ConvSpec:
    """A convolution along the genes, its activation and its pooling."""

    kernel: int
    channels: int
    padding: Literal["same", "valid"]
    activation: str
    l2: float
    pool: int = 1
    pooling: Literal["max", "average"] = "max"

    @property
    def pools_first(self) -> bool:
        """Whether bias and activation may wait until after pooling, on fewer values."""
        return self.pooling == "max" and self.activation in MONOTONE

    def conv_length(self, n_positions: int) -> int:
        """Return the number of positions after the convolution."""
        return n_positions if self.padding == "same" else n_positions - self.kernel + 1

    def length(self, n_positions: int) -> int:
        """Return the number of positions after pooling."""
        return self.conv_length(n_positions) // self.pool

    @property
    def pad_left(self) -> int:
        """The zeros before the first position; 'same' puts the odd one at the end."""
        return (self.kernel - 1) // 2 if self.padding == "same" else 0


@dataclass(frozen=True)
class DenseSpec:
    """A dense layer, its activation and the dropout after it."""

    units: int
    activation: str
    l2: float
    dropout: float = 0.0


@dataclass(frozen=True)
class NetworkSpec:
    """Convolutions, then dense layers; the last of these gives the logits."""

    n_genes: int
    convolutions: tuple[ConvSpec, ...]
    dense: tuple[DenseSpec, ...]


def read_spec(logits: keras.Model) -> NetworkSpec:
    """Read the layers of a network that ends in its logits.

    Raises
    ------
    InputError
        It holds a layer that this engine does not have.
    """
    convolutions: list[ConvSpec] = []
    dense: list[DenseSpec] = []
    for layer in logits.layers:
        config = layer.get_config()
        _check_activation(layer, config)
        match layer:
            case keras.layers.InputLayer() | keras.layers.Flatten():
                pass
            case keras.layers.Conv2D() if not dense and _is_along_genes(config):
                convolutions.append(
                    ConvSpec(
                        config["kernel_size"][0],
                        config["filters"],
                        config["padding"],
                        config["activation"],
                        _l2(layer),
                    )
                )
            case keras.layers.MaxPooling2D() | keras.layers.AveragePooling2D() if convolutions:
                convolutions[-1] = _pooled(convolutions[-1], layer)
            case keras.layers.Dense():
                dense.append(DenseSpec(config["units"], config["activation"], _l2(layer)))
            case keras.layers.Dropout() if dense:
                last = dense[-1]
                dense[-1] = DenseSpec(last.units, last.activation, last.l2, config["rate"])
            case _:
                raise InputError(
                    f"the low-level engine has no layer like '{layer.name}' "
                    f"({type(layer).__name__}); use the engine 'keras'"
                )
    return NetworkSpec(int(logits.input_shape[1]), tuple(convolutions), tuple(dense))


def _check_activation(layer: keras.Layer, config: dict[str, Any]) -> None:
    activation = config.get("activation", "linear")
    if activation not in ACTIVATIONS:
        raise InputError(
            f"the low-level engine has no activation {activation!r} (layer '{layer.name}'); it has "
            f"{sorted(ACTIVATIONS)}. Use the engine 'keras'"
        )


def _is_along_genes(config: dict[str, Any]) -> bool:
    strides, dilation = tuple(config["strides"]), tuple(config["dilation_rate"])
    return config["kernel_size"][1] == 1 and strides == dilation == (1, 1)


def _pooled(spec: ConvSpec, layer: keras.Layer) -> ConvSpec:
    """Return the convolution with the pooling that follows it."""
    pooling: Literal["max", "average"] = "average"
    if isinstance(layer, keras.layers.MaxPooling2D):
        pooling = "max"
    return replace(spec, pool=layer.pool_size[0], pooling=pooling)


def _l2(layer: keras.Layer) -> float:
    return 0.0 if layer.kernel_regularizer is None else float(layer.kernel_regularizer.l2)
