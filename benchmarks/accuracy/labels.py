"""Labels of one file in the words of another, by a table that has to be complete."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent / "label_maps"
COLUMNS = ["label", "mapped", "reason"]
# the word that stands for "outside of the comparison"
DROP = "drop"

Labels = npt.NDArray[np.object_]


class LabelMapError(ValueError):
    """A label map is not fit for what it is asked to map."""


@dataclass(frozen=True)
class LabelMap:
    """A table from each label of a file to a label of the comparison, or to `DROP`."""

    name: str
    mapped: dict[str, str]

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> "LabelMap":
        """Read ``label_maps/NAME.csv``; each label may stand once."""
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file))
        if header != COLUMNS:
            raise LabelMapError(f"label map {name} has the columns {header}, not {COLUMNS}")
        mapped: dict[str, str] = {}
        for row in rows:
            if len(row) != len(COLUMNS) or not row[0] or not row[1]:
                raise LabelMapError(f"label map {name} has the line {row}: three fields are needed")
            if row[0] in mapped:
                raise LabelMapError(f"label map {name} has the label {row[0]!r} twice")
            mapped[row[0]] = row[1]
        return cls(name, mapped)

    @property
    def targets(self) -> frozenset[str]:
        """The labels of the comparison."""
        return frozenset(self.mapped.values()) - {DROP}

    def check_targets(self, known: Iterable[str]) -> None:
        """Refuse a map that leads to a label that the other side has not got."""
        if unknown := sorted(self.targets - set(known)):
            raise LabelMapError(
                f"label map {self.name} leads to {unknown}, which the reference has not got: "
                f"it has {sorted(known)}"
            )

    def apply(self, labels: Iterable[str]) -> Labels:
        """Return the mapped labels, `DROP` among them; every label has to be in the map.

        A label of the map that no cell has is refused too: it is a typing error, or the map
        belongs to another file.
        """
        labels = list(labels)
        present = set(labels)
        if missing := sorted(present - self.mapped.keys()):
            raise LabelMapError(f"label map {self.name} says nothing of {missing}")
        if unused := sorted(self.mapped.keys() - present):
            raise LabelMapError(f"label map {self.name} maps {unused}, which no cell has")
        return np.array([self.mapped[label] for label in labels], dtype=object)
