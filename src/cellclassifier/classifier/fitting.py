"""From labelled counts to a trained network."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import softmax

from cellclassifier.classifier.panel import Genes, choose_panel
from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.data import (
    GeneFactors,
    GeneOrder,
    GenePanel,
    LabelledCounts,
    Normalisation,
    ViewMoments,
    align_genes,
    principal_axes,
)
from cellclassifier.data.row_sources import Expression, RowSource, row_blocks
from cellclassifier.data.splitting import Rows
from cellclassifier.modelfile.adaptation import MAX_PLAIN_WEIGHTS, Adaptation
from cellclassifier.modelfile.sample import MAX_CELLS, ValidationSample
from cellclassifier.networks import Engine, NetworkBuilder, keras
from cellclassifier.training import (
    NO_UPKEEP,
    HeldOut,
    TrainingConfig,
    TrainingRecord,
    Upkeep,
    Watcher,
    train_network,
)
from cellclassifier.training.softmax_loss import DenseWeights
from cellclassifier.trust import (
    CellEvidence,
    ConformalScores,
    HeldOutCells,
    NoveltyModel,
    Trial,
    TypeProfiles,
)
from cellclassifier.trust.type_totals import TypeTotals
from cellclassifier.trust.unexpected import TypeRates

# held-out cells that novelty is learned from, and cells of each type beside them
MAX_KNOWN_CELLS, MIN_KNOWN_PER_TYPE = 20_000, 50
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

    model: "keras.Model"
    panel: GenePanel
    record: TrainingRecord
    factors: GeneFactors
    sample: ValidationSample | None
    adaptation: Adaptation | None
    conformal: ConformalScores | None
    novelty: NoveltyModel | None


@dataclass(frozen=True, eq=False)
class PanelCells:
    """Cells to train on, with the genes of a panel, in memory or on disk.

    Parameters
    ----------
    panel
        The genes.
    counts
        Shape (n_cells, n_panel): raw counts.
    expression
        The same, normalised.
    library_size
        Shape (n_cells,), over all genes measured.
    codes
        Shape (n_cells,): the types.
    n_types
        How many there are.
    batch_codes
        Shape (n_cells,): the batches, where they are known.
    """

    panel: GenePanel
    counts: RowSource
    expression: Expression
    library_size: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    n_types: int
    batch_codes: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, cells: LabelledCounts, panel: GenePanel, normalisation: Normalisation) -> Self:
        """Align and normalise cells in memory."""
        aligned = align_genes(cells.raw, panel)
        return cls(
            panel,
            aligned.counts,
            normalisation.apply(aligned),
            aligned.library_size,
            cells.codes,
            len(cells.label_space),
            cells.batch_codes,
        )


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
    panel_cells = PanelCells.of(cells, panel, design.normalisation)
    return fit_to_panel(build, design.training, panel_cells, seed=seed, engine=engine, watch=watch)


def fit_to_panel(
    build: NetworkBuilder,
    training: TrainingConfig,
    cells: PanelCells,
    *,
    seed: int,
    engine: Engine,
    watch: Watcher,
    upkeep: Upkeep = NO_UPKEEP,
) -> FittedNetwork:
    """Build a network for cells of a panel, train it, and learn what its answers are worth.

    The same cells give the same bits, in memory and on disk.

    Parameters
    ----------
    build
        As in `fit_network`.
    training, seed, engine, watch, upkeep
        As in `train_network`.
    cells
        The reference.
    """
    model = build(len(cells.panel), cells.n_types, seed=seed)
    record = train_network(
        model,
        cells.expression,
        cells.codes,
        training,
        seed=seed,
        engine=engine,
        watch=watch,
        upkeep=upkeep,
        batch_codes=cells.batch_codes,
    )
    factors = GeneFactors.of(cells.counts, cells.library_size, cells.expression, seed)
    totals = _totals(cells)
    return FittedNetwork(
        model,
        cells.panel,
        record,
        factors,
        _kept_sample(cells, record, seed),
        _adaptation(cells, totals, record),
        *_trust(cells, totals, factors.axes, record, seed),
    )


def _totals(cells: PanelCells) -> TypeTotals:
    totals = TypeTotals.empty(cells.n_types, len(cells.panel))
    for block in row_blocks(len(cells.codes)):
        totals.add(cells.counts[block], cells.library_size[block], cells.codes[block])
    return totals


def _kept_sample(cells: PanelCells, record: TrainingRecord, seed: int) -> ValidationSample | None:
    """Return cells set apart in training, some hundred at most; None where there were none."""
    if not len(record.apart):
        return None
    rows = np.random.default_rng(seed).permutation(record.apart)[:MAX_CELLS]
    return ValidationSample(
        cells.counts[rows],
        cells.library_size[rows],
        cells.codes[rows],
        record.weights_before_refit,
    )


def _adaptation(cells: PanelCells, totals: TypeTotals, record: TrainingRecord) -> Adaptation | None:
    if not record.shifted:
        return None
    kernels, biases = zip(*record.shifted, strict=True)
    # sums over a few cells would give these away, and say little
    summed = totals.n_cells >= MIN_PROFILE_CELLS
    profiles = TypeProfiles(
        (totals.counts * summed[:, None]).astype(np.float32), totals.library * summed
    )
    moments = ViewMoments.of(cells.expression)
    plain = _kept_plain_head(record)
    return Adaptation(profiles, np.stack(kernels), np.stack(biases), moments, plain)


def _kept_plain_head(record: TrainingRecord) -> DenseWeights | None:
    """Return the plain head where there is one that a model has room for."""
    plain = record.plain
    return None if plain is None or plain.kernel.size > MAX_PLAIN_WEIGHTS else plain


def _trust(
    cells: PanelCells,
    totals: TypeTotals,
    axes: npt.NDArray[np.float32],
    record: TrainingRecord,
    seed: int,
) -> tuple[ConformalScores | None, NoveltyModel | None]:
    """Return what prediction sets and novelty need; None without cells that were held out."""
    if record.held_out is None:
        return None, None
    plain = None if _kept_plain_head(record) is None else record.plain_held_out
    held_out = _probabilities(record.held_out, plain)
    far = None if record.far_held_out is None else _probabilities(record.far_held_out, plain)
    codes = cells.codes
    conformal = ConformalScores.of(held_out.probabilities, codes[held_out.rows])
    rows = _known_rows(codes, held_out.rows, seed)
    expression = cells.expression[rows]
    known = CellEvidence(
        np.asarray(expression @ axes.T, dtype=np.float32),
        held_out.probabilities[:0],
        None,
        cells.counts[rows],
        np.arange(axes.shape[1], dtype=np.int32),
        cells.library_size[rows],
    )
    far = None if far is None else _among(far, rows)
    novelty = NoveltyModel.of(
        axes,
        known,
        codes[rows],
        _among(held_out, rows),
        far,
        seed,
        TypeRates.of_totals(totals),
        None if far is None else _trial(expression, ~np.isin(rows, record.apart)),
    )
    return conformal, novelty


def _trial(expression: sparse.csr_matrix, is_in: npt.NDArray[np.bool_]) -> Trial:
    """Return where cells lie on axes that some of them are marked to make."""
    axes = principal_axes(expression[is_in])
    return Trial(np.asarray(expression @ axes.T, dtype=np.float32), is_in)


def _known_rows(codes: npt.NDArray[np.int32], held_out: Rows, seed: int) -> Rows:
    """Return cells that novelty is learned from, ascending: all, or some of each type.

    Of many, most are held-out ones, in their own proportions.
    """
    if len(codes) <= MAX_KNOWN_CELLS:
        return np.arange(len(codes))
    rng = np.random.default_rng(seed)
    some = rng.permutation(held_out)[:MAX_KNOWN_CELLS]
    of_each = [
        rng.permutation(np.flatnonzero(codes == code))[:MIN_KNOWN_PER_TYPE]
        for code in np.unique(codes)
    ]
    return np.unique(np.concatenate([some, *of_each]))


def _among(held_out: HeldOutCells, rows: Rows) -> HeldOutCells:
    """Return those of the cells that are among `rows`, by their places there."""
    there = held_out.some(np.isin(held_out.rows, rows))
    return there._replace(rows=np.searchsorted(rows, there.rows))


def _probabilities(held_out: HeldOut, plain: HeldOut | None) -> HeldOutCells:
    """Return what was said of held-out cells, and what a plain head said of these, or of more."""
    rows, of_plain = held_out.rows, None
    if plain is not None:
        of_plain = softmax(plain.logits[np.searchsorted(plain.rows, rows)], axis=1)
    return HeldOutCells(rows, softmax(held_out.logits, axis=1), of_plain)
