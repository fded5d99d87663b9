"""The low-level twin of a Keras network: its own variables, its own forward pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import StandIn
from cellclassifier.networks.backend import keras
from cellclassifier.networks.inference import full_batch
from cellclassifier.networks.lowlevel.activations import ACTIVATIONS
from cellclassifier.networks.lowlevel.backend import Tensor, tf
from cellclassifier.networks.lowlevel.ops import (
    can_unroll,
    convolve_pool,
    convolve_pool_activate,
    convolve_pool_activate_first,
    convolve_pool_first,
)
from cellclassifier.networks.lowlevel.spec import ConvSpec, NetworkSpec, read_spec

BATCH_CELLS = 64


@dataclass(frozen=True)
class Shortcuts:
    """What makes the twin fast; each can be switched off, to measure what it brings."""

    unrolled_first: bool = True
    fused_pool_gradient: bool = True
    fused_prediction: bool = True
    fused_adam: bool = True


class LowLevelNetwork:
    """A network in raw TensorFlow operations.

    Parameters
    ----------
    logits
        A Keras network of convolutions and dense layers that ends in its logits, as `logits_model`
        gives it; any that `build_cnn`, `build_mlp` or `build_linear` makes. Its weights are copied.
    shortcuts
        What to leave out.

    Raises
    ------
    InputError
        It holds a layer that this engine does not have.
    """

    def __init__(self, logits: keras.Model, shortcuts: Shortcuts | None = None) -> None:
        self.spec: NetworkSpec = read_spec(logits)
        self.shortcuts = shortcuts or Shortcuts()
        # kernel and bias of each layer, in Keras's order and shapes
        self.variables = [tf.Variable(weights) for weights in logits.get_weights()]
        self._compiled = tf.function(partial(self.logits, for_gradient=False))

    def logits(
        self,
        expression: Tensor,
        dropout_seed: Tensor | None = None,
        *,
        for_gradient: bool = True,
    ) -> Tensor:
        """Return logits, (batch, n_types), of expression, (batch, n_genes) of static shape.

        With `dropout_seed`, two integers, units are dropped as in training. Where no gradient is
        asked for, convolutions go a shorter way.
        """
        convolve = self._convolution if for_gradient else self._quick_convolution
        weights = self._layers()
        values = expression
        for number, spec in enumerate(self.spec.convolutions):
            kernel, bias = next(weights)
            values = convolve(values, kernel, bias, spec, is_first=number == 0)
        values = tf.reshape(values, (expression.shape[0], -1))
        for number, dense in enumerate(self.spec.dense):
            kernel, bias = next(weights)
            values = ACTIVATIONS[dense.activation](tf.nn.bias_add(values @ kernel, bias))
            if dropout_seed is not None and dense.dropout:
                values = tf.nn.experimental.stateless_dropout(
                    values, dense.dropout, dropout_seed + number
                )
        return values

    def penalty(self) -> Tensor:
        """Return the L2 penalties of all kernels, added."""
        factors = [spec.l2 for spec in self.spec.convolutions] + [
            spec.l2 for spec in self.spec.dense
        ]
        penalties = [
            l2 * tf.reduce_sum(tf.square(kernel))
            for l2, (kernel, _) in zip(factors, self._layers(), strict=True)
            if l2
        ]
        return tf.add_n(penalties) if penalties else tf.constant(0.0)

    def predict_on_batch(self, expression: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the logits of a dense batch; compiled once for each shape."""
        logits: npt.NDArray[np.float32] = self._compiled(tf.constant(expression)).numpy()
        return logits

    def predict_logits(
        self,
        expression: sparse.csr_matrix,
        stand_in: StandIn | None = None,
        batch_cells: int = BATCH_CELLS,
    ) -> npt.NDArray[np.float32]:
        """Return the logits of each cell, (n_cells, n_types); batches are filled up with zeros.

        `stand_in` is what genes that were not measured get; None where all were.
        """
        n_cells = expression.shape[0]
        outputs = []
        for start in range(0, n_cells, batch_cells):
            rows = expression[start : start + batch_cells]
            batch = full_batch(rows, batch_cells, stand_in)
            outputs.append(self.predict_on_batch(batch)[: rows.shape[0]])
        n_types = self.spec.dense[-1].units
        return np.concatenate(outputs) if outputs else np.empty((0, n_types), dtype=np.float32)

    def weights(self) -> list[npt.NDArray[np.float32]]:
        """Return kernels and biases in Keras's order, for `keras.Model.set_weights`."""
        return [variable.numpy() for variable in self.variables]

    def _layers(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield kernel and bias of each layer."""
        yield from zip(self.variables[::2], self.variables[1::2], strict=True)

    def _quick_convolution(
        self, values: Tensor, kernel: Tensor, bias: Tensor, spec: ConvSpec, *, is_first: bool
    ) -> Tensor:
        """Do what `_convolution` does, without a way back for gradients."""
        if not self.shortcuts.fused_prediction or not spec.pools_first:
            return self._convolution(values, kernel, bias, spec, is_first=is_first)
        if is_first and self.shortcuts.unrolled_first and can_unroll(spec):
            return convolve_pool_activate_first(values, kernel, bias, spec)
        return convolve_pool_activate(_in_a_row(values) if is_first else values, kernel, bias, spec)

    def _convolution(
        self, values: Tensor, kernel: Tensor, bias: Tensor, spec: ConvSpec, *, is_first: bool
    ) -> Tensor:
        activate = ACTIVATIONS[spec.activation]
        if is_first and self.shortcuts.unrolled_first and can_unroll(spec):
            pooled = convolve_pool_first(values, kernel, spec)
            return activate(tf.nn.bias_add(pooled, bias))
        if is_first:
            values = _in_a_row(values)
        if spec.pools_first:
            fused = self.shortcuts.fused_pool_gradient
            pooled = convolve_pool(values, kernel, spec, fused_gradient=fused)
            return activate(tf.nn.bias_add(pooled, bias))
        by_width = tf.transpose(kernel, (1, 0, 2, 3))
        convolved = tf.nn.conv2d(values, by_width, 1, spec.padding.upper())
        active = activate(tf.nn.bias_add(convolved, bias))
        window = (1, spec.pool)
        pool = tf.nn.max_pool2d if spec.pooling == "max" else tf.nn.avg_pool2d
        return pool(active, window, window, "VALID") if spec.pool > 1 else active


def _in_a_row(expression: Tensor) -> Tensor:
    """Return (batch, n_genes) as (batch, 1, n_genes, 1)."""
    n_batch, n_genes = expression.shape
    return tf.reshape(expression, (n_batch, 1, n_genes, 1))
