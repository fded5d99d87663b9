"""How well cells of a new batch are named, by those that training set apart."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.data.whole_batches import BatchTable
from cellclassifier.training import HeldOut

# with fewer cells set apart, the accuracy of a batch is mostly chance
MIN_CELLS = 20


def batch_scores(
    codes: npt.NDArray[np.int32],
    batch_codes: npt.NDArray[np.int32],
    held_out: HeldOut | None,
) -> dict[str, Any]:
    """Return what the model file says of batches, but for the name of their column.

    Batches are not named: a donor's name is not for everyone who gets a model. Cells of types that
    one batch alone has are left out: they were set apart one by one.

    Parameters
    ----------
    codes, batch_codes
        The type and the batch of each cell, (n_cells,).
    held_out
        What a network says of cells of batches that it had not seen.

    Examples
    --------
    >>> logits = np.float32([[1, 0]] * 60)
    >>> scores = batch_scores(
    ...     np.tile([0, 0, 1], 20), np.repeat([0, 1], 30), HeldOut(np.arange(60), logits)
    ... )
    >>> scores["n_batches"], scores["n_cells"], round(scores["accuracy"], 2)
    (2, 60, 0.67)
    """
    table = BatchTable.of(codes, batch_codes)
    scores: dict[str, Any] = {
        "n_batches": int(np.count_nonzero(table.n_cells.sum(axis=1))),
        "n_types_in_one_batch": int(np.count_nonzero(table.n_cells.any(axis=0) & ~table.is_shared)),
        "split": "whole batches",
        "n_cells": 0,
    }
    if held_out is None:
        return scores
    told = table.is_shared[codes[held_out.rows]]
    rows = held_out.rows[told]
    if not len(rows):
        return scores
    correct = held_out.logits[told].argmax(axis=1) == codes[rows]
    n_batches = len(table.n_cells)
    sizes = np.bincount(batch_codes[rows], minlength=n_batches)
    large = sizes >= MIN_CELLS
    n_correct = np.bincount(batch_codes[rows], correct, n_batches)
    of_batches = n_correct[large] / sizes[large]
    scores |= {"n_cells": len(rows), "accuracy": float(correct.mean())}
    if len(of_batches):
        scores |= {
            "n_batches_scored": len(of_batches),
            "lowest": float(of_batches.min()),
            "median": float(np.median(of_batches)),
            "highest": float(of_batches.max()),
        }
    return scores
