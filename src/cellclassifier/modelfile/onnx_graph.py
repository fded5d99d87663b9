"""A network as an ONNX graph, layer by layer.

Why not by a library: docs/decisions/0011-export.md. Between layers, what Keras holds as
(n_cells, height, width, channels) is (n_cells, channels, height, width) here, as ONNX wants it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cellclassifier.errors import InputError
from cellclassifier.networks import keras

# of 2023, with Gelu; onnxruntime reads it from version 1.17 on
OPSET, IR_VERSION = 20, 9
INPUT, OUTPUT = "expression", "probabilities"
# those that ONNX calls as Keras does, but with a capital
ACTIVATIONS = (
    "relu", "sigmoid", "tanh", "softmax", "elu", "selu", "gelu", "softplus", "softsign",
)  # fmt: skip


class _Graph:
    """Nodes and weights as they are collected; tensors go by name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operation: str, inputs: Sequence[str], **attributes: Any) -> str:  # noqa: ANN401
        output = f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constant(self, values: npt.NDArray[np.generic]) -> str:
        name = f"weights_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def to_onnx(model: keras.Model, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Return `model` as an ONNX model.

    Parameters
    ----------
    model
        Of the layers that our networks are built of; they may branch and meet again.
    metadata
        Written into ``metadata_props``.

    Returns
    -------
    onnx.ModelProto
        Input ``expression``, (n_cells, n_genes), float32; output ``probabilities``,
        (n_cells, n_types), float32; any number of cells.

    Raises
    ------
    InputError
        There is a layer or an activation that is not known here, or more than one input or output.

    Examples
    --------
    >>> from cellclassifier.networks import build_linear
    >>> [node.op_type for node in to_onnx(build_linear(5, 2), {}).graph.node]
    ['Gemm', 'Softmax', 'Identity']
    """
    graph = _Graph()
    tensor = _add_layers(graph, model, _to_channels_first(graph, model))
    graph.nodes.append(helper.make_node("Identity", [tensor], [OUTPUT]))
    return _assembled(graph, model, metadata)


def _assembled(graph: _Graph, model: keras.Model, metadata: Mapping[str, str]) -> onnx.ModelProto:
    n_genes, n_types = math.prod(model.input_shape[1:]), model.output_shape[-1]
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n_cells", size])
        for name, size in ((INPUT, n_genes), (OUTPUT, n_types))
    }
    whole = helper.make_model(
        helper.make_graph(
            graph.nodes, model.name, [values[INPUT]], [values[OUTPUT]], graph.weights
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="cellclassifier",
    )
    helper.set_model_props(whole, dict(metadata))
    onnx.checker.check_model(whole)
    return whole


def _add_layers(graph: _Graph, model: keras.Model, tensor: str) -> str:
    """Write layer after layer, the input being `tensor`; return the last one's tensor."""
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    if isinstance(model, keras.Sequential):
        for layer in layers:
            tensor = _add_layer(graph, layer, [tensor])
        return tensor
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(
            f"the network '{model.name}' has {len(model.inputs)} inputs and {len(model.outputs)} "
            "outputs; ONNX is written for one of each here; export h5 or saved-model"
        )
    written = {id(model.inputs[0]): tensor}
    for layer in layers:  # Keras lists them so that each comes after those it takes from
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        tensors = [written[id(one)] for one in given]
        written[id(layer.output)] = _add_layer(graph, layer, tensors)
    return written[id(model.outputs[0])]


def _add_layer(graph: _Graph, layer: keras.Layer, tensors: list[str]) -> str:
    if type(layer) is keras.layers.Concatenate:
        return _concatenated(graph, layer, tensors)
    if type(layer) not in TRANSLATIONS:
        raise _unknown(layer, f"the layer {type(layer).__name__}")
    (tensor,) = tensors
    return TRANSLATIONS[type(layer)](graph, layer, tensor)


def _to_channels_first(graph: _Graph, model: keras.Model) -> str:
    shape = model.input_shape[1:]
    if len(shape) == 1:
        return INPUT
    if len(shape) != 3:
        raise InputError(f"ONNX is written for inputs of one or three axes, not {shape}")
    height, width, channels = shape
    # genes are along one axis, so that the order of the values stays as it is
    target = graph.constant(np.array([-1, channels, height, width], dtype=np.int64))
    return graph.add("Reshape", [INPUT, target])


