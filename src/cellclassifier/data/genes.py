"""The genes of a matrix or of a model: ids and symbols, out of whatever names them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.gene_table import ENSEMBL_GENE, known_share
from cellclassifier.data.resolution import (
    GENOME,
    GeneResolution,
    Names,
    SpeciesFound,
    resolve_names,
    species_of,
)
from cellclassifier.errors import InputError
from cellclassifier.labels import shown

SYMBOL_COLUMNS = (
    "gene_symbol", "gene_symbols", "symbol", "gene_name", "gene_names", "feature_name",
    "gene_short_name",
)  # fmt: skip
ENSEMBL_COLUMNS = (
    "ensembl_id", "gene_ids", "gene_id", "ensembl", "ensembl_gene_id", "feature_id", "id",
)  # fmt: skip

# CD3D_ENSG00000167286.12, ENSG00000167286|CD3D; _PAR_Y marks a gene of X again on Y
ID_IN_NAME = re.compile(r"(?:^|[_|;:])(ENS[A-Z]{0,6}G\d{11})(?:\.\d+)?(?:_PAR_Y)?(?=$|[_|;:])")

# in every Ensembl id
ID_LETTERS = "ENS"
# up to this share of names that are genes, they name no genes; from the other one on, they do
KNOWS_NO_GENES = 0.05
KNOWS_GENES = 0.5
# names of so many letters prove nothing
MAX_SHORT = 3


@dataclass(frozen=True, eq=False)
class GenePanel:
    """Genes in column order: an Ensembl id, a symbol, or both for each.

    Parameters
    ----------
    ensembl_ids
        Shape (n_genes,), without version; an empty string where none is known.
    symbols
        Shape (n_genes,), symbols or any other names; an empty string where none is known.
    inferred
        Shape (n_genes,): whether the id was looked up by the symbol; None where no id was.
    resolution
        What the names turned out to be; None where they were not looked up yet.

    Examples
    --------
    >>> panel = GenePanel.of_names(["ENSG00000156738.18", "CD3D"])
    >>> panel.ensembl_ids.tolist(), panel.symbols.tolist()
    (['ENSG00000156738', ''], ['', 'CD3D'])
    >>> panel = panel.resolved()
    >>> panel.ensembl_ids.tolist(), panel.symbols.tolist(), panel.species
    (['ENSG00000156738', 'ENSG00000167286'], ['MS4A1', 'CD3D'], 'human')
    """

    ensembl_ids: Names
    symbols: Names
    inferred: npt.NDArray[np.bool_] | None = None
    resolution: GeneResolution | None = None

    @classmethod
    def of_names(cls, names: Iterable[object]) -> "GenePanel":
        """Tell ids from symbols, name by name."""
        symbols = [str(name).strip() for name in names]
        ids = [""] * len(symbols)
        for position, name in enumerate(symbols):
            if ID_LETTERS in name:
                ids[position], symbols[position] = _split(name)
        return cls(np.array(ids, dtype=object), np.array(symbols, dtype=object))

    @classmethod
    def of_var(cls, var: pd.DataFrame, gene_ids: str | None = None) -> "GenePanel":
        """Collect ids and symbols from an AnnData's ``var`` table, and look them up.

        Parameters
        ----------
        var
            Its index, and its columns of the usual names (``gene_symbol``, ``ensembl_id``, ...),
            are read. Where these name no genes, the column is taken that does.
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
            return cls.of_names(_texts(var[gene_ids])).resolved()
        nothing = np.full(len(var), "", dtype=object)
        panel = cls(nothing, nothing)
        for column in ENSEMBL_COLUMNS:
            if column in var:  # what is no Ensembl id there (Entrez numbers) is no symbol either
                ids = cls.of_names(_texts(var[column])).ensembl_ids
                panel = panel.filled_from(cls(ids, panel.symbols))
        for column in SYMBOL_COLUMNS:
            if column in var:
                panel = panel.filled_from(cls.of_names(_texts(var[column])))
        panel = panel.filled_from(cls.of_names(var.index))
        further = "" if panel.names_genes else _column_of_genes(var)
        if further:
            panel = cls.of_names(_texts(var[further])).filled_from(panel)
        return panel.resolved(column=further)

    def filled_from(self, other: "GenePanel") -> "GenePanel":
        """Fill the gaps of this panel from another one of the same genes."""
        return GenePanel(
            np.where(self.ensembl_ids == "", other.ensembl_ids, self.ensembl_ids),
            np.where(self.symbols == "", other.symbols, self.symbols),
        )

    def resolved(self, species: SpeciesFound = "unknown", *, column: str = "") -> "GenePanel":
        """Fill in the ids that symbols lead to, and the symbols of ids, by the shipped tables.

        Symbols that lead to no gene, or to several, stay as they are. `species` says whose they
        are; where it is not one species, the one that knows more of them is taken. `column` is
        noted down.
        """
        if self.resolution is not None:
            return self
        ids, symbols, resolution = resolve_names(self.ensembl_ids, self.symbols, species)
        inferred = (ids != "") & ~self.has_given_id
        return GenePanel(ids, symbols, inferred, replace(resolution, column=column))

    def __len__(self) -> int:
        return len(self.symbols)

    def __getitem__(self, columns: npt.NDArray[np.integer]) -> "GenePanel":
        """Return the genes of the given columns, in that order."""
        inferred = None if self.inferred is None else self.inferred[columns]
        return GenePanel(self.ensembl_ids[columns], self.symbols[columns], inferred)

    @property
    def names(self) -> Names:
        """One name a gene: the symbol, or else the id."""
        return np.where(self.symbols == "", self.ensembl_ids, self.symbols)

    @property
    def has_given_id(self) -> npt.NDArray[np.bool_]:
        """Which genes came with an id, which was not looked up; shape (n_genes,)."""
        has_id: npt.NDArray[np.bool_] = self.ensembl_ids != ""
        return has_id if self.inferred is None else has_id & ~self.inferred

    @property
    def species(self) -> SpeciesFound:
        """``"human"``, ``"mouse"``, ``"both"`` or ``"unknown"``, by the ids."""
        return species_of(self.ensembl_ids)

    @property
    def names_genes(self) -> bool:
        """Whether more than one name in twenty is that of a gene of man or mouse."""
        with_id = float((self.ensembl_ids != "").mean()) if len(self) else 0.0
        return with_id > KNOWS_NO_GENES or known_share(self.names) > KNOWS_NO_GENES


