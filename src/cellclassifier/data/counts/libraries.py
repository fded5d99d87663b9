"""The library sizes: the counts of each cell over all genes that were measured."""

from collections.abc import Iterable
from dataclasses import dataclass

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.data.counts.cells import Floats
from cellclassifier.errors import CountsError, InputError
from cellclassifier.labels import shown

# in the place of a column's name: the genes present are all that were measured
GENES_PRESENT = "genes_present"
# columns where scanpy, Seurat, scater and our own files keep the counts of a cell
TOTAL_COLUMNS = (
    "n_counts_all_genes", "n_counts", "total_counts", "nCount_RNA", "nUMI", "n_umi", "n_umis",
    "total_umis", "sum", "total",
)  # fmt: skip
# genes of fewer than three cells, which many remove, hold under 1 % of the counts
MAX_MISSING = 0.05


class LibrarySizeUnknownError(CountsError):
    """There are counts, but of which library sizes is not known.

    Parameters
    ----------
    message
        As for any error.
    is_scaled_only
        The counts are multiples of a number that differs between cells; estimates may be, too.
    """

    def __init__(self, message: str, *, is_scaled_only: bool = False) -> None:
        super().__init__(message)
        self.is_scaled_only = is_scaled_only


@dataclass(frozen=True, eq=False)
class LibrarySizes:
    """What is known of the counts of each cell over all genes.

    Parameters
    ----------
    given
        Shape (n_cells,), or None.
    genes_present
        No gene is missing: they are the sums of the counts, whatever scaled counts add up to.
    totals
        Shape (n_cells, n_columns): columns of ``obs`` that by their names may hold them.
    """

    given: Floats | None = None
    genes_present: bool = False
    totals: pd.DataFrame | None = None

    @classmethod
    def of(cls, cells: ad.AnnData, key: str | None) -> "LibrarySizes":
        """Read the column of ``obs`` that the user names, or note those that may be it.

        Raises
        ------
        InputError
            There is no such column, or it does not hold counts a cell.
        """
        if key is None:
            return cls(totals=_totals(cells.obs))
        if key == GENES_PRESENT and key not in cells.obs:
            return cls(genes_present=True)
        if key not in cells.obs:
            raise no_such_column(key, cells.obs.columns)
        return cls(given=given_sizes(cells.obs[key], key))

    @property
    def likely_key(self) -> str:
        """The column that advice should name."""
        known = [] if self.totals is None else list(self.totals.columns)
        return str(known[0]) if known else "…"

    def of_counts(self, measured: Floats, place: str, cell_names: pd.Index) -> Floats:
        """Return the library sizes of cells whose counts add up to `measured`.

        Raises
        ------
        InputError
            A library size given is smaller than the counts, or ``obs`` says that counts are
            missing.
        """
        if self.given is None:
            self._refuse_missing(measured, place)
            return measured
        if np.any(self.given < measured):
            worst = int(np.argmax(measured - self.given))
            raise InputError(
                f"the library size of cell '{cell_names[worst]}' is given as "
                f"{self.given[worst]:g}, but its counts in {place} already add up to "
                f"{measured[worst]:g}"
            )
        return self.given

    def _refuse_missing(self, measured: Floats, place: str) -> None:
        for name, total in () if self.totals is None else self.totals.items():
            more = np.median(total / np.maximum(measured, 1)) - 1
            if more > MAX_MISSING and np.all(total >= measured):
                raise LibrarySizeUnknownError(
                    f"the counts in {place} add up to {np.median(measured):,.0f} in the median "
                    f"cell, but .obs['{name}'] says {np.median(total):,.0f}: genes or counts were "
                    "removed. Say which are the counts over all genes: "
                    f'library_size_key="{name}" (--library-size-key on the command line), or '
                    f'library_size_key="{GENES_PRESENT}" for the sums of the counts in {place}'
                )


def total_counts(counts: sparse.csr_matrix) -> Floats:
    """Return the counts of each cell."""
    return np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()


def _totals(obs: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that by their names and values may be counts a cell."""
    columns = {
        name: obs[name].to_numpy(dtype=np.float64)
        for name in TOTAL_COLUMNS
        if name in obs and pd.api.types.is_numeric_dtype(obs[name]) and obs[name].notna().all()
    }
    whole = {name: total for name, total in columns.items() if np.all(total == np.rint(total))}
    return pd.DataFrame(whole, index=obs.index)


def no_such_column(key: str, columns: Iterable[str]) -> InputError:
    """Return the error that says which columns there are."""
    return InputError(f"there is no column '{key}' in .obs; it has {shown(columns)}")


def given_sizes(column: pd.Series, key: str) -> npt.NDArray[np.float64]:
    """Return library sizes, (n_cells,), out of the column that the user names.

    Raises
    ------
    InputError
        It does not hold counts a cell.
    """
    if not pd.api.types.is_numeric_dtype(column):
        raise InputError(f".obs['{key}'] holds {shown(column.head(3))}, not counts a cell")
    library_size = np.asarray(column, dtype=np.float64)
    if not np.all(np.isfinite(library_size)) or np.any(library_size <= 0):
        raise InputError(
            f".obs['{key}'] has values that are missing, zero or negative; "
            "a library size is the number of counts of a cell"
        )
    return library_size
