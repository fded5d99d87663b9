"""The names of the cell types and their integer codes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import LabelError

MAX_SHOWN = 10


def shown(names: Iterable[object]) -> str:
    """Return the first few of `names` for a message.

    >>> shown(["B", "T"])
    "['B', 'T']"
    """
    names = list(names)
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return f"{[str(name) for name in names[:MAX_SHOWN]]}{more}"


@dataclass(frozen=True)
class LabelSpace:
    """The cell types a model knows, in the order of its output columns.

    Parameters
    ----------
    labels
        The names, each once.
    ontology_ids
        Their Cell Ontology ids (``CL:0000236``), or None where none is known; empty stands for
        none known at all.

    Examples
    --------
    >>> space = LabelSpace.of(["T", "B", "T"])
    >>> space.labels
    ('B', 'T')
    >>> space.encode(["T", "B"])
    array([1, 0], dtype=int32)
    >>> space.decode([0, 1]).tolist()
    ['B', 'T']
    """

    labels: tuple[str, ...]
    ontology_ids: tuple[str | None, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels):
            twice = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise LabelError(f"each label may stand once, but {shown(twice)} stand more often")
        if not self.ontology_ids:
            object.__setattr__(self, "ontology_ids", (None,) * len(self.labels))
        if len(self.ontology_ids) != len(self.labels):
            raise LabelError(
                f"{len(self.labels)} labels need as many ontology ids, not {len(self.ontology_ids)}"
            )

    @classmethod
    def of(cls, labels: Iterable[str]) -> "LabelSpace":
        """Return the sorted distinct `labels`."""
        return cls(tuple(sorted(set(labels))))

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def _code_of(self) -> dict[str, int]:
        return {label: code for code, label in enumerate(self.labels)}

    def encode(self, labels: Iterable[str]) -> npt.NDArray[np.int32]:
        """Return the code of each label.

        Raises
        ------
        LabelError
            A label is not of this space.
        """
        labels = list(labels)
        unknown = sorted(set(labels) - self._code_of.keys())
        if unknown:
            raise LabelError(f"unknown labels {shown(unknown)}; known are {shown(self.labels)}")
        return np.array([self._code_of[label] for label in labels], dtype=np.int32)

    def decode(self, codes: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.object_]:
        """Return the label of each code."""
        return np.array(self.labels, dtype=object)[np.asarray(codes, dtype=np.intp)]
