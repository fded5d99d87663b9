"""The genes of a matrix or of a model, and how the two are matched."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.errors import GeneOverlapError, InputError
from cellclassifier.labels import shown

# ENSG00000141510, ENSMUSG00000059552.14: species letters, G for gene, eleven digits, a version
ENSEMBL_GENE = re.compile(r"ENS[A-Z]{0,6}G\d{11}(\.\d+)?")
SYMBOL_COLUMNS = (
    "gene_symbol", "gene_symbols", "symbol", "gene_name", "gene_names", "feature_name",
    "gene_short_name",
)  # fmt: skip
ENSEMBL_COLUMNS = (
    "ensembl_id", "gene_ids", "gene_id", "ensembl", "ensembl_gene_id", "feature_id", "id",
)  # fmt: skip

# below this share of a model's genes its calls are no better than guesses
MIN_GENE_COVERAGE = 0.2

Names = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class GenePanel:
    """Genes in column order: an Ensembl id, a symbol, or both for each.

    Parameters
    ----------
    ensembl_ids
        Shape (n_genes,), without version; an empty string where none is known.
    symbols
        Shape (n_genes,), symbols or any other names; an empty string where none is known.

    Examples
    --------
    >>> panel = GenePanel.of_names(["ENSG00000156738.18", "CD3D"])
    >>> panel.ensembl_ids.tolist(), panel.symbols.tolist()
    (['ENSG00000156738', ''], ['', 'CD3D'])
    """

    ensembl_ids: Names
    symbols: Names

    @classmethod
    def of_names(cls, names: Iterable[object]) -> "GenePanel":
        """Tell ids from symbols, name by name."""
        names = np.array([str(name) for name in names], dtype=object)
        is_id = np.array([bool(ENSEMBL_GENE.fullmatch(name)) for name in names], dtype=bool)
        ids = np.where(is_id, [name.partition(".")[0] for name in names], "").astype(object)
        return cls(ids, np.where(is_id, "", names).astype(object))

    @classmethod
    def of_var(cls, var: pd.DataFrame, gene_ids: str | None = None) -> "GenePanel":
        """Collect ids and symbols from an AnnData's ``var`` table.

        Parameters
        ----------
        var
            Its index, and its columns of the usual names (``gene_symbol``, ``ensembl_id``, ...),
            are read.
        gene_ids
            The one column to use instead.

        Raises
        ------
        InputError
            There is no such column.
        """
        if gene_ids is not None:
            if gene_ids not in var:
                raise InputError(
                    f"there is no column '{gene_ids}' in .var; it has {shown(var.columns)}"
                )
            return cls.of_names(_texts(var[gene_ids]))
        panel = cls.of_names([""] * len(var))
        for column in ENSEMBL_COLUMNS:
            if column in var:  # what is no Ensembl id there (Entrez numbers) is no symbol either
                ids = cls.of_names(_texts(var[column])).ensembl_ids
                panel = panel.filled_from(cls(ids, panel.symbols))
        for column in SYMBOL_COLUMNS:
            if column in var:
                panel = panel.filled_from(cls.of_names(_texts(var[column])))
        return panel.filled_from(cls.of_names(var.index))

    def filled_from(self, other: "GenePanel") -> "GenePanel":
        """Fill the gaps of this panel from another one of the same genes."""
        return GenePanel(
            np.where(self.ensembl_ids == "", other.ensembl_ids, self.ensembl_ids),
            np.where(self.symbols == "", other.symbols, self.symbols),
        )

    def __len__(self) -> int:
        return len(self.symbols)

    def __getitem__(self, columns: npt.NDArray[np.integer]) -> "GenePanel":
        """Return the genes of the given columns, in that order."""
        return GenePanel(self.ensembl_ids[columns], self.symbols[columns])

    @property
    def names(self) -> Names:
        """One name a gene: the symbol, or else the id."""
        return np.where(self.symbols == "", self.ensembl_ids, self.symbols)


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
    """

    target: npt.NDArray[np.intp]
    n_panel: int
    n_by_id: int
    n_by_symbol: int
    n_summed: int

    @property
    def gene_coverage(self) -> float:
        """The share of the panel's genes that were measured, in [0, 1]."""
        return (self.n_by_id + self.n_by_symbol) / max(self.n_panel, 1)


def match_genes(
    measured: GenePanel, panel: GenePanel, *, min_coverage: float = MIN_GENE_COVERAGE
) -> GeneMatch:
    """Match measured genes to a panel: by Ensembl id, and what is left by symbol.

    Several measured genes of one name go to the same column, where their counts add up.

    Raises
    ------
    GeneOverlapError
        Less than `min_coverage` of the panel was measured.

    Examples
    --------
    >>> match = match_genes(
    ...     GenePanel.of_names(["CD3D", "MS4A1", "XIST"]), GenePanel.of_names(["MS4A1", "CD3D"])
    ... )
    >>> match.target.tolist(), match.gene_coverage
    ([1, 0, -1], 1.0)
    """
    by_id = _positions(measured.ensembl_ids, panel.ensembl_ids)
    found_by_id = set(by_id[by_id >= 0].tolist())
    by_symbol = _positions(
        measured.symbols, panel.symbols, usable=lambda position: position not in found_by_id
    )
    target = np.where(by_id >= 0, by_id, by_symbol)
    n_found = len(set(target[target >= 0].tolist()))
    match = GeneMatch(
        target=target,
        n_panel=len(panel),
        n_by_id=len(found_by_id),
        n_by_symbol=n_found - len(found_by_id),
        n_summed=int((target >= 0).sum()) - n_found,
    )
    if match.gene_coverage < min_coverage or not n_found:
        raise GeneOverlapError(
            f"only {n_found:,} of the model's {len(panel):,} genes were measured (at least "
            f"{min_coverage:.0%} are needed). Your genes look like {list(measured.names[:3])}, "
            f"the model's like {list(panel.names[:3])}. Put matching names in "
            '.var["gene_symbol"] or .var["ensembl_id"], or name their column: gene_ids="…" '
            "(--gene-ids on the command line)"
        )
    return match


def _texts(column: pd.Series) -> pd.Series:
    """Return a column of any kind as texts, an empty one where a value is missing."""
    return column.astype(object).where(column.notna(), "")


def _positions(
    names: Names, panel_names: Names, *, usable: Callable[[int], bool] = lambda _: True
) -> npt.NDArray[np.intp]:
    """Return the first position of each name among the panel's usable ones, or -1."""
    position_of: dict[str, int] = {}
    for position, name in enumerate(panel_names):
        if name and usable(position):
            position_of.setdefault(name, position)
    return np.array([position_of.get(name, -1) for name in names], dtype=np.intp)
