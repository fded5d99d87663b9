"""What is unusual about a cell, put together: how surprising it would be among known cells."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.trust.tails import Tail, of_file

# unexpected counts speak only where one known cell in ten has as many
UNEXPECTED_FROM = np.log(10.0)

# arrays of a file, where two networks doubt
OF_FAR = ("far_doubt", "greater_doubt")

Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Unusual:
    """What was found of cells, each (n_cells,); the larger, the more unusual.

    Parameters
    ----------
    distance
        Logarithm of the distance to known cells.
    doubt
        Entropy of the probabilities.
    unexpected
        Logarithm of how unexpected the counts are.
    far_doubt
        Entropy of what the network would say were the cells from elsewhere; None where it cannot.
    """

    distance: Floats64
    doubt: Floats64
    unexpected: Floats64
    far_doubt: Floats64 | None = None


@dataclass(frozen=True, eq=False)
class Doubts:
    """How doubtful known cells are, by one network or by two.

    Parameters
    ----------
    near
        By the network for cells like these.
    far
        By that for cells from elsewhere, and by the greater one of the two surprises; None where
        there is none for cells from elsewhere.
    """

    near: Tail
    far: tuple[Tail, Tail] | None = None

    @classmethod
    def of(cls, near: Floats64, far: Floats64 | None, both: npt.NDArray[np.bool_]) -> "Doubts":
        """Learn from known cells: entropies, the far ones of those marked by `both`."""
        doubts = cls(Tail.of(near))
        if far is None:
            return doubts
        of_far = Tail.of(far)
        greater = np.maximum(doubts.near.surprise(near[both]), of_far.surprise(far))
        return cls(doubts.near, (of_far, Tail.of(greater)))

    def surprise(self, near: Floats64, far: Floats64 | None) -> Floats64:
        """Return how surprising the doubt about cells is, (n_cells,), in nats."""
        surprise = self.near.surprise(near)
        if self.far is None or far is None:
            return surprise
        of_far, of_greater = self.far
        return of_greater.surprise(np.maximum(surprise, of_far.surprise(far)))


@dataclass(frozen=True, eq=False)
class Surprises:
    """How unusual known cells are, one by one and together.

    The surprises of distance and doubt are added (Fisher's method), that of unexpected counts where
    it exceeds log 10. Where two networks doubt, the greater surprise counts, at its own rarity.

    Parameters
    ----------
    distance, doubts, unexpected
        Of known cells.
    together
        Of the sum.
    """

    distance: Tail
    doubts: Doubts
    unexpected: Tail
    together: Tail

    @classmethod
    def of(
        cls,
        found: Unusual,
        both: npt.NDArray[np.bool_],
        unseen: tuple[Floats64, Floats64] | None = None,
    ) -> "Surprises":
        """Learn from known cells.

        Parameters
        ----------
        found
            Of known cells; the far doubt of those only of which it is known.
        both
            Which these are, (n_cells,); all, where there is no far doubt.
        unseen
            Distance and unexpected counts of these, by what was learned without them: how rare a
            sum is must not be told by cells that its parts were learned on. None for no such.
        """
        doubts = Doubts.of(found.doubt, found.far_doubt, both)
        parts = Tail.of(found.distance), doubts, Tail.of(found.unexpected)
        distance, unexpected = unseen or (found.distance[both], found.unexpected[both])
        whole = Unusual(distance, found.doubt[both], unexpected, found.far_doubt)
        return cls(*parts, Tail.of(_sum(whole, *parts)))

    def novelty(self, found: Unusual) -> Floats64:
        """Return -log10 of the share of known cells that are as unusual, (n_cells,)."""
        joint = _sum(found, self.distance, self.doubts, self.unexpected)
        novelty: Floats64 = self.together.surprise(joint) / np.log(10.0)
        return novelty

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return what a file has to hold, by name."""
        tails = {
            "distance": self.distance,
            "doubt": self.doubts.near,
            "unexpected": self.unexpected,
            "together": self.together,
        }
        if self.doubts.far is not None:
            tails |= dict(zip(OF_FAR, self.doubts.far, strict=True))
        return {name: tail.knots for name, tail in tails.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "Surprises":
        """Take what `to_arrays` gave, trusting nothing in it.

        Raises
        ------
        ValueError
            An array is missing, or is no tail.
        """

        def tail(name: str) -> Tail:
            return Tail.from_array(of_file(arrays, name))

        of_far, of_greater = OF_FAR
        has_far = any(name in arrays for name in OF_FAR)
        far = (tail(of_far), tail(of_greater)) if has_far else None
        return cls(
            tail("distance"), Doubts(tail("doubt"), far), tail("unexpected"), tail("together")
        )


def _sum(found: Unusual, distance: Tail, doubts: Doubts, unexpected: Tail) -> Floats64:
    joint: Floats64 = (
        distance.surprise(found.distance)
        + doubts.surprise(found.doubt, found.far_doubt)
        + np.maximum(unexpected.surprise(found.unexpected) - UNEXPECTED_FROM, 0)
    )
    return joint
