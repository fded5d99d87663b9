"""Which clusters vote on the type of cells, in memory and on disk."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.classifier.clustering import check_size, find_clusters
from cellclassifier.classifier.view import ModelView
from cellclassifier.classifier.voting import VoteSettings, count_votes, vote
from cellclassifier.data import RawCounts
from cellclassifier.data.annotations import PROBABILITIES_KEY, STATUS_KEY
from cellclassifier.data.streaming import KeptBlocks, Results, SettledCounts
from cellclassifier.data.streaming.cell_table import CellTable, TableInMemory
from cellclassifier.data.vote_columns import RECORD, remove_vote, write_vote
from cellclassifier.errors import InputError
from cellclassifier.labels import shown
from cellclassifier.predictions import STATUSES, UNKNOWN, Predictions


def check_voters(settings: VoteSettings | None, table: CellTable) -> None:
    """Refuse clusters that are not there, and cells that cannot be clustered.

    Raises
    ------
    InputError
        There is no such column, or there are too few or too many cells.
    """
    if settings is None:
        return
    if settings.key is None:
        check_size(len(table))
    elif settings.key not in table.columns:
        raise InputError(
            f"there is no column '{settings.key}' with clusters in .obs; it has "
            f"{shown(table.columns)}. Without a column clusters are found: --vote auto"
        )


def voters(
    settings: VoteSettings, table: CellTable, view: ModelView, blocks: Iterable[RawCounts]
) -> Any:  # noqa: ANN401  (whatever pandas makes a column of)
    """Return the cluster of each cell, (n_cells,).

    Parameters
    ----------
    settings
        Where they are, or how they are found.
    table
        What there is in ``obs``.
    view
        How the model sees the cells.
    blocks
        The counts of all cells, which are read where clusters have to be found.
    """
    check_voters(settings, table)
    if settings.key is not None:
        return table.column(settings.key).array
    normalise = view.manifest.normalisation.apply
    expression = sparse.vstack([normalise(view.aligned(block)) for block in blocks], format="csr")
    return find_clusters(expression, resolution=settings.resolution, seed=settings.seed)


def with_votes(
    results: Results, settings: VoteSettings | None, view: ModelView, settled: SettledCounts
) -> tuple[Results, str]:
    """Return what is written of cells in a file, votes included, and what came of these in words.

    Parameters
    ----------
    results
        All blocks were named.
    settings
        None for no vote.
    view, settled
        How the cells are seen and read.
    """
    if settings is None:
        return results, ""
    kept = results.kept
    blocks = (settled.block(start, stop) for start, stop in kept.bounds)
    codes = np.concatenate([block.argmax(axis=1) for block in kept.each(PROBABILITIES_KEY)])
    votes = count_votes(
        codes,
        _speaking(kept, len(codes)),
        voters(settings, results.table, view, blocks),
        results.label_space,
        min_agreement=settings.min_agreement,
    )
    provenance = {**results.provenance, RECORD: votes.record(settings)}
    return replace(results, provenance=provenance, further=votes.columns()), str(votes)


def annotate_votes(
    cells: ad.AnnData, predictions: Predictions, view: ModelView, settings: VoteSettings | None
) -> None:
    """Write the votes on cells in memory beside their predictions; see `write_vote`.

    Where nobody is to vote, the columns of an earlier vote go.
    """
    remove_vote(cells)
    if settings is None:
        return
    clusters = voters(settings, TableInMemory(cells.obs), view, view.raw.blocks())
    votes = vote(predictions, clusters, min_agreement=settings.min_agreement)
    write_vote(cells, votes.columns(), votes.record(settings))


def _speaking(kept: KeptBlocks, n_cells: int) -> npt.NDArray[np.bool_]:
    """Tell which cells say something of their type: all but unknown ones."""
    if STATUS_KEY not in kept.keys():  # noqa: SIM118  (no dict)
        return np.ones(n_cells, dtype=np.bool_)
    speaks: npt.NDArray[np.bool_] = kept.whole(STATUS_KEY) != STATUSES.index(UNKNOWN)
    return speaks
