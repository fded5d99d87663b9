"""What clusters of cells say of their type, beside what each cell says for itself."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.classifier.clustering import RESOLUTION
from cellclassifier.data.vote_columns import vote_columns
from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import Predictions

# of the cells of a cluster that have to say the same, for its word to stand
MIN_AGREEMENT = 0.9

Codes = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class VoteSettings:
    """Who votes, and when a vote stands.

    Parameters
    ----------
    key
        The column of ``obs`` with the clusters; None finds them, see `find_clusters`.
    min_agreement
        The share of a cluster's cells whose own type has to be the one that most of them have, in
        [0, 1]; where fewer agree, its cells keep their own.
    resolution, seed
        Of the clusters that are found.

    Raises
    ------
    InputError
        A number is out of range.
    """

    key: str | None = None
    min_agreement: float = MIN_AGREEMENT
    resolution: float = RESOLUTION
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.min_agreement <= 1:
            raise InputError(
                f"the agreement that a vote needs is a share from 0 to 1, not {self.min_agreement}"
            )
        if not self.resolution > 0:
            raise InputError(f"the resolution of clusters is positive, not {self.resolution}")


def asked_to_vote(
    found: Literal["auto"] | None, key: str | None, min_agreement: float
) -> VoteSettings | None:
    """Return who votes, by the words of the command line; None for nobody.

    >>> asked_to_vote(None, "leiden", 0.5).key
    'leiden'
    """
    if found and key:
        raise InputError(
            f"--vote auto finds clusters, and --vote-key {key} names them: one of the two"
        )
    if not (found or key):
        return None
    return VoteSettings(key=key, min_agreement=min_agreement)


@dataclass(frozen=True, eq=False)
class Votes:
    """What the cluster of each cell says of its type.

    Parameters
    ----------
    label_space
        The types.
    codes
        Shape (n_cells,): the type that a cell's cluster votes for. Where too few agree, or the
        cell is in no cluster, the cell's own.
    agreement
        Shape (n_cells,), float32, in [0, 1]: the share of the cluster's cells whose own type is the
        one that most of them have; of a cell in no cluster 0.
    stands
        Shape (n_cells,): whether the cluster's word stands.
    clusters
        The cluster of each cell, categorical; missing for none.
    """

    label_space: LabelSpace
    codes: Codes
    agreement: npt.NDArray[np.float32]
    stands: npt.NDArray[np.bool_]
    clusters: pd.Categorical

    @property
    def labels(self) -> npt.NDArray[np.object_]:
        """The type that each cell gets by the vote, shape (n_cells,)."""
        return self.label_space.decode(self.codes)

    @property
    def n_clusters(self) -> int:
        """How many clusters voted."""
        return len(np.unique(self.clusters.codes[self.clusters.codes >= 0]))

    def table(self) -> pd.DataFrame:
        """Return a row for each cluster: ``cluster``, ``label``, ``agreement``, ``n_cells``.

        The label is an empty text where the cluster's word does not stand.
        """
        of_cells = pd.DataFrame(
            {
                "cluster": self.clusters,
                "label": np.where(self.stands, self.labels, ""),
                "agreement": self.agreement,
            }
        )
        clusters = of_cells.groupby("cluster", observed=True)
        return clusters.first().assign(n_cells=clusters.size()).reset_index()

    def columns(self) -> dict[str, Any]:
        """Return what goes into ``obs``, by its keys; see docs/reference/keys.md."""
        return vote_columns(self.codes, self.label_space, self.agreement, self.clusters)

    def record(self, settings: VoteSettings) -> dict[str, Any]:
        """Return what ``uns["cellclassifier"]["vote"]`` says of it."""
        found = {"resolution": settings.resolution, "seed": settings.seed}
        return {
            "clusters": settings.key or "found",
            "n_clusters": self.n_clusters,
            "min_agreement": settings.min_agreement,
            "share_standing": float(self.stands.mean()),
            **({} if settings.key else found),
        }

    def __repr__(self) -> str:
        return (
            f"Votes of {self.n_clusters:,} clusters; the word of its cluster stands for "
            f"{int(self.stands.sum()):,} of {len(self.codes):,} cells"
        )


def vote(
    predictions: Predictions,
    clusters: Any,  # noqa: ANN401  (whatever pandas makes a column of)
    *,
    min_agreement: float = MIN_AGREEMENT,
) -> Votes:
    """Have clusters of cells vote on their type.

    Each cell says its own most probable type; one whose status is ``unknown`` says none, but
    counts. A cluster's word is what most of its cells say. The predictions do not change.

    Parameters
    ----------
    predictions
        Of the cells.
    clusters
        Shape (n_cells,): the cluster of each cell, such as ``adata.obs["leiden"]``, or what
        `find_clusters` returns; a missing value is none.
    min_agreement
        As in `VoteSettings`.

    Raises
    ------
    InputError
        There are not as many clusters as cells.

    Examples
    --------
    >>> probabilities = np.float32([[0.9, 0.1]] * 3 + [[0.4, 0.6]] + [[0.1, 0.9]])
    >>> named = Predictions(LabelSpace(("B", "T")), probabilities, pd.RangeIndex(5))
    >>> votes = vote(named, ["one"] * 4 + ["two"], min_agreement=0.7)
    >>> votes.labels.tolist(), votes.agreement.tolist()
    (['B', 'B', 'B', 'B', 'T'], [0.75, 0.75, 0.75, 0.75, 1.0])
    """
    speaks = np.ones(len(predictions), dtype=np.bool_)
    if predictions.trust is not None:
        speaks = ~predictions.trust.is_unknown
    return count_votes(
        predictions.codes, speaks, clusters, predictions.label_space, min_agreement=min_agreement
    )


def count_votes(
    codes: npt.NDArray[np.integer],
    speaks: npt.NDArray[np.bool_],
    clusters: Any,  # noqa: ANN401  (whatever pandas makes a column of)
    label_space: LabelSpace,
    *,
    min_agreement: float = MIN_AGREEMENT,
) -> Votes:
    """Return the votes of cells by what each says, (n_cells,), and whether it says anything."""
    settings = VoteSettings(min_agreement=min_agreement)
    named = pd.Categorical(clusters)
    if len(named) != len(codes):
        raise InputError(f"{len(named):,} cells have a cluster, but {len(codes):,} were named")
    own, members = codes.astype(np.intp), named.codes
    said = np.zeros((len(named.categories), len(label_space)))
    counted = speaks & (members >= 0)
    np.add.at(said, (members[counted], own[counted]), 1)
    sizes = np.bincount(members[members >= 0], minlength=len(said))
    share = said.max(axis=1, initial=0) / np.maximum(sizes, 1)
    in_one = members >= 0
    agreement = np.where(in_one, share[members] if len(share) else 0.0, 0.0)
    # a word that nobody says is none
    stands = in_one & (agreement > 0) & (agreement >= settings.min_agreement)
    word = said.argmax(axis=1)[members] if len(share) else own
    return Votes(
        label_space, np.where(stands, word, own), agreement.astype(np.float32), stands, named
    )
