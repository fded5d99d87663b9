"""Which genes a model looks at."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from cellclassifier.data import (
    GeneOrder,
    GenePanel,
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
    if isinstance(genes, str):
        if genes != "all":
            raise InputError(f"genes is a number, 'all' or a list of names, not {genes!r}")
        columns = np.flatnonzero(raw.counts.getnnz(axis=0))
    elif isinstance(genes, int | np.integer):
        columns = _most_divergent(raw, codes, int(genes))
    else:
        columns = _named(raw, genes)
    if gene_order is None:
        return raw.genes[columns]
    if not isinstance(genes, int | np.integer):  # the most divergent ones are ranked already
        by_divergence = rank_genes(raw.whole, codes, raw.genes).order
        columns = by_divergence[np.isin(by_divergence, columns)]
    return raw.genes[order_genes(gene_order, columns)]


def _named(raw: RawCounts, genes: Sequence[str]) -> npt.NDArray[np.intp]:
    wanted = _wanted(genes, raw.genes)
    columns = locate_genes(wanted, raw.genes)
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


def _most_divergent(
    raw: RawCounts, codes: npt.NDArray[np.int32], n_genes: int
) -> npt.NDArray[np.intp]:
    if n_genes < 1:
        raise InputError(f"a panel has at least one gene, not {n_genes}")
    detected = rank_genes(raw.whole, codes, raw.genes).detected
    if not len(detected):
        raise InputError(f"no gene is detected in {MIN_CELLS} cells or more")
    return detected[:n_genes]
