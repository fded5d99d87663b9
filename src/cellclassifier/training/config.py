"""How a network is trained."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import InputError

SOLVERS = ("adam", "lbfgs", "stacked")
CLASS_WEIGHTS = ("none", "sqrt", "balanced")
# Keras takes seeds of 32 bits, and ours gain a few for the layers
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of one training.

    Parameters
    ----------
    solver
        ``"adam"``: gradient steps on shuffled minibatches, for any network. ``"lbfgs"``: the exact
        optimum of a linear network, over all cells at once (Liu & Nocedal 1989). ``"stacked"``: an
        ensemble as the weights of a wide and deep network; see `train_by_stacking`.
    epochs
        Passes over the training cells at most; for L-BFGS, iterations.
    batch_size
        Cells a gradient step.
    learning_rate
        Of Adam.
    penalty
        For L-BFGS, alone or in stacking: half the penalty on the squared weights, with inputs
        centred and scaled to a mean squared row norm of one. Networks trained by Adam have
        theirs built in.
    validation_fraction
        The share of each type's cells that is set apart to watch; 0 for none.
    patience
        Epochs without a better validation loss before training stops; None never stops early.
    class_weights
        ``"none"``, ``"balanced"`` (each type counts the same), or ``"sqrt"`` in between.
    refit
        Whether to train once more on all cells, the ones set apart included, for as many epochs
        as were best.

    Examples
    --------
    >>> TrainingConfig(epochs=12).epochs
    12
    """

    solver: Literal["adam", "lbfgs", "stacked"] = "adam"
    epochs: int = 100
    batch_size: int = 256
    learning_rate: float = 1e-3
    penalty: float = 3e-5
    validation_fraction: float = 0.1
    patience: int | None = 10
    class_weights: Literal["none", "sqrt", "balanced"] = "none"
    refit: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("solver", SOLVERS), ("class_weights", CLASS_WEIGHTS)):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is one of {allowed}, not {getattr(self, name)!r}")
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} has to be positive, not {getattr(self, name)}")
        if not self.penalty >= 0:
            raise InputError(f"penalty cannot be negative, it is {self.penalty:g}")
        if self.patience is not None and self.patience < 1:
            raise InputError(
                f"patience is one epoch or more, or None to never stop early, not {self.patience}"
            )
        if not 0 <= self.validation_fraction < 1:
            raise InputError(
                f"validation_fraction lies in [0, 1), it is not {self.validation_fraction:g}"
            )

    def cell_weights(self, codes: npt.NDArray[np.integer], n_types: int) -> npt.NDArray[np.float32]:
        """Return the weight of each cell in the loss, shape (n_cells,), with mean 1."""
        sizes = np.maximum(np.bincount(codes, minlength=n_types), 1)
        power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[self.class_weights]
        weights = ((len(codes) / (n_types * sizes)) ** power)[codes]
        return np.asarray(weights / weights.mean(), dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the settings for the model file."""
        return asdict(self)


def check_seed(seed: int) -> int:
    """Return `seed` where Keras and NumPy can both begin from it.

    >>> check_seed(-1)
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: a seed is a whole number from 0 to 2,147,483,647, not -1
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"a seed is a whole number from 0 to {MAX_SEED:,}, not {seed!r}")
    return int(seed)
