"""What goes with each network: its genes, its normalisation, its training."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from cellclassifier.data import GeneOrder, Normalisation
from cellclassifier.errors import InputError
from cellclassifier.training import TrainingConfig

PANEL_GENES = 4000
DEFAULT_NETWORK = "wide-deep"


@dataclass(frozen=True)
class Recipe:
    """Defaults for one network."""

    genes: int | Literal["all"]
    normalisation: Normalisation
    training: TrainingConfig
    # None leaves a number of genes best first, and all others as they are
    gene_order: GeneOrder | None = None


# as published: no cells set apart, a fixed number of epochs, Keras's own defaults for Adam
_ORIGINAL_TRAINING = TrainingConfig(
    epochs=12, batch_size=64, validation_fraction=0.0, patience=None
)

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        # chosen by folds on three sets: docs/decisions/0006-linear-default.md
        "linear": Recipe(
            PANEL_GENES,
            Normalisation(counts_per_cell=300),
            TrainingConfig(solver="lbfgs", class_weights="sqrt", refit=True),
        ),
        # an ensemble in one network: docs/decisions/0020-wide-deep-default.md
        "wide-deep": Recipe(
            PANEL_GENES,
            Normalisation(counts_per_cell=10_000),
            TrainingConfig(
                solver="stacked",
                epochs=20,
                batch_size=64,
                penalty=1e-5,
                validation_fraction=0.0,
                patience=None,
                class_weights="sqrt",
            ),
        ),
        # the same transform, for the same reason: docs/decisions/0009-perceptron-default.md
        "mlp": Recipe(PANEL_GENES, Normalisation(counts_per_cell=300), TrainingConfig()),
        "cnn": Recipe(
            PANEL_GENES,
            Normalisation(counts_per_cell=300),
            TrainingConfig(batch_size=64),
            # docs/decisions/0017-gene-order.md
            "spread",
        ),
        "original-mlp": Recipe(1000, Normalisation("log1p"), _ORIGINAL_TRAINING),
        "original-cnn": Recipe("all", Normalisation("log1p"), _ORIGINAL_TRAINING),
    }
)
DEFAULT_RECIPE = RECIPES["mlp"]  # for networks of the caller's own


def find_recipe(network: object) -> Recipe:
    """Return the defaults for a network given by name, or for one of the caller's own."""
    if isinstance(network, str) and network not in RECIPES:
        raise InputError(f"there is no network '{network}'; there are {list(RECIPES)}")
    return RECIPES[network] if isinstance(network, str) else DEFAULT_RECIPE


def network_name(network: object) -> str:
    """Return what a model file calls a network: its name, or that of the caller's function."""
    return network if isinstance(network, str) else getattr(network, "__name__", "custom")
