"""What is kept of the predictions of a block of cells, and the columns it becomes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.annotations import (
    CONFIDENCE_KEY,
    LABEL_KEY,
    NOVELTY_KEY,
    PROBABILITIES_KEY,
    SET_KEY,
    STATUS_KEY,
    as_labels,
)
from cellclassifier.data.streaming.kept import Arrays, KeptBlocks
from cellclassifier.labels import LabelSpace, distinct_rows
from cellclassifier.predictions import STATUSES, CellTrust, Predictions


@dataclass(frozen=True)
class Column:
    """A column of ``obs``.

    Parameters
    ----------
    key
        Its name.
    name
        Its name in a table of annotations alone.
    values
        What is kept of a block, (n_cells, ...), numbers; None where the model does not tell.
    made
        The column that it becomes, by pandas; None leaves it as it is.
    """

    key: str
    name: str
    values: Callable[[Predictions], npt.NDArray[Any] | None]
    made: Callable[[npt.NDArray[Any], LabelSpace], Any] | None = None

    def of(self, values: npt.NDArray[Any], space: LabelSpace) -> Any:  # noqa: ANN401
        """Return values as pandas holds them."""
        return values if self.made is None else self.made(values, space)


def _small(codes: npt.NDArray[np.intp]) -> npt.NDArray[np.int16]:
    return codes.astype(np.int16)


def _of_trust(
    told: Callable[[CellTrust], npt.NDArray[Any]],
) -> Callable[[Predictions], npt.NDArray[Any] | None]:
    return lambda named: None if named.trust is None else told(named.trust)


def _as_sets(packed: npt.NDArray[np.uint8], space: LabelSpace) -> Any:  # noqa: ANN401
    first, which = distinct_rows(packed)
    sets = np.unpackbits(packed[first], axis=1, count=len(space)).astype(bool)
    told = pd.Categorical(space.join(sets))
    return pd.Categorical.from_codes(told.codes[which], told.categories)


def _as_status(codes: npt.NDArray[np.int8], _: LabelSpace) -> Any:  # noqa: ANN401
    return pd.Categorical.from_codes(codes, pd.Index(STATUSES))


# a further column is a further line
COLUMNS = (
    Column(LABEL_KEY, "label", lambda named: _small(named.named_codes), as_labels),
    Column(CONFIDENCE_KEY, "confidence", lambda named: named.confidence),
    Column(SET_KEY, "set", _of_trust(lambda trust: np.packbits(trust.sets, axis=1)), _as_sets),
    Column(NOVELTY_KEY, "novelty", _of_trust(lambda trust: trust.novelty)),
    Column(STATUS_KEY, "status", _of_trust(lambda trust: trust.status), _as_status),
)


def to_arrays(predictions: Predictions) -> Arrays:
    """Return what is kept of a block."""
    columns = {column.key: column.values(predictions) for column in COLUMNS}
    told = {key: values for key, values in columns.items() if values is not None}
    return {**told, PROBABILITIES_KEY: predictions.probabilities}


def whole_columns(kept: KeptBlocks, space: LabelSpace) -> dict[str, Any]:
    """Return the columns of all cells, by their keys."""
    told = kept.keys()
    columns = [column for column in COLUMNS if column.key in told]
    values = kept.wholes([column.key for column in columns])
    return {column.key: column.of(values[column.key], space) for column in columns}