def _dense(graph: _Graph, layer: keras.layers.Dense, tensor: str) -> str:
    if len(layer.input.shape) != 2:
        raise _unknown(layer, "a dense layer over several axes")
    weights = [graph.constant(weight) for weight in layer.get_weights()]
    return _activated(graph, layer, graph.add("Gemm", [tensor, *weights]))


def _conv(graph: _Graph, layer: keras.layers.Conv2D, tensor: str) -> str:
    kernel, *bias = layer.get_weights()  # (height, width, channels in, channels out)
    weights = [graph.constant(weight) for weight in (kernel.transpose(3, 2, 0, 1), *bias)]
    convolved = graph.add(
        "Conv",
        [tensor, *weights],
        dilations=layer.dilation_rate,
        group=layer.groups,
        pads=_pads(layer, layer.kernel_size, layer.dilation_rate),
        strides=layer.strides,
    )
    return _activated(graph, layer, convolved)


def _pool(graph: _Graph, layer: keras.Layer, tensor: str) -> str:
    is_max = isinstance(layer, keras.layers.MaxPooling2D)
    return graph.add(
        "MaxPool" if is_max else "AveragePool",
        [tensor],
        kernel_shape=layer.pool_size,
        pads=_pads(layer, layer.pool_size, (1, 1)),
        strides=layer.strides,
    )


def _pads(layer: keras.Layer, window: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """Return the padding before each axis, then after each; Keras puts the odd one after."""
    if layer.data_format != "channels_last":
        raise _unknown(layer, f"the data format {layer.data_format}")
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    totals = []
    for axis, size in enumerate(layer.input.shape[1:3]):
        stride, span = layer.strides[axis], dilation[axis] * (window[axis] - 1) + 1
        totals.append(max((math.ceil(size / stride) - 1) * stride + span - size, 0))
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def _flatten(graph: _Graph, layer: keras.layers.Flatten, tensor: str) -> str:
    if len(layer.input.shape) == 4:  # Keras flattens with the channels last
        tensor = graph.add("Transpose", [tensor], perm=[0, 2, 3, 1])
    return graph.add("Flatten", [tensor])


def _concatenated(graph: _Graph, layer: keras.layers.Concatenate, tensors: list[str]) -> str:
    if len(layer.output.shape) != 2 or layer.axis not in (-1, 1):
        raise _unknown(layer, "a concatenation over several axes")
    return graph.add("Concat", tensors, axis=1)


def _rescaled(graph: _Graph, layer: keras.layers.Rescaling, tensor: str) -> str:
    scale, offset = (np.asarray(value, np.float32) for value in (layer.scale, layer.offset))
    if scale.ndim or offset.ndim:
        raise _unknown(layer, "a rescaling by several numbers")
    if scale != 1:
        tensor = graph.add("Mul", [tensor, graph.constant(scale)])
    return graph.add("Add", [tensor, graph.constant(offset)])


def _softmax(graph: _Graph, layer: keras.layers.Softmax, tensor: str) -> str:
    if len(layer.input.shape) != 2:
        raise _unknown(layer, "a softmax over several axes")
    return graph.add("Softmax", [tensor])


def _activated(graph: _Graph, layer: keras.Layer, tensor: str) -> str:
    name = keras.activations.serialize(layer.activation)
    if name == "linear":
        return tensor
    if name == "silu":
        return graph.add("Mul", [tensor, graph.add("Sigmoid", [tensor])])
    if name not in ACTIVATIONS or (name == "softmax" and len(layer.output.shape) != 2):
        raise _unknown(layer, f"the activation {name}")
    return graph.add(name.capitalize(), [tensor])


def _unknown(layer: keras.Layer, what: str) -> InputError:
    return InputError(
        f"{what} ('{layer.name}') cannot be written as ONNX here; export h5 or saved-model"
    )


TRANSLATIONS: Mapping[type, Callable[..., str]] = {
    keras.layers.Activation: _activated,
    keras.layers.AveragePooling2D: _pool,
    keras.layers.Conv2D: _conv,
    keras.layers.Dense: _dense,
    keras.layers.Dropout: lambda _graph, _layer, tensor: tensor,
    keras.layers.Flatten: _flatten,
    keras.layers.MaxPooling2D: _pool,
    keras.layers.Rescaling: _rescaled,
    keras.layers.Softmax: _softmax,
}
