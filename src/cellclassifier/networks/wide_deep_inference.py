"""Wide and deep networks on sparse cells, without making them dense."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import StandIn, ViewMoments
from cellclassifier.data.tiles import TiledKernels
from cellclassifier.data.views import NEAR_LINEAR
from cellclassifier.networks.backend import keras
from cellclassifier.networks.counts_predictor import CountsPredictor, MissingGenes
from cellclassifier.networks.heads import LOGITS
from cellclassifier.networks.view_products import ViewProducts
from cellclassifier.networks.wide_deep import WIDE_DEEP

# the layers that have weights, in Keras's order
WEIGHTED = ("projection", "hidden_1", LOGITS)
N_VIEWS = len(NEAR_LINEAR) + 1
# the view that the hidden units look at
NEAR = N_VIEWS - 2

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WideDeepPredictor:
    """The weights of a network from `build_wide_deep`, and what it says of sparse cells.

    Parameters
    ----------
    projection
        Shape (n_genes, n_projected).
    hidden
        Kernel and bias from the projection to the hidden units.
    logits
        Kernel, (3 n_genes + n_hidden, n_types), and bias, (n_types,).
    moments
        For genes that were not measured.
    embedding
        Shape (n_genes, n_dimensions), or None: what else expression is multiplied with, in the same
        pass.
    plain
        Shape (n_genes, n_types), or None: what else the first view is multiplied with; it comes
        out behind the embedding.
    """

    projection: Floats
    hidden: tuple[Floats, Floats]
    logits: tuple[Floats, Floats]
    moments: ViewMoments
    embedding: Floats | None = None
    plain: Floats | None = None

    @classmethod
    def of(cls, model: "keras.Model", moments: ViewMoments) -> "WideDeepPredictor":
        """Read the weights of a model for which `is_wide_deep` holds."""
        return cls.of_weights(weights_of(model), moments)

    @classmethod
    def of_weights(cls, weights: Sequence[Floats], moments: ViewMoments) -> "WideDeepPredictor":
        """Take the weights as Keras lists those of such a model."""
        projection, kernel, bias, of_logits, logits_bias = weights
        return cls(projection, (kernel, bias), (of_logits, logits_bias), moments)

    def with_logits(self, kernel: Floats, bias: Floats) -> "WideDeepPredictor":
        """Return the network with another last layer."""
        return replace(self, logits=(kernel, bias))

    def __call__(self, expression: sparse.csr_matrix, stand_in: StandIn | None) -> Floats:
        """Return the logits of expression, (n_cells, n_genes): (n_cells, n_types), float32."""
        n_cells, n_genes = expression.shape
        relative = sparse.csr_matrix(
            (np.expm1(expression.data), expression.indices, expression.indptr),
            shape=expression.shape,
        )
        predict = self.on_counts(np.arange(n_genes), stand_in)
        return predict(relative, np.ones(n_cells)).logits

    def on_counts(
        self, target: npt.NDArray[np.integer], stand_in: StandIn | None
    ) -> CountsPredictor:
        """Return the network for raw counts of other genes than its own.

        Parameters
        ----------
        target
            Shape (n_measured,): the place of each measured gene in the network's, or -1.
        stand_in
            For those of the network's genes that were not measured; None where all were.
        """
        n_genes = len(self.projection)
        *parts, of_hidden = np.split(self.logits[0], [n_genes * (n + 1) for n in range(N_VIEWS)])
        nothing = np.empty((n_genes, 0), np.float32)
        embedding, plain = (
            nothing if kernel is None else kernel for kernel in (self.embedding, self.plain)
        )
        kernels = [np.hstack([kernel, nothing]) for kernel in parts]
        kernels[0] = np.hstack([parts[0], plain])
        kernels[NEAR] = np.hstack([parts[NEAR], self.projection])
        kernels[-1] = np.hstack([parts[-1], embedding])
        missing = None
        if stand_in is not None:
            missing = self._missing(stand_in, [*parts, self.projection, embedding, plain])
            kernels[-1] = np.hstack([kernels[-1], stand_in.to_scores])
        return CountsPredictor(
            ViewProducts(TiledKernels.of(kernels)),
            np.asarray(target, np.int32),
            (TiledKernels.of([self.hidden[0]]), self.hidden[1]),
            (TiledKernels.of([of_hidden]), self.logits[1]),
            (embedding.shape[1], plain.shape[1]),
            missing,
        )

    def _missing(self, stand_in: StandIn, kernels: list[Floats]) -> MissingGenes:
        """Return what missing genes add to logits, projection, embedding and plain head."""
        missing = ~stand_in.measured
        means = [*self.moments.mean[:, missing], stand_in.mean[missing]]
        slopes = [*self.moments.slope[:, missing], np.ones(missing.sum(), dtype=np.float32)]
        # where a gene is missing, a view is its mean plus, by the scores, its slope times the axes
        lines = [
            np.vstack([mean, stand_in.axes[:, missing] * slope])
            for mean, slope in zip(means, slopes, strict=True)
        ]  # (1 + n_axes, n_missing)
        *of_views, projection, embedding, plain = (kernel[missing] for kernel in kernels)
        added = np.hstack(
            [
                sum(line @ kernel for line, kernel in zip(lines, of_views, strict=True)),
                lines[NEAR] @ projection,
                lines[-1] @ embedding,
                lines[0] @ plain,
            ]
        )
        centre = stand_in.mean @ stand_in.to_scores
        return MissingGenes(added[0] - centre @ added[1:], TiledKernels.of([added[1:]]))


def weights_of(model: "keras.Model") -> list[Floats]:
    """Return the weights of a model for which `is_wide_deep` holds, as Keras lists them."""
    return [part for name in WEIGHTED for part in model.get_layer(name).get_weights()]


def is_wide_deep(model: "keras.Model") -> bool:
    """Tell whether `model` is a network from `build_wide_deep` with one hidden layer of ReLUs."""
    names = {layer.name: layer for layer in model.layers if layer.count_params()}
    if not model.name.startswith(WIDE_DEEP) or tuple(names) != WEIGHTED:
        return False
    return names["hidden_1"].activation is keras.activations.relu
