"""The names of the cell types and their integer codes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import LabelError

MAX_SHOWN = 10
# between the labels of a set
BETWEEN = " | "
# bytes of the longest number of NumPy's
MAX_NUMBER = 8


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

    def join(self, sets: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
        """Return the labels of each set as one text; nothing for the empty set.

        >>> LabelSpace(("B", "T")).join(np.array([[True, True], [False, True], [False, False]]))
        array(['B | T', 'T', ''], dtype=object)
        """
        first, which = distinct_rows(np.packbits(sets, axis=1))
        labels = np.array(self.labels, dtype=object)
        texts = [BETWEEN.join(labels[row]) for row in sets[first]]
        return np.array([*texts, ""], dtype=object)[which]

    def split(self, texts: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Return the sets that `join` made the texts of, (n_texts, n_types).

        Raises
        ------
        LabelError
            A label is not of this space.
        """
        texts = [str(text) for text in texts]
        rows = {text: np.zeros(len(self), dtype=bool) for text in texts}
        for text, row in rows.items():
            row[self.encode(self._parts(text))] = True
        sets: npt.NDArray[np.bool_] = np.array([rows[text] for text in texts], dtype=bool)
        return sets.reshape(len(texts), len(self))

    def _parts(self, text: str) -> list[str]:
        """Return the labels of a set; one may itself hold what stands between labels."""
        parts: list[str] = []
        rest = text.split(BETWEEN) if text else []
        while rest:
            ends = [
                end for end in range(1, len(rest) + 1) if BETWEEN.join(rest[:end]) in self._code_of
            ]
            end = max(ends, default=1)
            parts.append(BETWEEN.join(rest[:end]))
            rest = rest[end:]
        return parts


def distinct_rows(
    packed: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return a row of each kind, and of which of these kinds each row is.

    Parameters
    ----------
    packed
        Shape (n_rows, n_bytes): sets, by `numpy.packbits`.

    Examples
    --------
    >>> distinct_rows(np.array([[3], [9], [3]], np.uint8))
    (array([0, 1]), array([0, 1, 0]))
    """
    n_bytes = packed.shape[1]
    # as one number a row where it fits, which sorts many times as fast as a row of bytes
    width = next((width for width in (1, 2, 4, 8) if width >= n_bytes), n_bytes)
    keys = np.zeros((len(packed), width), np.uint8)
    keys[:, :n_bytes] = packed
    kind = f"u{width}" if width <= MAX_NUMBER else f"V{width}"
    _, first, which = np.unique(keys.view(kind).ravel(), return_index=True, return_inverse=True)
    return first, which
