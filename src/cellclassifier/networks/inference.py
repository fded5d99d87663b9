"""Expression through a network, batch by batch."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import StandIn
from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import LOGITS

BATCH_CELLS = 256


def logits_model(model: "keras.Model") -> "keras.Model":
    """Return the part of `model` up to its logits; the weights are shared.

    Raises
    ------
    InputError
        The model has no dense layer named ``logits``.
    """
    layer = next((layer for layer in model.layers if layer.name == LOGITS), None)
    if not isinstance(layer, keras.layers.Dense):
        raise InputError(
            f"the network '{model.name}' has no dense layer named '{LOGITS}' before its softmax; "
            f"its layers are {[layer.name for layer in model.layers]}"
        )
    return keras.Model(model.inputs[0], layer.output, name=f"{model.name}_logits")


def to_batch(expression: sparse.csr_matrix, model: "keras.Model") -> npt.NDArray[np.float32]:
    """Return rows of expression, (batch, n_genes), in the shape that `model` takes."""
    return expression.toarray().reshape(-1, *model.input_shape[1:])


def full_batch(
    rows: sparse.csr_matrix, batch_cells: int, stand_in: StandIn | None
) -> npt.NDArray[np.float32]:
    """Return rows of expression, dense, filled up to (batch_cells, n_genes) by cells of zeros.

    Parameters
    ----------
    rows
        Shape (n_cells, n_genes), CSR, with `batch_cells` at most.
    batch_cells
        How many cells the network takes at once.
    stand_in
        What genes that were not measured get, also in the cells of zeros, so that a cell's numbers
        do not depend on how many others come with it; None where all were measured.

    Examples
    --------
    >>> full_batch(sparse.csr_matrix(np.float32([[1, 0]])), 2, None).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    n_cells, n_genes = rows.shape
    ends = np.pad(rows.indptr, (0, batch_cells - n_cells), mode="edge")
    filled_up = sparse.csr_matrix((rows.data, rows.indices, ends), shape=(batch_cells, n_genes))
    if stand_in is None:
        dense: npt.NDArray[np.float32] = filled_up.toarray()
        return dense
    return stand_in.fill(filled_up)


def predict_logits(
    model: "keras.Model",
    expression: sparse.csr_matrix,
    stand_in: StandIn | None = None,
    batch_cells: int = BATCH_CELLS,
) -> npt.NDArray[np.float32]:
    """Return the output of `model` for each cell.

    Parameters
    ----------
    model
        From `logits_model`.
    expression
        Shape (n_cells, n_genes), CSR.
    stand_in
        What genes that were not measured get; None where all were.
    batch_cells
        Every batch has this many cells, the last one filled up with zeros: the network is compiled
        once, and a cell's numbers do not depend on how many others come with it.

    Returns
    -------
    numpy.ndarray
        Shape (n_cells, n_types), float32.
    """
    n_cells = expression.shape[0]
    logits = np.empty((n_cells, model.output_shape[-1]), dtype=np.float32)
    for start in range(0, n_cells, batch_cells):
        rows = expression[start : start + batch_cells]
        batch = full_batch(rows, batch_cells, stand_in).reshape(-1, *model.input_shape[1:])
        logits[start : start + rows.shape[0]] = model.predict_on_batch(batch)[: rows.shape[0]]
    return logits


def divide_logits(model: "keras.Model", temperature: float) -> None:
    """Divide the logits of `model` by `temperature`, by dividing the last layer's weights."""
    layer = model.get_layer(LOGITS)
    layer.set_weights([weights / np.float32(temperature) for weights in layer.get_weights()])
