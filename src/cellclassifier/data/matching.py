"""How the genes of a matrix find those of a model."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellclassifier.data.gene_table import ALL_SPECIES, ID_PREFIX, gene_table, orthologs
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.resolution import Names
from cellclassifier.errors import GeneOverlapError

# below this share of a model's genes its calls are no better than guesses
MIN_GENE_COVERAGE = 0.2
# of the genes of cells, in a panel of the same kind of names; of another kind there are hardly any
MIN_SHARE_OF_NAMES = 0.05


@dataclass(frozen=True, eq=False)
class GeneMatch:
    """Where each measured gene goes in a panel.

    Parameters
    ----------
    target
        Shape (n_measured,): the panel's column, or -1.
    n_panel
        The number of the panel's genes.
    n_by_id, n_by_symbol
        Panel genes found by Ensembl id, and those found by symbol only.
    n_summed
        Measured genes whose counts are added to those of another one of the same name.
    n_orthologs
        Measured genes taken for their one-to-one orthologue in the panel's species.
    """

    target: npt.NDArray[np.intp]
    n_panel: int
    n_by_id: int
    n_by_symbol: int
    n_summed: int
    n_orthologs: int = 0

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Shape (n_panel,): which of the panel's genes were measured."""
        measured = np.zeros(self.n_panel, dtype=np.bool_)
        measured[self.target[self.target >= 0]] = True
        return measured

    @property
    def gene_coverage(self) -> float:
        """The share of the panel's genes that were measured, in [0, 1]."""
        return (self.n_by_id + self.n_by_symbol) / max(self.n_panel, 1)


def match_genes(
    measured: GenePanel,
    panel: GenePanel,
    *,
    min_coverage: float = MIN_GENE_COVERAGE,
    map_orthologs: bool = False,
) -> GeneMatch:
    """Match measured genes to a panel: by Ensembl id, and what is left by name.

    Symbols and aliases are looked up, so that they match ids, and ids symbols. Several measured
    columns of one gene go to the same place, where their counts add up.

    Parameters
    ----------
    measured, panel
        The genes of the data and those of the model.
    min_coverage
        The share of the panel that has to be measured.
    map_orthologs
        Take mouse genes for their one-to-one human orthologues where the panel is human, and the
        reverse.

    Raises
    ------
    GeneOverlapError
        Less than `min_coverage` of the panel was measured, or the one is human and the other mouse
        and `map_orthologs` is not asked for.

    Examples
    --------
    >>> match = match_genes(
    ...     GenePanel.of_names(["CD3D", "MS4A1", "XIST"]), GenePanel.of_names(["MS4A1", "CD3D"])
    ... )
    >>> match.target.tolist(), match.gene_coverage
    ([1, 0, -1], 1.0)
    """
    measured, panel = measured.resolved(), panel.resolved()
    genes, n_orthologs = _in_species_of(panel, measured, map_orthologs=map_orthologs)
    target, is_by_id = _targets(genes, panel)
    n_found = len(np.unique(target[target >= 0]))
    n_by_id = len(np.unique(target[is_by_id]))
    match = GeneMatch(
        target=target,
        n_panel=len(panel),
        n_by_id=n_by_id,
        n_by_symbol=n_found - n_by_id,
        n_summed=int((target >= 0).sum()) - n_found,
        n_orthologs=n_orthologs,
    )
    if match.gene_coverage < min_coverage or not n_found:
        raise _too_few(match, measured, panel, min_coverage)
    return match


def locate_genes(genes: GenePanel, among: GenePanel) -> npt.NDArray[np.intp]:
    """Return the column of each gene among others, or -1; shape (n_genes,)."""
    return _targets(genes.resolved(), among.resolved())[0]


def _in_species_of(
    panel: GenePanel, measured: GenePanel, *, map_orthologs: bool
) -> tuple[GenePanel, int]:
    """Return the measured genes, as genes of the panel's species, and how many were translated."""
    of_data, of_model = measured.species, panel.species
    if of_data == of_model or not {of_data, of_model} <= set(ALL_SPECIES):
        return measured, 0
    if not map_orthologs:
        raise GeneOverlapError(
            f"the genes are those of {of_data}, such as {list(measured.names[:3])}, and the model "
            f"was trained on {of_model}, such as {list(panel.names[:3])}. Take a model of "
            f"{of_data}, or match the genes that have one orthologue each: map_orthologs=True "
            "(--map-orthologs on the command line)"
        )
    return _translated(measured)


