"""Wide and deep networks on sparse cells, without making them dense."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import StandIn, ViewMoments, sparse_views
from cellclassifier.data.views import NEAR_LINEAR
from cellclassifier.networks.backend import keras
from cellclassifier.networks.heads import LOGITS
from cellclassifier.networks.products import times_dense
from cellclassifier.networks.wide_deep import WIDE_DEEP

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
    n_threads
        As in `times_dense`.
    """

    projection: Floats
    hidden: tuple[Floats, Floats]
    logits: tuple[Floats, Floats]
    moments: ViewMoments
    n_threads: int | None = None

    @classmethod
    def of(cls, model: keras.Model, moments: ViewMoments) -> "WideDeepPredictor":
        """Read the weights of a model for which `is_wide_deep` holds."""
        (projection,) = model.get_layer("projection").get_weights()
        kernel, bias = model.get_layer("hidden_1").get_weights()
        return cls(
            projection, (kernel, bias), tuple(model.get_layer(LOGITS).get_weights()), moments
        )

    def with_logits(self, kernel: Floats, bias: Floats) -> "WideDeepPredictor":
        """Return the network with another last layer."""
        return replace(self, logits=(kernel, bias))

    def __call__(self, expression: sparse.csr_matrix, stand_in: StandIn | None) -> Floats:
        """Return the logits of expression, (n_cells, n_genes): (n_cells, n_types), float32."""
        kernels, of_hidden = self._kernels()
        views = sparse_views(expression)
        linear: npt.NDArray[np.floating] = self._times(views[0], kernels[0]) + self._times(
            expression, kernels[-1]
        )
        # what stands on the same view is multiplied in one go
        both = self._times(views[NEAR], np.hstack([kernels[NEAR], self.projection]))
        n_types = kernels[0].shape[1]
        linear = linear + both[:, :n_types]
        projected: npt.NDArray[np.floating] = both[:, n_types:]
        if stand_in is not None:
            scores = (
                self._times(expression, stand_in.to_scores) - stand_in.mean @ stand_in.to_scores
            )
            to_logits, to_projection = self._missing(stand_in, kernels)
            linear = linear + to_logits[0] + scores @ to_logits[1]
            projected = projected + to_projection[0] + scores @ to_projection[1]
        kernel, bias = self.hidden
        hidden = np.maximum(projected @ kernel + bias, 0)
        return (linear + hidden @ of_hidden + self.logits[1]).astype(np.float32, copy=False)

    def _times(self, matrix: sparse.csr_matrix, dense: Floats) -> Floats:
        return times_dense(matrix, dense, n_threads=self.n_threads)

    def _kernels(self) -> tuple[list[Floats], Floats]:
        """Return the part of the last kernel for each view, and that for the hidden units."""
        n_genes = len(self.projection)
        kernel = self.logits[0]
        parts = np.split(kernel, [n_genes * (n + 1) for n in range(N_VIEWS)])
        return parts[:-1], parts[-1]

    def _missing(
        self, stand_in: StandIn, kernels: list[Floats]
    ) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """Return what missing genes add to logits and projection: a constant, and by the scores."""
        missing = ~stand_in.measured
        axes = stand_in.axes[:, missing]  # (n_axes, n_missing)
        means = [*self.moments.mean[:, missing], stand_in.mean[missing]]
        slopes = [*self.moments.slope[:, missing], np.ones(missing.sum(), dtype=np.float32)]
        constant = sum(mean @ kernel[missing] for mean, kernel in zip(means, kernels, strict=True))
        by_score = sum(
            (axes * slope) @ kernel[missing] for slope, kernel in zip(slopes, kernels, strict=True)
        )
        projection = self.projection[missing]
        return (
            (constant, by_score),
            (means[NEAR] @ projection, (axes * slopes[NEAR]) @ projection),
        )


def is_wide_deep(model: keras.Model) -> bool:
    """Tell whether `model` is a network from `build_wide_deep` with one hidden layer of ReLUs."""
    names = {layer.name: layer for layer in model.layers if layer.count_params()}
    if not model.name.startswith(WIDE_DEEP) or list(names) != ["projection", "hidden_1", LOGITS]:
        return False
    return names["hidden_1"].activation is keras.activations.relu
