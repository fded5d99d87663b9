"""A case: what the input is, how it is made, and what has to come of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anndata as ad

from input_cases.not_yet import NOT_YET

Make: TypeAlias = Callable[[ad.AnnData, Path], ad.AnnData | Path]
Change: TypeAlias = Callable[[ad.AnnData], ad.AnnData]
Outcome: TypeAlias = Literal["accepted", "converted", "refused"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One input and its outcome.

    Parameters
    ----------
    name
        Of the test.
    what
        The input, as a user would say it.
    make
        Makes it of the clean cells: a file in the folder, or an AnnData.
    outcome
        Accepted as it is, converted first, or refused.
    says
        Words that the evidence or the error has to contain.
    option
        Of the command line.
    command
        The command that gets it.
    door
        Whether it is written to a file for the command line, or handed to Python.
    same
        What has to agree with the clean cells: labels and probabilities to the bit, or labels.
    like
        What is left of the clean cells, where the input lacks some of what they have.
    shows
        What of the evidence is shown: the counts', the genes', the file's or the labels'.
    until
        The last words to show of a message that goes on in the words of a library.
    warns
        Whether it is taken with a note.
    """

    name: str
    what: str
    make: Make
    outcome: Outcome
    says: tuple[str, ...]
    option: str = ""
    command: Literal["annotate", "train"] = "annotate"
    door: Literal["file", "python"] = "file"
    same: Literal["bits", "labels"] = "bits"
    like: Change | None = None
    shows: Literal["counts", "genes", "file", "labels"] = "counts"
    until: str = ""
    warns: bool = False

    @property
    def skip(self) -> str:
        """Why it is not run, nor told; empty for most."""
        return NOT_YET.get(self.name, "")

    @property
    def outcome_in_words(self) -> str:
        """The outcome as the table tells it."""
        with_option = self.option and self.outcome != "refused"
        return f"{self.outcome} with the option" if with_option else self.outcome


class Theme:
    """Cases of one kind, registered by its decorators; of several, the lowest comes first."""

    def __init__(self, title: str, **defaults: Any) -> None:
        self.title = title
        self.cases: list[Case] = []
        self._defaults = defaults

    def accepted(self, what: str, *says: str, **settings: Any) -> Callable[[Make], Make]:
        """Register what is taken as it is."""
        return self._register("accepted", what, says, settings)

    def converted(self, what: str, *says: str, **settings: Any) -> Callable[[Make], Make]:
        """Register what is undone, mapped, added up or turned first."""
        return self._register("converted", what, says, settings)

    def refused(self, what: str, *says: str, **settings: Any) -> Callable[[Make], Make]:
        """Register what is refused."""
        return self._register("refused", what, says, settings)

    def _register(
        self, outcome: Outcome, what: str, says: tuple[str, ...], settings: dict[str, Any]
    ) -> Callable[[Make], Make]:
        def register(make: Make) -> Make:
            settled = {**self._defaults, **settings}
            words = [make.__name__, *re.findall(r"\w+", settled.get("option", ""))]
            name = "-".join(words).replace("_", "-")
            self.cases.append(
                Case(name=name, what=what, make=make, outcome=outcome, says=says, **settled)
            )
            return make

        return register
