"""A wide and deep network on raw counts, as they stand in the file."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.selection import PanelCounts, order_rows
from cellclassifier.data.threads import for_blocks
from cellclassifier.data.tiles import TiledKernels
from cellclassifier.data.views import NEAR_LINEAR
from cellclassifier.networks.probabilities import probabilities_of
from cellclassifier.networks.view_products import ViewProducts

# log1p of counts per 30, per 300 and per 10,000
SHARES = (*NEAR_LINEAR, 1.0)
# cells that a thread takes at a time
BLOCK_CELLS = 256

Floats = npt.NDArray[np.float32]


class MissingGenes(NamedTuple):
    """What genes that were not measured add to logits, projection and embedding in a row.

    Parameters
    ----------
    constant
        Shape (n_columns,), float32: in each cell.
    by_score
        A kernel, (n_axes, n_columns): times ``expression @ to_scores`` of the cell.
    """

    constant: Floats
    by_score: TiledKernels


class WideDeepOutput(NamedTuple):
    """What a wide and deep network says of cells.

    Parameters
    ----------
    logits
        Shape (n_cells, n_types), float32.
    embedding
        Shape (n_cells, n_dimensions), float32, with no dimensions where none was asked for; the
        logits of a plain head come last.
    beside
        Shape (n_cells,): what a `Companion` found; None where there was none.
    probabilities
        Shape (n_cells, n_types), float32: of the logits, by which it looked at the cells.
    """

    logits: Floats
    embedding: Floats
    beside: npt.NDArray[np.float64] | None = None
    probabilities: Floats | None = None


class Companion(Protocol):
    """Looks at cells while their counts are in the order of the panel, and in the cache."""

    def __call__(
        self, rows: slice, panel: PanelCounts, probabilities: Floats
    ) -> npt.NDArray[np.float64]:
        """Return a number for each cell of some rows."""
        ...


@dataclass(frozen=True, eq=False)
class CountsPredictor:
    """A wide and deep network, laid out for raw counts of some measured genes.

    What it says of a cell depends, to the bit, neither on the other cells, nor on the order of the
    genes, nor on the number of threads.

    Parameters
    ----------
    products
        Of views and their kernels: of the logits, and beside it in the first a plain head, in the
        second the projection, in the last one the embedding and, where genes are missing, what
        leads to the scores.
    target
        Shape (n_measured,), int32: the place of each measured gene in the panel, negative for none.
    hidden
        Kernel and bias from the projection to the hidden units.
    logits
        Kernel from the hidden units to the logits, and bias.
    n_dimensions
        Of the embedding, by the last view and by the first.
    missing
        None where no gene is missing.
    """

    products: ViewProducts
    target: npt.NDArray[np.int32]
    hidden: tuple[TiledKernels, Floats]
    logits: tuple[TiledKernels, Floats]
    n_dimensions: tuple[int, int] = (0, 0)
    missing: MissingGenes | None = None

    def __call__(
        self,
        counts: sparse.csr_matrix,
        scale: npt.NDArray[np.floating],
        *,
        n_threads: int = 1,
        companion: Companion | None = None,
    ) -> WideDeepOutput:
        """Return the logits, and the embedding, of raw counts.

        Parameters
        ----------
        counts
            Shape (n_cells, n_measured), CSR.
        scale
            Shape (n_cells,): times it, log1p of the counts is the expression that the network was
            trained on, as `Normalisation.scale` says.
        n_threads
            How many blocks of cells are worked on at once.
        companion
            What else looks at the cells, block by block.

        Raises
        ------
        InputError
            There are counts of genes that do not exist.
        """
        n_cells = counts.shape[0]
        said = WideDeepOutput(
            np.empty((n_cells, len(self.logits[1])), np.float32),
            np.empty((n_cells, sum(self.n_dimensions)), np.float32),
            None if companion is None else np.empty(n_cells),
            None if companion is None else np.empty((n_cells, len(self.logits[1])), np.float32),
        )

        def predict(rows: slice) -> None:
            panel = order_rows(counts, self.target, self.products.kernels.n_lines, rows)
            products = self.products(panel, np.outer(scale[rows], SHARES))
            logits, said.embedding[rows] = self._through_hidden(products)
            said.logits[rows] = logits
            if companion is not None and said.beside is not None and said.probabilities is not None:
                said.probabilities[rows] = probabilities = probabilities_of(logits)
                said.beside[rows] = companion(rows, panel, probabilities)

        for_blocks(predict, n_cells, BLOCK_CELLS, n_threads)
        return said

    def _through_hidden(self, products: Floats) -> tuple[Floats, Floats]:
        """Return logits and embedding of some cells."""
        (of_projection, bias), (of_hidden, constant) = self.hidden, self.logits
        n_types, n_projected = len(constant), of_projection.n_lines
        first, near, last = (products[:, columns] for columns in self.products.kernels.columns)
        logits = first[:, :n_types] + near[:, :n_types] + last[:, :n_types] + constant
        before_scores = n_types + self.n_dimensions[0]
        projected = near[:, n_types:]
        embedding = np.hstack([last[:, n_types:before_scores], first[:, n_types:]])
        if self.missing is not None:
            scores = last[:, before_scores:]
            added = self.missing.by_score.times(scores) + self.missing.constant
            logits += added[:, :n_types]
            projected = projected + added[:, n_types : n_types + n_projected]
            embedding = embedding + added[:, n_types + n_projected :]
        hidden = of_projection.times(projected)
        hidden += bias
        np.maximum(hidden, 0, out=hidden)
        logits += of_hidden.times(hidden)
        return logits, embedding
