"""Members of an ensemble as one network's weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import InputError
from cellclassifier.networks import is_wide_deep, keras
from cellclassifier.training.softmax_loss import DenseWeights
from cellclassifier.training.stacking.towers import RANK, Towers

Floats = npt.NDArray[np.float32]

N_FOLDS = 3
N_TOWERS = N_FOLDS + 1
# the network's views of the counts: per 30, per 300 and per 10,000
NEAREST, NEAR, CONCAVE = range(3)


@dataclass(frozen=True)
class Weighted:
    """A linear head, the view it looks at, and how much it counts."""

    weights: DenseWeights
    view: int
    share: float


@dataclass(frozen=True, eq=False)
class StackedLayers:
    """The weights of a wide and deep network.

    Parameters
    ----------
    projection
        Shape (n_genes, n_projected).
    hidden
        From there to the hidden units.
    logits
        From the three views and the hidden units to the types.
    """

    projection: Floats
    hidden: DenseWeights
    logits: DenseWeights

    def put_into(self, model: "keras.Model") -> None:
        """Set the weights of a network for which `check_wide_deep` holds; the rest is zero."""
        for name, weights in (
            ("projection", [self.projection]),
            ("hidden_1", [*self.hidden]),
            ("logits", [*self.logits]),
        ):
            layer = model.get_layer(name)
            shapes = [variable.shape for variable in layer.weights]
            layer.set_weights(list(map(_padded, weights, shapes)))


def check_wide_deep(model: "keras.Model") -> int:
    """Return the number of hidden units of a network that an ensemble can be put into.

    Raises
    ------
    InputError
        It is not one from `build_wide_deep`, or has several hidden layers, or other activations, or
        is too small.
    """
    if not is_wide_deep(model):
        raise InputError(
            "the solver 'stacked' is for the network 'wide-deep' with one hidden layer of 'relu'; "
            f"'{model.name}' has the layers {[layer.name for layer in model.layers]}. Use 'adam'"
        )
    n_projected, n_hidden = model.get_layer("hidden_1").get_weights()[0].shape
    if n_projected < RANK or n_hidden < N_TOWERS:
        raise InputError(
            f"the solver 'stacked' needs a projection of {RANK} or more and {N_TOWERS} hidden "
            f"units or more, not {n_projected} and {n_hidden}"
        )
    return int(n_hidden)


def logits_layer(
    heads: Sequence[Weighted],
    towers: Towers | None,
    tower_shares: npt.NDArray[np.float64],
    shape: tuple[int, int, int],
) -> DenseWeights:
    """Return the layer that sums up what heads and towers say, each by its share.

    Parameters
    ----------
    heads
        Linear in one view each.
    towers
        May be left out where no tower counts.
    tower_shares
        How much each tower counts, (n_towers,).
    shape
        The numbers of genes, hidden units and types.
    """
    n_genes, n_hidden, n_types = shape
    kernel = np.zeros((3 * n_genes + n_hidden, n_types), dtype=np.float64)
    bias = np.zeros(n_types)
    for head in heads:
        rows = slice(head.view * n_genes, (head.view + 1) * n_genes)
        kernel[rows] += head.share * head.weights.kernel
        bias += head.share * head.weights.bias
    if towers is not None:
        units = (tower_shares[:, None, None] * towers.head_kernel).reshape(-1, n_types)
        kernel[3 * n_genes : 3 * n_genes + len(units)] = units
        bias += tower_shares @ towers.head_bias
    # a constant in all types means nothing, and left in it costs digits
    bias -= bias.mean()
    return DenseWeights(kernel.astype(np.float32), bias.astype(np.float32))


def _padded(values: Floats, shape: Sequence[int]) -> Floats:
    """Return `values` with zeros after them."""
    padding = [(0, wanted - has) for wanted, has in zip(shape, values.shape, strict=True)]
    return np.pad(values, padding)
