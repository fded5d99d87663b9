"""Training by gradient steps on shuffled minibatches."""

import math
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from cellclassifier.networks import keras, to_batch
from cellclassifier.training.batches import BatchReader, mixed_order
from cellclassifier.training.checkpoints import Checkpoints
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.epochs import Epochs
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.float32]]


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Dense minibatches of sparse rows, in a seeded order, or their own."""

    def __init__(
        self,
        examples: Examples,
        model: keras.Model,
        batch_size: int,
        rng: np.random.Generator,
        *,
        shuffled: bool = True,
    ) -> None:
        super().__init__()
        self._examples, self._model, self._batch_size = examples, model, batch_size
        self.rng, self._shuffled = rng, shuffled
        self.reader = BatchReader(examples, batch_size, self._new_order())

    def _new_order(self) -> npt.NDArray[np.intp]:
        n_cells = len(self._examples)
        return mixed_order(n_cells, self.rng) if self._shuffled else np.arange(n_cells)

    def draw(self) -> None:
        """Draw another order."""
        self.reader.begin(self._new_order())

    def __len__(self) -> int:
        return math.ceil(len(self._examples) / self._batch_size)

    def __getitem__(self, index: int) -> Batch:
        part = self.reader[index].cells
        return to_batch(part.expression, self._model), part.codes, part.cell_weights


def train_by_adam(
    logits: keras.Model,
    training: Examples,
    validation: Examples,
    config: TrainingConfig,
    rng: np.random.Generator,
    watch: Watcher,
    checkpoints: Checkpoints | None = None,
) -> list[dict[str, float]]:
    """Train `logits` in place by Adam (Kingma & Ba 2015); return the scores of each epoch.

    With validation cells, training stops after `config.patience` epochs without a better loss on
    them, and the weights of the best epoch are put back.
    """
    logits.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # what the tuner compares: the loss without penalties and class weights
        metrics=[keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="log_loss")],
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    batches = _Batches(training, logits, config.batch_size, rng)
    with ExitStack() as readers:
        readers.enter_context(batches.reader)
        watched = None
        if len(validation):
            watched = _Batches(validation, logits, config.batch_size, rng, shuffled=False)
            readers.enter_context(watched.reader)
        epochs = Epochs(
            batches,
            config.epochs,
            patience=config.patience if len(validation) else None,
            watch=watch,
            checkpoints=checkpoints or Checkpoints(),
            # a refit has no cells apart
            stage="adam" if len(validation) else "adam_all",
        )
        return epochs.run(logits, watched)
