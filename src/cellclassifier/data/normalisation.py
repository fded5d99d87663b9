"""From aligned counts to the expression values that a network sees."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.alignment import AlignedCounts
from cellclassifier.errors import InputError


@dataclass(frozen=True)
class Normalisation:
    """How counts become expression; a part of the model, stored in its file.

    Parameters
    ----------
    method
        ``"log1p_per_library"``: log(1 + counts / library size x `counts_per_cell`);
        ``"log1p"``: log(1 + counts), as in the original study.
    counts_per_cell
        What a cell's counts are scaled to. 10,000 is the field's habit; on one protocol a few
        hundred, which is nearer to linear, separates close types better.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> aligned = AlignedCounts(sparse.csr_matrix([[3.0, 0.0]]), np.array([6.0]), 1.0)
    >>> Normalisation(counts_per_cell=2).apply(aligned).toarray().round(4).tolist()
    [[0.693..., 0.0]]
    """

    method: Literal["log1p_per_library", "log1p"] = "log1p_per_library"
    counts_per_cell: float = 300.0

    def __post_init__(self) -> None:
        if self.method not in ("log1p_per_library", "log1p"):
            raise InputError(
                f"normalisation '{self.method}' is unknown; it is 'log1p_per_library' or 'log1p'"
            )
        if not self.counts_per_cell > 0:
            raise InputError(f"counts_per_cell has to be positive, not {self.counts_per_cell:g}")

    def apply(self, aligned: AlignedCounts) -> sparse.csr_matrix:
        """Return expression, shape (n_cells, n_panel), CSR, float32; zeros stay zero."""
        counts = aligned.counts
        values = counts.data.astype(np.float64)
        values *= np.repeat(self.scale(aligned.library_size), np.diff(counts.indptr))
        expression = np.log1p(values).astype(np.float32)
        return sparse.csr_matrix((expression, counts.indices, counts.indptr), shape=counts.shape)

    def scale(self, library_size: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return what each cell's counts are multiplied by, (n_cells,): expression is log1p of it.

        >>> Normalisation(counts_per_cell=300).scale(np.array([1500.0])).tolist()
        [0.2]
        """
        if self.method == "log1p":
            return np.ones_like(library_size)
        # a cell without counts has no value to scale
        scale: npt.NDArray[np.float64] = self.counts_per_cell / np.maximum(library_size, 1.0)
        return scale

    def to_json(self) -> dict[str, Any]:
        """Return the settings for the model file."""
        return asdict(self)
