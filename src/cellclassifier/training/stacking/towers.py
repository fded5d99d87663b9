"""Perceptrons trained side by side, each on other cells, in one network."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.networks import keras, times_dense
from cellclassifier.training.batches import BatchReader, mixed_order
from cellclassifier.training.checkpoints import Checkpoints
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.epochs import Epochs
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher

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
    checkpoints: Checkpoints | None = None,
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
    checkpoints
        Where the state is kept after each epoch; None keeps none.
    """
    centre, scale = _centre_and_scale(examples)
    batches = _Batches(examples, seen, (centre, scale), config, rng)
    with batches.reader:
        model = _build(len(centre), seen.shape[1], n_units, n_types, int(rng.integers(2**31)))
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, batches.n_steps)
        model.compile(
            optimizer=keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        epochs = Epochs(
            batches,
            batches.n_epochs,
            watch=watch,
            checkpoints=checkpoints or Checkpoints(),
            stage="towers",
        )
        epochs.run(model)
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
    ) -> None:
        super().__init__()
        self._examples, self._seen, self._standard, self.rng = examples, seen, standard, rng
        n_cells = len(examples)
        wanted = config.epochs * math.ceil(n_cells / config.batch_size)
        self._batch_size = config.batch_size if wanted <= MAX_STEPS else MAX_BATCH
        self._batch_size = min(self._batch_size, n_cells)
        self.n_epochs = max(1, min(config.epochs, MAX_STEPS // len(self)))
        self.n_steps = self.n_epochs * len(self)
        self.reader = BatchReader(examples, self._batch_size, self._new_order())

    def _new_order(self) -> npt.NDArray[np.intp]:
        return mixed_order(len(self._examples), self.rng)

    def draw(self) -> None:
        """Draw another order."""
        self.reader.begin(self._new_order())

    def __len__(self) -> int:
        return max(1, len(self._examples) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Floats, npt.NDArray[np.int32], Floats]:
        rows, part = self.reader[index]
        seen = self._seen[rows]
        centre, scale = self._standard
        inputs = (part.expression.toarray() - centre) * np.float32(scale)
        codes = np.repeat(part.codes[:, None], seen.shape[1], axis=1)
        return inputs, codes, seen * part.cell_weights[:, None]


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
