"""How a network changes for cells that differ from its training cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.data.view_moments import ViewMoments
from cellclassifier.data.views import NEAR_LINEAR, finite_floats
from cellclassifier.trust import TypeProfiles

# The shift, see `profile_shift`, and the layer for it: 0 for cells like the training's, 1 for those
# that differ somewhat (another day, another selection; measured 0.12 to 0.19), 2 for those that
# differ much (another laboratory or protocol; measured from 0.25 on).
KNOTS = ((0.05, 0.0), (0.15, 1.0), (0.18, 1.0), (0.32, 2.0))
N_SHIFTED = 2
# with hundreds of types a plain head would take more room than it is worth
MAX_PLAIN_WEIGHTS = 2**20

# arrays of a file, where there is a plain head
OF_PLAIN = ("plain_kernel", "plain_bias")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What a model keeps for cells from elsewhere.

    Parameters
    ----------
    profiles
        Of the training cells: what a shift is measured from.
    kernels
        Of the network's last layer where cells differ somewhat, and where they differ much,
        (2, n_features, n_types).
    biases
        Likewise, (2, n_types).
    moments
        For genes that were not measured.
    plain
        Kernel, (n_genes, n_types), and bias, (n_types,), of a head that is linear in the network's
        first view alone, whose opinion novelty asks for, too; None for none.
    """

    profiles: TypeProfiles
    kernels: Floats
    biases: Floats
    moments: ViewMoments
    plain: tuple[Floats, Floats] | None = None

    def last_layer(self, kernel: Floats, bias: Floats, shift: float) -> tuple[Floats, Floats]:
        """Return the last layer's weights for cells of some shift.

        Parameters
        ----------
        kernel, bias
            For cells like the training's.
        shift
            As `profile_shift` measures it. Between its knots the weights change linearly.
        """
        position = np.interp(shift, *np.transpose(KNOTS))
        shares = np.maximum(0, 1 - np.abs(position - np.arange(1 + N_SHIFTED)))
        kernels, biases = [kernel, *self.kernels], [bias, *self.biases]
        return _mean(kernels, shares), _mean(biases, shares)

    @property
    def far_layer(self) -> tuple[Floats, Floats]:
        """Kernel and bias for cells that differ much, (n_genes, n_types) and (n_types,).

        From expression, which is the network's last view: there it looks at nothing else.
        """
        n_views, n_genes = len(NEAR_LINEAR) + 1, self.moments.mean.shape[1]
        return self.kernels[-1, (n_views - 1) * n_genes : n_views * n_genes], self.biases[-1]

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays of the model file's member, by name."""
        plain = {} if self.plain is None else dict(zip(OF_PLAIN, self.plain, strict=True))
        return {
            "kernels": self.kernels,
            "biases": self.biases,
            **plain,
            **self.profiles.to_arrays(),
            **self.moments.to_arrays(),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], n_genes: int, n_types: int
    ) -> "Adaptation":
        """Read what `to_arrays` returned, trusting nothing in it.

        Raises
        ------
        KeyError, TypeError, ValueError
            It is broken, or does not fit a model of so many genes and types.
        """
        n_features = arrays["kernels"].shape[1] if arrays["kernels"].ndim == 3 else 0
        n_of_genes = (len(NEAR_LINEAR) + 1) * n_genes
        if n_features < n_of_genes:
            raise ValueError(f"kernels of {n_features} features, fewer than {n_of_genes}")
        return cls(
            TypeProfiles.from_arrays(arrays, n_types=n_types, n_genes=n_genes),
            finite_floats(arrays, "kernels", (N_SHIFTED, n_features, n_types)),
            finite_floats(arrays, "biases", (N_SHIFTED, n_types)),
            ViewMoments.from_arrays(arrays, n_genes=n_genes),
            _plain(arrays, n_genes, n_types),
        )


def _plain(
    arrays: Mapping[str, npt.NDArray[np.generic]], n_genes: int, n_types: int
) -> tuple[Floats, Floats] | None:
    of_kernel, of_bias = OF_PLAIN
    if not any(name in arrays for name in OF_PLAIN):
        return None
    return (
        finite_floats(arrays, of_kernel, (n_genes, n_types)),
        finite_floats(arrays, of_bias, (n_types,)),
    )


def _mean(values: Sequence[Floats], shares: npt.NDArray[np.float64]) -> Floats:
    total: Floats = np.tensordot(shares.astype(np.float32), np.stack(values), 1)
    return total
