"""Which genes a model looks at."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from cellclassifier.data import GenePanel, RawCounts, match_genes, rank_genes
from cellclassifier.data.ranking import MIN_CELLS
from cellclassifier.errors import InputError
from cellclassifier.labels import shown

Genes = int | Literal["all"] | Sequence[str]


def choose_panel(raw: RawCounts, codes: npt.NDArray[np.int32], genes: Genes) -> GenePanel:
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

    Raises
    ------
    InputError
        A name was not measured or stands twice, or the number is not positive.
    """
    if isinstance(genes, str):
        if genes != "all":
            raise InputError(f"genes is a number, 'all' or a list of names, not {genes!r}")
        return raw.genes[np.flatnonzero(raw.counts.getnnz(axis=0))]
    if isinstance(genes, int | np.integer):
        return _most_divergent(raw, codes, int(genes))
    twice = [name for name, n_times in Counter(genes).items() if n_times > 1]
    if twice or not len(genes):
        problem = f"names {shown(twice)} more than once" if twice else "is empty"
        raise InputError(f"the list of genes {problem}; it names one gene or more, each once")
    wanted = GenePanel.of_names(genes)
    match = match_genes(raw.genes, wanted, min_coverage=0.0)
    missing = np.setdiff1d(np.arange(len(wanted)), match.target)
    if len(missing):
        raise InputError(
            f"{len(missing)} of the {len(wanted)} genes named were not measured, such as "
            f"{list(wanted.names[missing[:5]])}"
        )
    source = np.empty(len(wanted), dtype=np.intp)
    found = np.flatnonzero(match.target >= 0)[::-1]
    source[match.target[found]] = found  # the first of several measured genes of one name
    return raw.genes[source]


def _most_divergent(raw: RawCounts, codes: npt.NDArray[np.int32], n_genes: int) -> GenePanel:
    if n_genes < 1:
        raise InputError(f"a panel has at least one gene, not {n_genes}")
    detected = rank_genes(raw.counts, codes, raw.genes).detected
    if not len(detected):
        raise InputError(f"no gene is detected in {MIN_CELLS} cells or more")
    return raw.genes[detected[:n_genes]]
