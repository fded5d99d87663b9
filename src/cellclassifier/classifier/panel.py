"""Which genes a model looks at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cellclassifier.data import (
    GeneOrder,
    GenePanel,
    GeneRanking,
    RawCounts,
    order_genes,
    rank_genes,
)
from cellclassifier.data.matching import locate_genes
from cellclassifier.data.ranking import MIN_CELLS
from cellclassifier.data.resolution import number_genes
from cellclassifier.errors import InputError
from cellclassifier.labels import shown

Genes = int | Literal["all"] | Sequence[str]


def choose_panel(
    raw: RawCounts,
    codes: npt.NDArray[np.int32],
    genes: Genes,
    gene_order: GeneOrder | None = None,
) -> GenePanel:
    """Choose the genes to look at, by the user's word.

    Parameters
    ----------
    raw
        The reference.
    codes
        Its types.
    genes
        A number: that many of the most divergent genes detected in three cells or more, in rank
        order. ``"all"``: every gene detected in the reference, in its order. Names: those genes, in
        that order.
    gene_order
        Another order for them.

    Raises
    ------
    InputError
        A name was not measured or stands twice, or the number is not positive.
    """
    measured = MeasuredGenes(
        raw.genes,
        raw.counts.getnnz(axis=0) > 0,
        lambda: rank_genes(raw.whole, codes, raw.genes),
    )
    return raw.genes[choose_columns(measured, genes, gene_order)]


@dataclass(frozen=True)
class MeasuredGenes:
    """What is known of the genes of a reference.

    Parameters
    ----------
    genes
        The genes.
    detected
        Shape (n_genes,): whether any cell has a count.
    rank
        Ranks them, when it is called.
    """

    genes: GenePanel
    detected: npt.NDArray[np.bool_]
    rank: Callable[[], GeneRanking]


def choose_columns(
    measured: MeasuredGenes, genes: Genes, gene_order: GeneOrder | None = None
) -> npt.NDArray[np.intp]:
    """Return the columns of the genes to look at; all else as for `choose_panel`."""
    if isinstance(genes, str):
        if genes != "all":
            raise InputError(f"genes is a number, 'all' or a list of names, not {genes!r}")
        columns = np.flatnonzero(measured.detected)
    elif isinstance(genes, int | np.integer):
        columns = _most_divergent(measured, int(genes))
    else:
        columns = _named(measured.genes, genes)
    if gene_order is None:
        return columns
    if not isinstance(genes, int | np.integer):  # the most divergent ones are ranked already
        by_divergence = measured.rank().order
        columns = by_divergence[np.isin(by_divergence, columns)]
    return order_genes(gene_order, columns)


def _named(measured: GenePanel, genes: Sequence[str]) -> npt.NDArray[np.intp]:
    wanted = _wanted(genes, measured)
    columns = locate_genes(wanted, measured)
    missing = np.flatnonzero(columns < 0)
    if len(missing):
        raise InputError(
            f"{len(missing)} of the {len(wanted)} genes named were not measured, such as "
            f"{list(wanted.names[missing[:5]])}"
        )
    return columns


def _wanted(names: Sequence[str], measured: GenePanel) -> GenePanel:
    """Return the genes named, each once, read as names of the species measured."""
    wanted = GenePanel.of_names(names).resolved(measured.species)
    numbers = number_genes(wanted.ensembl_ids, wanted.symbols)
    twice = np.bincount(numbers)[numbers] > 1
    if twice.any() or not len(names):
        again = shown(dict.fromkeys(np.asarray(names, dtype=object)[twice]))
        problem = f"names {again} more than once" if twice.any() else "is empty"
        raise InputError(f"the list of genes {problem}; it names one gene or more, each once")
    return wanted


def _most_divergent(measured: MeasuredGenes, n_genes: int) -> npt.NDArray[np.intp]:
    if n_genes < 1:
        raise InputError(f"a panel has at least one gene, not {n_genes}")
    detected = measured.rank().detected
    if not len(detected):
        raise InputError(f"no gene is detected in {MIN_CELLS} cells or more")
    return detected[:n_genes]
