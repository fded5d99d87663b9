"""What clusters say of their cells' type, as columns beside what the cells say themselves."""

from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.annotations import LABEL_KEY, PROVENANCE_KEY, as_labels
from cellclassifier.labels import LabelSpace

VOTE_KEY = f"{LABEL_KEY}_vote"
VOTE_AGREEMENT_KEY = f"{LABEL_KEY}_vote_agreement"
VOTE_CLUSTER_KEY = f"{LABEL_KEY}_vote_cluster"
RECORD = "vote"


def vote_columns(
    codes: npt.NDArray[np.integer],
    space: LabelSpace,
    agreement: npt.NDArray[np.float32],
    clusters: pd.Categorical,
) -> dict[str, Any]:
    """Return the columns of ``obs`` that hold a vote, by their keys; each (n_cells,).

    >>> columns = vote_columns(
    ...     np.array([1]), LabelSpace(("B", "T")), np.float32([0.5]), pd.Categorical([7])
    ... )
    >>> [str(values[0]) for values in columns.values()]
    ['T', '0.5', '7']
    """
    named = clusters.rename_categories(str)
    return {
        VOTE_KEY: as_labels(codes, space),
        VOTE_AGREEMENT_KEY: agreement.astype(np.float32, copy=False),
        VOTE_CLUSTER_KEY: named,
    }


def write_vote(cells: ad.AnnData, columns: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write a vote into `cells` that `write_predictions` wrote into before.

    Keys written: those of `vote_columns` in ``obs``, and ``uns["cellclassifier"]["vote"]``, what is
    recorded of it. What the cells say themselves is not touched.
    """
    for key, values in columns.items():
        cells.obs[key] = values
    cells.uns[PROVENANCE_KEY] = {**cells.uns[PROVENANCE_KEY], RECORD: dict(record)}


def remove_vote(cells: ad.AnnData) -> None:
    """Remove the columns of an earlier vote, which was on other predictions."""
    for key in (VOTE_KEY, VOTE_AGREEMENT_KEY, VOTE_CLUSTER_KEY):
        if key in cells.obs:
            del cells.obs[key]
