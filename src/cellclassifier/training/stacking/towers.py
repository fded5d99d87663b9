"""Perceptrons trained side by side, each on other cells, in one network."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.networks import keras, times_dense
from cellclassifier.training.batches import BatchReader, mixed_order
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.epochs import Epochs
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher
from cellclassifier.training.ranks import ALONE, Ranks
from cellclassifier.training.shared_model import (
    Batch,
    cross_entropy,
    filled_up,
    is_by_units,
    shared_model,
)
from cellclassifier.training.upkeep import NO_UPKEEP, Upkeep

DROPOUT = 0.5
WEIGHT_DECAY = 0.01
# inputs are centred, and scaled to this mean squared norm
INPUT_NORM = 100.0
# the spread of the first weights, on such inputs
INITIAL_SPREAD = 0.03
# gradient steps at most; larger references are seen less often, in larger batches
MAX_STEPS, MAX_BATCH = 6_000, 256
# the first layer is brought down to this rank afterwards: hardly anything is lost
RANK = 64
SMALLEST = float(np.finfo(np.float32).tiny)
# cells that tell which directions the first layer uses
SAMPLE_CELLS = 5_000

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Towers:
    """Perceptrons of one hidden layer, which share a projection of their input.

    Parameters
    ----------
    projection
        Shape (n_genes, rank).
    kernel, bias
        From the projection to the hidden units of all towers, (rank, n_towers * n_units) and
        (n_towers * n_units,).
    head_kernel, head_bias
        From each tower's units to its logits, (n_towers, n_units, n_types), (n_towers, n_types).
    """

    projection: Floats
    kernel: Floats
    bias: Floats
    head_kernel: Floats
    head_bias: Floats

    def logits(self, expression: sparse.csr_matrix) -> Floats:
        """Return what each tower says, (n_towers, n_cells, n_types)."""
        n_towers, n_units, _ = self.head_kernel.shape
        hidden = np.maximum(times_dense(expression, self.projection) @ self.kernel + self.bias, 0)
        by_tower = hidden.reshape(len(hidden), n_towers, n_units).swapaxes(0, 1)
        logits: Floats = by_tower @ self.head_kernel + self.head_bias[:, None]
        return logits


def train_towers(
    examples: Examples,
    seen: Bools,
    n_types: int,
    n_units: int,
    config: TrainingConfig,
    rng: np.random.Generator,
    watch: Watcher,
    upkeep: Upkeep = NO_UPKEEP,
) -> Towers:
    """Train one tower for each column of `seen`, on its cells only, all in one pass.

    Parameters
    ----------
    examples
        Near-linear expression.
    seen
        Shape (n_cells, n_towers): which cells a tower learns from.
    n_types, n_units
        Of each tower.
    config
        Epochs, batch size and the first learning rate; it falls along a cosine to zero.
    rng
        Orders the cells and draws the first weights.
    watch
        Called after each epoch.
    upkeep
        Where the state is kept after each epoch, and which of how many processes this is.
    """
    centre, scale = _centre_and_scale(examples)
    # any seed: only what it is built of tells how it is shared
    shape = len(centre), seen.shape[1], n_units, n_types
    whole = is_by_units(_build(*shape, seed=0), upkeep.ranks)
    batches = _Batches(examples, seen, (centre, scale), config, rng, upkeep.ranks, whole=whole)
    model = _build(*shape, int(rng.integers(2**31)))
    with batches.reader, shared_model(model, upkeep.ranks) as trained:
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, batches.n_steps)
        trained.compile(
            optimizer=keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY),
            loss=cross_entropy(upkeep.ranks, whole=whole),
        )
        epochs = Epochs(batches, batches.n_epochs, watch=watch, upkeep=upkeep, stage="towers")
        epochs.run(trained)
    kernel, bias, head_kernel, head_bias = model.get_weights()
    kernel = kernel * np.float32(scale)
    bias = bias - centre @ kernel
    projection, inner, inner_bias = _low_rank(kernel, bias, examples, rng)
    return Towers(projection, inner, inner_bias, head_kernel, head_bias)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Dense minibatches, centred and scaled, with the weight of each cell for each tower."""

    def __init__(
        self,
        examples: Examples,
        seen: Bools,
        standard: tuple[Floats, float],
        config: TrainingConfig,
        rng: np.random.Generator,
        ranks: Ranks = ALONE,
        *,
        whole: bool = False,
    ) -> None:
        super().__init__()
        self._examples, self._seen, self._standard, self.rng = examples, seen, standard, rng
        n_cells = len(examples)
        wanted = config.epochs * math.ceil(n_cells / config.batch_size)
        wanted_size = config.batch_size if wanted <= MAX_STEPS else MAX_BATCH
        self.size = min(wanted_size, n_cells)
        self.n_epochs = max(1, min(config.epochs, MAX_STEPS // len(self)))
        self.n_steps = self.n_epochs * len(self)
        self._n_rows = self.size if whole else ranks.share(self.size)
        self.reader = BatchReader(examples, self.size, self._new_order(), ranks, whole=whole)

    def _new_order(self) -> npt.NDArray[np.intp]:
        return mixed_order(len(self._examples), self.rng)

    def draw(self) -> None:
        """Draw another order."""
        self.reader.begin(self._new_order())

    def __len__(self) -> int:
        return max(1, len(self._examples) // self.size)

    def __getitem__(self, index: int) -> Batch:
        rows, part = self.reader[index]
        seen = self._seen[rows]
        centre, scale = self._standard
        inputs = part.expression.toarray()
        inputs -= centre  # in place: megabytes a step
        inputs *= np.float32(scale)
        codes = np.repeat(part.codes[:, None], seen.shape[1], axis=1)
        weights = seen * part.cell_weights[:, None]
        return filled_up(inputs, codes, weights, self._n_rows)


def _build(n_genes: int, n_towers: int, n_units: int, n_types: int, seed: int) -> keras.Model:
    inputs = keras.Input((n_genes,))
    spread = keras.initializers.RandomNormal(stddev=INITIAL_SPREAD, seed=seed)
    hidden = keras.layers.Dense(n_towers * n_units, activation="relu", kernel_initializer=spread)(
        inputs
    )
    by_tower = keras.layers.Reshape((n_towers, n_units))(hidden)
    dropped = keras.layers.Dropout(DROPOUT, seed=seed)(by_tower)
    logits = keras.layers.EinsumDense(
        "btu,tuk->btk", (n_towers, n_types), bias_axes="tk", kernel_initializer="zeros"
    )(dropped)
    return keras.Model(inputs, logits)


def _centre_and_scale(examples: Examples) -> tuple[Floats, float]:
    total, squares = np.zeros(examples.n_genes), 0.0
    for block in examples.blocks():
        values = block.expression.data.astype(np.float64)
        total += np.bincount(block.expression.indices, values, examples.n_genes)
        squares += float(np.square(values).sum())
    centre = total / len(examples)
    spread = max(squares / len(examples) - float(centre @ centre), SMALLEST)
    return centre.astype(np.float32), float(np.sqrt(INPUT_NORM / spread))


def _low_rank(
    kernel: Floats, bias: Floats, examples: Examples, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return projection, inner kernel and bias of nearly the same layer.

    What the units sum up varies between cells along few directions, the principal components of
    the sums. The others are left at their mean.
    """
    rows = np.sort(rng.permutation(len(examples))[:SAMPLE_CELLS])
    sums = times_dense(examples[rows].expression, kernel).astype(np.float64)
    mean = sums.mean(axis=0)
    _, directions = np.linalg.eigh((sums - mean).T @ (sums - mean))
    kept = directions[:, ::-1][:, :RANK]
    rest = mean - mean @ kept @ kept.T
    projection = kernel @ kept.astype(np.float32)
    return projection, kept.T.astype(np.float32), (bias + rest).astype(np.float32)
