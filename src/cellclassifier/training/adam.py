"""Training by gradient steps on shuffled minibatches."""

import math
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from cellclassifier.networks import keras, to_batch
from cellclassifier.training.batches import BatchReader, mixed_order
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.epochs import Epochs
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher
from cellclassifier.training.ranks import Ranks
from cellclassifier.training.shared_model import (
    Batch,
    cross_entropy,
    filled_up,
    is_by_units,
    log_loss_metric,
    shared_model,
)
from cellclassifier.training.upkeep import NO_UPKEEP, Upkeep


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Dense minibatches of sparse rows, in a seeded order, or their own."""

    def __init__(
        self,
        examples: Examples,
        model: keras.Model,
        batch_size: int,
        rng: np.random.Generator,
        ranks: Ranks,
        *,
        shuffled: bool = True,
    ) -> None:
        super().__init__()
        self._examples, self._model, self._batch_size = examples, model, batch_size
        self.rng, self._ranks, self._shuffled = rng, ranks, shuffled
        self._is_whole = is_by_units(model, ranks)
        self.reader = BatchReader(
            examples, batch_size, self._new_order(), ranks, whole=self._is_whole
        )

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
        n_cells = min(self._batch_size, len(self._examples) - index * self._batch_size)
        inputs = to_batch(part.expression, self._model)
        n_rows = n_cells if self._is_whole else self._ranks.share(n_cells)
        return filled_up(inputs, part.codes, part.cell_weights, n_rows)


def train_by_adam(
    logits: keras.Model,
    training: Examples,
    validation: Examples,
    config: TrainingConfig,
    rng: np.random.Generator,
    watch: Watcher,
    upkeep: Upkeep = NO_UPKEEP,
) -> list[dict[str, float]]:
    """Train `logits` in place by Adam (Kingma & Ba 2015); return the scores of each epoch.

    With validation cells, training stops after `config.patience` epochs without a better loss on
    them, and the weights of the best epoch are put back.
    """
    ranks = upkeep.ranks
    with ExitStack() as stack:
        batches = _Batches(training, logits, config.batch_size, rng, ranks)
        stack.enter_context(batches.reader)
        watched = None
        if len(validation):
            watched = _Batches(validation, logits, config.batch_size, rng, ranks, shuffled=False)
            stack.enter_context(watched.reader)
        model = stack.enter_context(shared_model(logits, ranks))
        model.compile(
            optimizer=keras.optimizers.Adam(config.learning_rate),
            loss=cross_entropy(ranks, whole=is_by_units(logits, ranks)),
            # what the tuner compares: the loss without penalties and class weights
            metrics=[log_loss_metric(ranks)],
            weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        epochs = Epochs(
            batches,
            config.epochs,
            patience=config.patience if len(validation) else None,
            watch=watch,
            upkeep=upkeep,
            # a refit has no cells apart
            stage="adam" if len(validation) else "adam_all",
        )
        return epochs.run(model, watched)
