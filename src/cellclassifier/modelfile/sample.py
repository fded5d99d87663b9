"""The cells that a model was checked on, kept in its file: named arrays, nothing that executes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

# some hundred kilobytes; the standard error of an accuracy is then two points at most
MAX_CELLS = 500

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, eq=False)
class ValidationSample:
    """Cells set apart in training, and the network as it was before it saw them.

    Parameters
    ----------
    counts
        Raw counts of the panel's genes, (n_cells, n_panel), CSR, float32.
    library_size
        Shape (n_cells,), over all genes measured.
    codes
        The true type of each cell, shape (n_cells,).
    weights
        Of the network up to its logits, in Keras's order, where the final ones have seen these
        cells in a refit; None where they have not.
    """

    counts: sparse.csr_matrix
    library_size: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    weights: tuple[npt.NDArray[np.float32], ...] | None

    def to_arrays(self) -> Arrays:
        """Return the arrays of the model file's member, by name."""
        arrays: Arrays = {
            "counts": self.counts.data,
            "genes": self.counts.indices.astype(np.int32),
            "ends": self.counts.indptr.astype(np.int64),
            "library_size": self.library_size,
            "codes": self.codes,
        }
        for number, weights in enumerate(self.weights or ()):
            arrays[f"weights_{number}"] = weights
        return arrays

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], n_genes: int, n_types: int
    ) -> "ValidationSample":
        """Read what `to_arrays` returned, trusting nothing in it.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is broken, or does not fit a model of so many genes and types.
        """
        weights = [arrays[name] for name in _weight_names(arrays)]
        sample = cls(
            sparse.csr_matrix(
                (
                    _floats(arrays["counts"]),
                    arrays["genes"].astype(np.int32),
                    arrays["ends"].astype(np.int64),
                ),
                shape=(len(arrays["codes"]), n_genes),
            ),
            arrays["library_size"].astype(np.float64),
            arrays["codes"].astype(np.int32),
            tuple(map(_floats, weights)) or None,
        )
        sample.counts.check_format(full_check=True)
        sample._check(n_types)
        return sample

    def _check(self, n_types: int) -> None:
        n_cells = self.counts.shape[0]
        if self.library_size.shape != (n_cells,) or self.codes.shape != (n_cells,):
            raise ValueError(f"{n_cells} cells, but other numbers of library sizes or types")
        if n_cells == 0 or self.codes.min() < 0 or self.codes.max() >= n_types:
            raise ValueError(f"types are numbered from 0 to {n_types - 1}")
        values = (self.counts.data, self.library_size)
        if not all(np.all(np.isfinite(value)) and np.all(value >= 0) for value in values):
            raise ValueError("counts and library sizes are finite and not negative")


def _weight_names(arrays: Mapping[str, object]) -> list[str]:
    n_weights = sum(name.startswith("weights_") for name in arrays)
    return [f"weights_{number}" for number in range(n_weights)]


def _floats(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    if values.dtype != np.float32:
        raise TypeError(f"values are {values.dtype}, not float32")
    return values.astype(np.float32, copy=False)