def check_orientation(cell_names: Iterable[str], genes: GenePanel) -> None:
    """Refuse a matrix whose rows are genes and whose columns are not.

    Raises
    ------
    InputError
        Half of the names of the cells are genes, and hardly one of the names of the genes is.

    Examples
    --------
    >>> check_orientation(["CD3D", "MS4A1"], GenePanel.of_names(["AAACCTGAGAAACCAT-1"]))
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: the cells look like genes: ...
    """
    if genes.names_genes:
        return
    cell_names = list(cell_names)
    # some genes are called a, b, or T
    long_names = [name for name in cell_names if len(name) > MAX_SHORT]
    share = known_share(long_names) * len(long_names) / max(len(cell_names), 1)
    if share >= KNOWS_GENES:
        raise InputError(
            f"the cells look like genes: {share:.0%} of the names of the rows are, such as "
            f"{cell_names[:3]}, and the genes look like {list(genes.names[:3])}. Cells are rows: "
            'transpose with adata.T, or read_cells(path, genes_in="rows") '
            "(--genes-in rows on the command line)"
        )


def _split(name: str) -> tuple[str, str]:
    """Return the id and the symbol that a name gives, of which one may be empty."""
    if ENSEMBL_GENE.fullmatch(name):
        return name.partition(".")[0], ""
    found = ID_IN_NAME.findall(name)
    if len(found) != 1:
        return "", name
    symbol = ID_IN_NAME.sub("", GENOME.sub("", name))
    return found[0], symbol.strip("_|;:")


def _column_of_genes(var: pd.DataFrame) -> str:
    """Return the column of texts that names most genes, or "" where none names genes."""
    shares = {
        column: known_share(GenePanel.of_names(_texts(values)).names)
        for column, values in var.items()
        if isinstance(column, str) and not pd.api.types.is_numeric_dtype(values)
    }
    best = max(shares, key=lambda column: shares[column], default="")
    return best if shares.get(best, 0.0) >= KNOWS_GENES else ""


def _texts(column: pd.Series) -> pd.Series:
    """Return a column of any kind as texts, an empty one where a value is missing."""
    return column.astype(object).where(column.notna(), "")
