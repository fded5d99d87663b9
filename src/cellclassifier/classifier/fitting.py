"""From labelled counts to a trained network."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import softmax

from cellclassifier.classifier.panel import Genes, choose_panel
from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.data import (
    AlignedCounts,
    GeneFactors,
    GeneOrder,
    GenePanel,
    LabelledCounts,
    Normalisation,
    ViewMoments,
    align_genes,
)
from cellclassifier.modelfile.adaptation import Adaptation
from cellclassifier.modelfile.sample import MAX_CELLS, ValidationSample
from cellclassifier.networks import Engine, NetworkBuilder, keras
from cellclassifier.training import TrainingConfig, TrainingRecord, Watcher, train_network
from cellclassifier.trust import CellEvidence, ConformalScores, NoveltyModel, TypeProfiles

# of a type whose counts are summed in the model's file
MIN_PROFILE_CELLS = 10


@dataclass(frozen=True)
class Design:
    """What a network is trained on, and how.

    Parameters
    ----------
    genes
        How many of the most divergent ones, ``"all"``, or names.
    gene_order
        In which order; None leaves them as they were chosen.
    normalisation
        From counts to expression.
    training
        How to train.
    """

    genes: Genes
    gene_order: GeneOrder | None
    normalisation: Normalisation
    training: TrainingConfig

    @classmethod
    def asked_for(
        cls,
        network: str | NetworkBuilder,
        genes: Genes | None,
        gene_order: GeneOrder | None,
        normalisation: Normalisation | None,
        training: TrainingConfig | None,
    ) -> "Design":
        """Return what goes with a network, but for what was asked for; None asks for nothing."""
        recipe = find_recipe(network)
        genes = recipe.genes if genes is None else genes
        # whoever names genes has put them in order
        usual_order = recipe.gene_order if isinstance(genes, int | str) else None
        return cls(
            genes,
            gene_order or usual_order,
            normalisation or recipe.normalisation,
            training or recipe.training,
        )


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """A trained network, the genes that it takes, and how it came about."""

    model: keras.Model
    panel: GenePanel
    record: TrainingRecord
    factors: GeneFactors
    sample: ValidationSample | None
    adaptation: Adaptation | None
    conformal: ConformalScores | None
    novelty: NoveltyModel | None


def fit_network(
    build: NetworkBuilder,
    design: Design,
    cells: LabelledCounts,
    *,
    seed: int,
    engine: Engine,
    watch: Watcher,
) -> FittedNetwork:
    """Choose genes, build a network for them, and train it.

    Parameters
    ----------
    build
        Makes the network from the numbers of genes and types.
    design
        Genes, normalisation and training.
    cells
        The reference.
    seed, engine, watch
        As in `train_network`.
    """
    panel = choose_panel(cells.raw, cells.codes, design.genes, design.gene_order)
    aligned = align_genes(cells.raw, panel)
    expression = design.normalisation.apply(aligned)
    model = build(len(panel), len(cells.label_space), seed=seed)
    record = train_network(
        model,
        expression,
        cells.codes,
        design.training,
        seed=seed,
        engine=engine,
        watch=watch,
    )
    factors = GeneFactors.of(aligned, expression, seed)
    return FittedNetwork(
        model,
        panel,
        record,
        factors,
        _kept_sample(aligned, cells.codes, record, seed),
        _adaptation(aligned, expression, cells, record),
        *_trust(aligned, factors.axes, expression, cells.codes, record, seed),
    )


def _kept_sample(
    aligned: AlignedCounts, codes: npt.NDArray[np.int32], record: TrainingRecord, seed: int
) -> ValidationSample | None:
    """Return cells set apart in training, some hundred at most; None where there were none."""
    if not len(record.apart):
        return None
    rows = np.random.default_rng(seed).permutation(record.apart)[:MAX_CELLS]
    return ValidationSample(
        aligned.counts[rows], aligned.library_size[rows], codes[rows], record.weights_before_refit
    )


def _adaptation(
    aligned: AlignedCounts,
    expression: sparse.csr_matrix,
    cells: LabelledCounts,
    record: TrainingRecord,
) -> Adaptation | None:
    if not record.shifted:
        return None
    kernels, biases = zip(*record.shifted, strict=True)
    n_types = len(cells.label_space)
    # sums over a few cells would give these away, and say little
    sizes = np.bincount(cells.codes, minlength=n_types)
    summed = sizes[cells.codes] >= MIN_PROFILE_CELLS
    profiles = TypeProfiles.of(
        aligned.counts[summed], aligned.library_size[summed], cells.codes[summed], n_types
    )
    return Adaptation(profiles, np.stack(kernels), np.stack(biases), ViewMoments.of(expression))


def _trust(
    aligned: AlignedCounts,
    axes: npt.NDArray[np.float32],
    expression: sparse.csr_matrix,
    codes: npt.NDArray[np.int32],
    record: TrainingRecord,
    seed: int,
) -> tuple[ConformalScores | None, NoveltyModel | None]:
    """Return what prediction sets and novelty need; None without cells that were held out."""
    if record.held_out is None:
        return None, None
    rows, logits = record.held_out.rows, record.held_out.logits
    probabilities = softmax(logits, axis=1)
    known = CellEvidence(
        np.asarray(expression @ axes.T, dtype=np.float32),
        np.empty((0, logits.shape[1])),
        aligned.counts,
        np.arange(axes.shape[1], dtype=np.int32),
        aligned.library_size,
    )
    return (
        ConformalScores.of(probabilities, codes[rows]),
        NoveltyModel.of(axes, known, codes, rows, probabilities, seed),
    )
