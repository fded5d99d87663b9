"""What every command asks about the cells that it reads."""

# heavy imports stand inside the functions, so that --help answers at once

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

# a switch that is off by default, without a --no- form
Switch = Annotated[bool, Parameter(negative="")]

if TYPE_CHECKING:
    import anndata as ad

    from cellclassifier.data import CountsArguments


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CellsOptions:
    """How a file is read, and where its counts are.

    Parameters
    ----------
    layer
        The layer with the raw counts, where find_counts shall look nowhere else.
    library_size_key
        The column of .obs with each cell's counts over all genes, where genes were removed.
    gene_ids
        The column of .var with the gene names or ids.
    allow_non_integer
        Take values that are not whole for counts: those of tools that estimate them, or correct
        them for ambient RNA.
    genes_in
        rows or columns: where the genes of a table are; rows turns a matrix of any other kind.
    """

    layer: str | None = None
    library_size_key: str | None = None
    gene_ids: str | None = None
    allow_non_integer: Switch = False
    genes_in: Literal["rows", "columns"] | None = None

    def read(self, path: Path) -> "ad.AnnData":
        """Read the cells of a file."""
        import cellclassifier as cc

        return cc.read_cells(path, genes_in=self.genes_in)

    @property
    def counts(self) -> "CountsArguments":
        """The keywords of find_counts."""
        return {
            "layer": self.layer,
            "library_size_key": self.library_size_key,
            "gene_ids": self.gene_ids,
            "allow_non_integer": self.allow_non_integer,
        }


# the file says it all
AS_FOUND = CellsOptions()
