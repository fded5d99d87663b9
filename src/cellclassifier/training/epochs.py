"""Epochs of Keras that can be ended at any time, and go on where they were."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cellclassifier.networks import keras
from cellclassifier.training.progress import Watcher
from cellclassifier.training.shared_model import whole
from cellclassifier.training.upkeep import Upkeep


class Shuffled(Protocol):
    """Minibatches in random order; that of the first epoch is drawn when they are made."""

    rng: np.random.Generator

    def draw(self) -> None:
        """Draw another order."""
        ...


class Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Trains epoch by epoch: tells the watcher, keeps the state, stops early.

    Parameters
    ----------
    batches
        What is trained on; for Keras a ``PyDataset``.
    n_epochs
        At most.
    patience
        Epochs without a better validation loss before training stops; None never stops, and leaves
        the last weights where there are no validation cells.
    watch
        Called after each epoch, and for those of an earlier run.
    upkeep
        Where the state is kept, and which process this is.
    stage
        The name of the state there.
    """

    def __init__(
        self,
        batches: Shuffled,
        n_epochs: int,
        *,
        patience: int | None = None,
        watch: Watcher,
        upkeep: Upkeep,
        stage: str,
    ) -> None:
        super().__init__()
        self._batches, self._n_epochs, self._patience = batches, n_epochs, patience
        self._watch, self._upkeep, self._stage = watch, upkeep, stage
        self.history: list[dict[str, float]] = []
        self._best_epoch, self._best_loss = 0, np.inf
        self._best: list[npt.NDArray[np.float32]] = []

    def run(self, model: keras.Model, validation: object | None = None) -> list[dict[str, float]]:
        """Train a compiled model to the end; return the scores of each epoch."""
        self._restore(model)
        if len(self.history) < self._n_epochs and not self._is_enough:
            model.fit(
                self._batches,
                validation_data=validation,
                initial_epoch=len(self.history),
                epochs=self._n_epochs,
                shuffle=False,  # the batches shuffle themselves, with a seed of their own
                callbacks=[self],
                verbose=0,
            )
        if self._best:
            model.set_weights(self._best)
        return self.history

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002  (Keras's)
        """Draw another order; Keras tells data sets of the ends of more epochs than there are."""
        if epoch > 0:
            self._batches.draw()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keep what came of an epoch."""
        scores = {name: float(value) for name, value in (logs or {}).items()}
        self._note(scores)
        if self._best_epoch == epoch + 1 and "val_loss" in scores:
            self._best = [whole(variable) for variable in self.model.weights]
        self._save()
        self._watch(epoch + 1, self._n_epochs, scores)
        self.model.stop_training = self._is_enough

    def _note(self, scores: dict[str, float]) -> None:
        self.history.append(scores)
        loss = scores.get("val_loss", np.inf)
        if len(self.history) == 1 or loss < self._best_loss:
            self._best_epoch, self._best_loss = len(self.history), loss

    @property
    def _is_enough(self) -> bool:
        waited = len(self.history) - self._best_epoch
        return self._patience is not None and bool(self.history) and waited >= self._patience

    def _save(self) -> None:
        state = {
            f"variable_{number}": whole(variable)
            for number, variable in enumerate(_variables(self.model))
        }
        if not self._upkeep.ranks.is_first:
            return
        state |= {f"best_{number}": values for number, values in enumerate(self._best)}
        state_of_rng = self._batches.rng.bit_generator.state
        facts = {"history": self.history, "rng": dict(state_of_rng)}
        self._upkeep.checkpoints.save(self._stage, facts, state)

    def _restore(self, model: keras.Model) -> None:
        """Go on where an earlier run was ended, if there was one."""
        kept = self._upkeep.checkpoints.load(self._stage)
        n_done = 0 if kept is None else len(kept[0]["history"])
        self._upkeep.ranks.agree(f"epochs done of '{self._stage}'", str(n_done))
        if kept is None:
            return
        facts, arrays = kept
        model.optimizer.build(model.trainable_variables)
        for number, variable in enumerate(_variables(model)):
            variable.assign(arrays[f"variable_{number}"])
        n_best = sum(name.startswith("best_") for name in arrays)
        self._best = [arrays[f"best_{number}"] for number in range(n_best)]
        self._batches.rng.bit_generator.state = facts["rng"]
        for epoch, scores in enumerate(facts["history"], start=1):
            self._note(scores)
            self._watch(epoch, self._n_epochs, scores)


def _variables(model: keras.Model) -> list[Any]:
    """Return all that changes in an epoch: weights, what dropout draws from, and Adam's means."""
    metrics = {id(variable) for variable in model.metrics_variables}
    own = [variable for variable in model.variables if id(variable) not in metrics]
    return own + list(model.optimizer.variables)
