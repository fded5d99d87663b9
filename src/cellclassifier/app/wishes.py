"""What can be asked of a run on the page."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from cellclassifier.errors import InputError

if TYPE_CHECKING:
    from cellclassifier.data import CountsArguments
    from cellclassifier.data.formats.orientation import GenesIn

MAX_LETTERS = 200


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The options of `annotate` that the page has, by the names that they have there.

    Parameters
    ----------
    layer, library_size_key, gene_ids, allow_non_integer, genes_in
        Where and what the counts are, as in `find_counts` and `read_cells`.
    map_orthologs
        As in `annotate_file`.
    coverage, refused
        As in `TrustSettings`.
    vote
        Whether clusters that are found vote.
    """

    layer: str | None = None
    library_size_key: str | None = None
    gene_ids: str | None = None
    allow_non_integer: bool = False
    genes_in: "GenesIn | None" = None
    map_orthologs: bool = False
    coverage: float = 0.9
    refused: float = 0.05
    vote: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Wishes":
        """Return what a page asks for.

        Raises
        ------
        InputError
            It is none of these options, or no value that one can have.

        Examples
        --------
        >>> Wishes.of({"layer": "", "coverage": 0.95}).coverage
        0.95
        >>> Wishes.of({"layer": 3})
        Traceback (most recent call last):
        ...
        cellclassifier.errors.InputError: the option layer is a text, not 3
        """
        defaults = {field.name: field.default for field in fields(cls)}
        if foreign := sorted(set(told) - set(defaults)):
            raise InputError(f"there are no options {foreign}; known are {sorted(defaults)}")
        values: dict[str, Any] = {
            name: _checked(name, value, defaults[name]) for name, value in told.items()
        }
        if values.get("genes_in") not in (None, "rows", "columns"):
            raise InputError(f"genes are in rows or in columns, not in '{values['genes_in']}'")
        return cls(**values)

    @property
    def counts(self) -> "CountsArguments":
        """The keywords of `find_counts`."""
        return {
            "layer": self.layer,
            "library_size_key": self.library_size_key,
            "gene_ids": self.gene_ids,
            "allow_non_integer": self.allow_non_integer,
        }


def _checked(name: str, value: object, default: object) -> object:
    """Return a value of the type that an option has; an empty text is none."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"the option {name} is true or false, not {value!r}")
        return value
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"the option {name} is a number, not {value!r}")
        return float(value)
    if value is not None and (not isinstance(value, str) or len(value) > MAX_LETTERS):
        raise InputError(f"the option {name} is a text, not {value!r}")
    return value or None
