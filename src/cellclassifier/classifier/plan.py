"""What a classifier is asked to be, settled before any cell is read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from cellclassifier.classifier.account import Origin
from cellclassifier.classifier.fitting import Design
from cellclassifier.classifier.panel import Genes
from cellclassifier.classifier.recipes import network_name
from cellclassifier.data import GeneOrder, Normalisation
from cellclassifier.errors import InputError
from cellclassifier.networks import Engine, NetworkBuilder, choose_builder
from cellclassifier.training import TrainingConfig, check_seed


class Unfitted(Protocol):
    """The settings of a `CellTypeClassifier`."""

    network: str | NetworkBuilder
    network_options: Mapping[str, Any] | None
    genes: Genes | None
    gene_order: GeneOrder | None
    normalisation: Normalisation | None
    training: TrainingConfig | None
    engine: Engine
    seed: int


@dataclass(frozen=True, eq=False)
class FitPlan:
    """What is to be trained, on what, and how.

    Parameters
    ----------
    origin
        What was asked for, in words.
    design
        Genes, normalisation and training.
    build
        Makes the network.
    """

    origin: Origin
    design: Design
    build: NetworkBuilder

    @classmethod
    def of(cls, asked: Unfitted, labels_key: str, batch_key: str | None = None) -> Self:
        """Fill in what goes with the network.

        Raises
        ------
        InputError
            There is no such network, or it does not take these options, or batches are told to one
            that sets no cells apart.
        """
        seed = check_seed(asked.seed)
        design = Design.asked_for(
            asked.network, asked.genes, asked.gene_order, asked.normalisation, asked.training
        )
        if batch_key is not None:
            design = replace(design, training=training_by_batches(design.training))
        build, options = choose_builder(asked.network, asked.network_options or {})
        name = network_name(asked.network)
        return cls(Origin(name, options, labels_key, seed, asked.engine, batch_key), design, build)


def training_by_batches(training: TrainingConfig) -> TrainingConfig:
    """Return how to train where whole batches are set apart.

    They are too much to lose, one of two donors at worst: in the end they are trained on, too.

    Raises
    ------
    InputError
        Nothing is set apart.

    Examples
    --------
    >>> training_by_batches(TrainingConfig()).refit
    True
    """
    if training.solver == "stacked":
        return training
    if not training.validation_fraction:
        raise InputError(
            "a batch key says which cells are set apart together, and this training sets none "
            "apart (validation_fraction 0): leave the key out, or give TrainingConfig a "
            "validation_fraction"
        )
    return replace(training, refit=True)
