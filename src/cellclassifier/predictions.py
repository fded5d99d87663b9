"""What a classifier says about cells, as one value."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace

# rows of float32 probabilities add up to one within this
ROW_SUM_TOLERANCE = 1e-3


# the label of cells that are not given a type
UNKNOWN = "unknown"
# why no cell of a file can be called unknown: that was asked, or they come from elsewhere
NoneUnknown = Literal["asked", "shift"]
# what a cell's label is worth, the gravest first
STATUSES = ("low_coverage", "low_depth", UNKNOWN, "ambiguous", "assigned")


@dataclass(frozen=True, eq=False)
class CellTrust:
    """What the labels of a set of cells are worth.

    Parameters
    ----------
    sets
        Shape (n_cells, n_types), bool: the types that each cell may be of.
    coverage
        How often a set is to hold the true type.
    novelty
        Shape (n_cells,), float32: -log10 of the share of known cells that look at least as unlike
        the training cells.
    status
        Shape (n_cells,), int8: which of `STATUSES`.
    label_unknown
        Whether unknown cells are to be labelled so, and not by their most probable type.
    """

    sets: npt.NDArray[np.bool_]
    coverage: float
    novelty: npt.NDArray[np.float32]
    status: npt.NDArray[np.int8]
    label_unknown: bool = False

    @property
    def statuses(self) -> npt.NDArray[np.object_]:
        """The status of each cell in words, shape (n_cells,)."""
        return np.array(STATUSES, dtype=object)[self.status]

    @property
    def is_unknown(self) -> npt.NDArray[np.bool_]:
        """Which cells have the status ``unknown``, shape (n_cells,)."""
        return np.asarray(self.status == STATUSES.index(UNKNOWN))


@dataclass(frozen=True, eq=False)
class Predictions:
    """Labels and probabilities of a set of cells.

    Parameters
    ----------
    label_space
        The types, in the order of the columns of `probabilities`.
    probabilities
        Shape (n_cells, n_types), float32, rows adding up to 1.
    cell_names
        Shape (n_cells,).
    gene_coverage
        The share of the model's genes that were measured, in [0, 1].
    shift
        How far the cells were taken to be from the model's training cells, 0 for cells like them;
        None where the model cannot tell, and where nobody asked what labels are worth of a network
        that does not adapt to it.
    trust
        Prediction sets, novelty and status; None where the model does not know how it errs.
    calibrated_depth
        The depth that the scores were calibrated for, as a share of that of the training cells, in
        (0, 1]: on training cells that were thinned to it; None where they are the model's as it is.

    Raises
    ------
    InputError
        The shapes do not fit together, or the rows are not probabilities.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> named = Predictions(
    ...     LabelSpace(("B", "T")),
    ...     np.array([[0.9, 0.1], [0.2, 0.8]], dtype="float32"),
    ...     pd.Index(["cell1", "cell2"]),
    ... )
    >>> named.labels.tolist()
    ['B', 'T']
    >>> named
    Predictions of 2 cells over 2 types (median confidence 0.85)
      B: 1
      T: 1
    """

    label_space: LabelSpace
    probabilities: npt.NDArray[np.float32]
    cell_names: pd.Index
    gene_coverage: float = 1.0
    shift: float | None = None
    trust: CellTrust | None = None
    calibrated_depth: float | None = None

    def __post_init__(self) -> None:
        expected = (len(self.cell_names), len(self.label_space))
        if self.probabilities.shape != expected:
            raise InputError(
                f"probabilities have the shape {self.probabilities.shape}, but "
                f"{expected[0]} cells and {expected[1]} types make {expected}"
            )
        sums = self.probabilities.sum(axis=1, dtype=np.float64)
        if not np.all(np.abs(sums - 1) <= ROW_SUM_TOLERANCE) or (self.probabilities < 0).any():
            worst = float(sums[np.argmax(np.abs(np.nan_to_num(sums, nan=np.inf) - 1))])
            raise InputError(
                "rows of probabilities are non-negative and add up to 1, "
                f"but one here adds up to {worst:g}; these may be logits or scores"
            )

    def __len__(self) -> int:
        return len(self.cell_names)

    def __getitem__(self, rows: npt.NDArray[np.integer]) -> "Predictions":
        """Return the predictions of some cells."""
        trust = self.trust
        if trust is not None:
            trust = replace(
                trust,
                sets=trust.sets[rows],
                novelty=trust.novelty[rows],
                status=trust.status[rows],
            )
        return replace(
            self,
            probabilities=self.probabilities[rows],
            cell_names=self.cell_names[rows],
            trust=trust,
        )

    @cached_property
    def codes(self) -> npt.NDArray[np.intp]:
        """The column of the most probable type, shape (n_cells,)."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.intp)

    @property
    def named_codes(self) -> npt.NDArray[np.intp]:
        """The code of each cell's label, shape (n_cells,); n_types for ``unknown``."""
        if self.trust is None or not self.trust.label_unknown:
            return self.codes
        return np.where(self.trust.is_unknown, len(self.label_space), self.codes)

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """The label of each cell, shape (n_cells,), as `annotate` writes it.

        Its most probable type, or ``unknown`` where unknown cells were to be labelled so.
        """
        return np.array([*self.label_space.labels, UNKNOWN], dtype=object)[self.named_codes]

    @property
    def likeliest(self) -> npt.NDArray[np.object_]:
        """The most probable type of each cell, whatever its label is, shape (n_cells,)."""
        return self.label_space.decode(self.codes)

    @property
    def confidence(self) -> npt.NDArray[np.float32]:
        """The probability of the most probable type, shape (n_cells,), in [0, 1]."""
        return self.probabilities[np.arange(len(self)), self.codes]

    def to_frame(self) -> pd.DataFrame:
        """Return the label and the confidence of each cell as a table.

        And, where they are known, its prediction set, novelty and status.
        """
        columns: dict[str, object] = {"label": self.labels, "confidence": self.confidence}
        if self.trust is not None:
            columns |= {
                "set": self.label_space.join(self.trust.sets),
                "novelty": self.trust.novelty,
                "status": self.trust.statuses,
            }
        return pd.DataFrame(columns, index=self.cell_names)

    def __repr__(self) -> str:
        counts = pd.Series(self.labels).value_counts()
        median = float(np.median(self.confidence)) if len(self) else float("nan")
        head = (
            f"Predictions of {len(self):,} cells over {len(self.label_space)} types "
            f"(median confidence {median:.2f})"
        )
        return "\n".join([head, *(f"  {label}: {count:,}" for label, count in counts.items())])