def _translated(genes: GenePanel) -> tuple[GenePanel, int]:
    """Return the orthologues; a gene of the other species without one has no name any more."""
    ids, symbols = genes.ensembl_ids.copy(), genes.symbols.copy()
    n_orthologs = 0
    for source, target in (ALL_SPECIES, ALL_SPECIES[::-1]):
        if source != genes.species:
            continue
        partner, symbol_of = orthologs(source), gene_table(target).symbol_of
        for position, id_ in enumerate(genes.ensembl_ids):
            if id_.startswith(ID_PREFIX[source]):
                ids[position] = partner.get(id_, "")
                symbols[position] = symbol_of.get(ids[position], "")
                n_orthologs += ids[position] != ""
    return replace(genes, ensembl_ids=ids, symbols=symbols), n_orthologs


def _targets(
    measured: GenePanel, panel: GenePanel
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Return the column of each gene in the panel, or -1, and whether an id found it.

    The order is that of the evidence: an id that came with the data; the name to the letter, since
    a name that another gene has had meanwhile most likely means what it meant to the model; the id
    that the name leads to; and for ids that are not the model's, the name where it is nobody
    else's, since ids are replaced, too.
    """
    by_id = _positions(measured.ensembl_ids, panel.ensembl_ids)
    by_name = _positions(measured.symbols, panel.symbols)
    given = measured.has_given_id
    target = np.where(given, by_id, -1)
    found_by_given = target >= 0

    named = ~given & (by_name >= 0) & ~np.isin(by_name, target[found_by_given])
    target[named] = by_name[named]
    ids_there = dict(zip(target[named], measured.ensembl_ids[named], strict=True))
    looked_up = ~given & (target < 0) & (by_id >= 0)
    for column in np.flatnonzero(looked_up):
        id_ = measured.ensembl_ids[column]
        looked_up[column] = ids_there.get(by_id[column], id_) == id_
    target[looked_up] = by_id[looked_up]

    replaced = given & (target < 0) & (by_name >= 0) & ~np.isin(by_name, target[target >= 0])
    replaced &= _is_single(measured.symbols) & _is_single(panel.symbols)[by_name]
    target[replaced] = by_name[replaced]
    return target, found_by_given | looked_up


def _positions(names: Names, panel_names: Names) -> npt.NDArray[np.intp]:
    """Return the first position of each name in the panel, or -1."""
    # backwards, so that the first one of a name stays
    backwards = range(len(panel_names) - 1, -1, -1)
    position_of = dict(zip(panel_names[::-1].tolist(), backwards, strict=True))
    position_of.pop("", None)
    return np.array([position_of.get(name, -1) for name in names.tolist()], dtype=np.intp)


def _is_single(names: Names) -> npt.NDArray[np.bool_]:
    """Tell which names stand there once: hundreds of genes are called Y_RNA."""
    n_times = Counter(names.tolist())
    return np.array([n_times[name] == 1 for name in names.tolist()], dtype=np.bool_)


def _too_few(
    match: GeneMatch, measured: GenePanel, panel: GenePanel, min_coverage: float
) -> GeneOverlapError:
    n_found = match.n_by_id + match.n_by_symbol
    message = (
        f"only {n_found:,} of the model's {len(panel):,} genes were measured (at least "
        f"{min_coverage:.0%} are needed). "
    )
    if n_found >= MIN_SHARE_OF_NAMES * len(measured):
        return GeneOverlapError(
            f"{message}The names fit, but your cells have {len(measured):,} genes only: take them "
            "from before genes were left out; or, if no more were measured, train a model on "
            "these: genes=[…] (train --genes FILE, with a name a line)"
        )
    return GeneOverlapError(
        f"{message}Your genes look like {list(measured.names[:3])}, "
        f"the model's like {list(panel.names[:3])}. Put matching names in "
        '.var["gene_symbol"] or .var["ensembl_id"], or name their column: gene_ids="…" '
        "(--gene-ids on the command line)"
    )
