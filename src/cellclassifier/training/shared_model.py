"""One model trained by several processes.

Dense networks are split by units: each process has some units of the first dense layer, with all
that belongs to them in the second, and takes whole batches. What goes between processes in a step
is one small sum, where gradients would be megabytes ("one weird trick", Krizhevsky 2014; the split
of two layers is that of Shoeybi et al. 2019). All other networks are split by cells: each process
takes its part of each batch, and the gradients are added up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.networks import keras
from cellclassifier.training.ranks import Ranks

# the type of cells that fill up a batch, which the loss leaves out
PADDING = -1
PROCESSES = "processes"  # the axis of the devices


Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.float32]]


@contextmanager
def shared_model(model: keras.Model, ranks: Ranks) -> Iterator[keras.Model]:
    """Yield what is to be compiled and trained, and put what it learns into `model`.

    Parameters
    ----------
    model
        Of this process alone, with the same weights in all; from one input to one output.
    ranks
        The processes; one alone trains `model` itself.
    """
    if not ranks.are_several:
        yield model
        return
    with ranks.in_touch(), _distribution(model, ranks).scope():
        copy = keras.models.clone_model(model)
        joint = _WithoutPadding(copy.inputs[0], copy.outputs[0])
        for variable, own in zip(joint.variables, model.variables, strict=True):
            variable.assign(keras.ops.convert_to_numpy(own))
        # compiling adds variables of its own
        learned = list(joint.variables)
        yield joint
        values = [whole(variable) for variable in learned]
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)


def filled_up(
    inputs: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
    n_rows: int,
) -> Batch:
    """Return a process's part of a batch with as many rows as that of the others.

    >>> _, codes, _ = filled_up(np.ones((1, 2)), np.array([5]), np.ones(1), 2)
    >>> codes.tolist()
    [5, -1]
    """
    n_missing = n_rows - len(codes)
    if not n_missing:
        return inputs, codes, weights
    return (
        np.concatenate([inputs, np.zeros((n_missing, *inputs.shape[1:]), inputs.dtype)]),
        np.concatenate([codes, np.full((n_missing, *codes.shape[1:]), PADDING, codes.dtype)]),
        np.concatenate([weights, np.zeros((n_missing, *weights.shape[1:]), weights.dtype)]),
    )


def whole(variable: keras.Variable) -> npt.NDArray[Any]:
    """Return the value of a variable, of which other processes may have parts; all have to ask."""
    value = variable.value
    if getattr(value, "is_fully_addressable", True) or value.is_fully_replicated:
        return np.asarray(keras.ops.convert_to_numpy(variable))
    from jax.experimental.multihost_utils import process_allgather

    return np.asarray(process_allgather(value, tiled=True))


def cross_entropy(ranks: Ranks, *, whole: bool) -> keras.Loss:
    """Return the loss: its mean is over the cells that do not fill up a batch.

    Where each process takes `whole` batches, nothing fills them up. To count cells would be another
    message between the processes, and all would wait for it before the gradients.
    """
    ignored = PADDING if ranks.are_several and not whole else None
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)


def log_loss_metric(ranks: Ranks) -> keras.Metric:
    """Return the loss without penalties and weights, as a metric."""
    if ranks.are_several:
        return _LogLoss(name="log_loss")
    return keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="log_loss")


class _LogLoss(keras.metrics.Mean):  # type: ignore[misc]
    """The mean over cells that do not fill up a batch."""

    def update_state(self, codes: Any, logits: Any, sample_weight: Any = None) -> None:  # noqa: ANN401, ARG002  (Keras's)
        losses = keras.losses.sparse_categorical_crossentropy(codes, logits, from_logits=True)
        super().update_state(losses, keras.ops.cast(codes != PADDING, losses.dtype))


class _WithoutPadding(keras.Model):  # type: ignore[misc]
    """A model whose mean loss over an epoch does not count what fills up batches."""

    def train_step(self, state: tuple[Any, ...], data: tuple[Any, ...]) -> tuple[Any, Any]:
        logs, later = super().train_step(state, data)
        return logs, self._counted(state, later, data)

    def test_step(self, state: tuple[Any, ...], data: tuple[Any, ...]) -> tuple[Any, Any]:
        logs, later = super().test_step(state, data)
        return logs, self._counted(state, later, data)

    def _counted(
        self, before: tuple[Any, ...], after: tuple[Any, ...], data: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Count a batch as many times as it has cells in the mean loss; Keras counts its rows."""
        _, codes, _ = data
        of_cells = codes.reshape(len(codes), -1)[:, 0]
        share = (of_cells != PADDING).mean(dtype="float32")
        n_of_loss = len(self.metrics[0].variables)  # Keras's mean loss is the first one
        counted = [
            old + (new - old) * share if number < n_of_loss else new
            for number, (old, new) in enumerate(zip(before[-1], after[-1], strict=True))
        ]
        return (*after[:-1], counted)


def is_by_units(model: keras.Model, ranks: Ranks) -> bool:
    """Tell whether processes share the units of a model, and each takes whole batches."""
    return ranks.are_several and bool(_layouts(model, ranks.count))


def _distribution(
    model: keras.Model, ranks: Ranks
) -> keras.distribution.DataParallel | keras.distribution.ModelParallel:
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((len(devices),), [PROCESSES], devices)
    if not is_by_units(model, ranks):
        # each process reads its own part
        return keras.distribution.DataParallel(mesh, auto_shard_dataset=False)
    layouts = keras.distribution.LayoutMap(mesh)
    for path, axes in _layouts(model, len(devices)).items():
        layouts[path] = axes
    return _ByUnits(layout_map=layouts, batch_dim_name=PROCESSES, auto_shard_dataset=False)


class _ByUnits(keras.distribution.ModelParallel):  # type: ignore[misc]
    """Variables in parts, and every batch as a whole in each process."""

    def get_data_layout(self, data_shape: tuple[int, ...]) -> keras.distribution.TensorLayout:
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


def _layouts(model: keras.Model, count: int) -> dict[str, tuple[str | None, ...]]:
    """Return along which axis the variables of the first two dense layers are split.

    None are where the network does not begin with a dense layer whose units can be dealt out.
    """
    weighted = [layer for layer in model.layers if layer.weights and hasattr(layer, "kernel")]
    if len(weighted) < 2 or any(layer.weights for layer in model.layers if layer not in weighted):
        weighted = []
    first, *others = weighted or [None]
    if type(first) is not keras.layers.Dense or first.units % count:
        return {}
    second = others[0]
    layouts: dict[str, tuple[str | None, ...]] = {first.kernel.path: (None, PROCESSES)}
    if first.bias is not None:
        layouts[first.bias.path] = (PROCESSES,)
    if type(second) is keras.layers.Dense:
        layouts[second.kernel.path] = (PROCESSES, None)
    elif second.kernel.shape[0] % count == 0:  # towers, beside each other
        layouts[second.kernel.path] = (PROCESSES, None, None)
        layouts[second.bias.path] = (PROCESSES, None)
    return layouts
