"""Training by gradient steps on shuffled minibatches."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cellclassifier.networks import keras, to_batch
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.float32]]


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Dense minibatches of sparse rows, in a new seeded order each epoch."""

    def __init__(
        self,
        examples: Examples,
        model: keras.Model,
        batch_size: int,
        rng: np.random.Generator | None,
    ) -> None:
        super().__init__()
        self._examples, self._model, self._batch_size = examples, model, batch_size
        self._rng = rng
        self._order = self._new_order()

    def _new_order(self) -> npt.NDArray[np.intp]:
        n_cells = len(self._examples)
        return np.arange(n_cells) if self._rng is None else self._rng.permutation(n_cells)

    def __len__(self) -> int:
        return math.ceil(len(self._examples) / self._batch_size)

    def __getitem__(self, index: int) -> Batch:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        part = self._examples[rows]
        return to_batch(part.expression, self._model), part.codes, part.cell_weights

    def on_epoch_end(self) -> None:
        self._order = self._new_order()


class _Watching(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the watcher, and keeps the scores of each epoch."""

    def __init__(self, n_epochs: int, watch: Watcher) -> None:
        super().__init__()
        self._n_epochs, self._watch = n_epochs, watch
        self.history: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        scores = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append(scores)
        self._watch(epoch + 1, self._n_epochs, scores)


def train_by_adam(
    logits: keras.Model,
    training: Examples,
    validation: Examples,
    config: TrainingConfig,
    rng: np.random.Generator,
    watch: Watcher,
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
    watching = _Watching(config.epochs, watch)
    callbacks: list[keras.callbacks.Callback] = [watching]
    if len(validation):
        patience = config.epochs if config.patience is None else config.patience
        callbacks.append(
            keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        )
    logits.fit(
        _Batches(training, logits, config.batch_size, rng),
        validation_data=_Batches(validation, logits, config.batch_size, None)
        if len(validation)
        else None,
        epochs=config.epochs,
        shuffle=False,  # the batches shuffle themselves, with a seed of their own
        callbacks=callbacks,
        verbose=0,
    )
    return watching.history
