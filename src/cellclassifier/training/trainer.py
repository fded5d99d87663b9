"""Training, as a story."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from cellclassifier.data import stratified_split
from cellclassifier.data.row_sources import Expression, row_blocks
from cellclassifier.data.splitting import Rows
from cellclassifier.errors import InputError
from cellclassifier.evaluation import ReliabilityCurve
from cellclassifier.evaluation.metrics import log_loss
from cellclassifier.networks import (
    Engine,
    check_engine,
    divide_logits,
    keras,
    logits_model,
    predict_logits,
)
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.lbfgs import train_by_lbfgs
from cellclassifier.training.progress import Watcher, watch_nothing
from cellclassifier.training.ranks import Ranks
from cellclassifier.training.softmax_loss import DenseWeights
from cellclassifier.training.upkeep import NO_UPKEEP, Upkeep
from cellclassifier.trust import calibrate_temperature


class Solver(Protocol):
    """Trains logits in place, and returns the scores of each epoch."""

    def __call__(
        self,
        logits: "keras.Model",
        training: Examples,
        validation: Examples,
        config: TrainingConfig,
        rng: np.random.Generator,
        watch: Watcher,
        /,
    ) -> list[dict[str, float]]:
        """Stop early, and put the best weights back."""
        ...


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a network says of training cells that it had not seen, after calibration.

    Parameters
    ----------
    rows
        Of the training cells, ascending, (n_held_out,).
    logits
        Shape (n_held_out, n_types), float32.
    """

    rows: Rows
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """What happened in a training, for the model file.

    Parameters
    ----------
    n_cells
        Cells the final weights were trained on.
    history
        Loss, validation loss, log-loss and accuracy of each epoch.
    best_epoch
        The epoch whose weights were kept, from 1.
    temperature
        By which the logits were divided.
    validation
        ``n_cells``, ``accuracy``, ``log_loss``, ``ece`` and ``reliability``, the values of a
        `ReliabilityCurve`, on the cells of `held_out`; None without such cells.
    held_out
        The cells set apart, before any refit and after the temperature, which was fitted on the
        same cells; of an ensemble, all cells whose type its members had seen elsewhere, after a map
        of the logits that was fitted without the cell. None without such cells.
    apart
        The rows of the cells set apart.
    weights_before_refit
        Of the logits, in Keras's order, divided by the temperature, where a refit then let the
        network see the cells set apart; else None.
    shifted
        Other weights of the last layer, for cells that differ from these: somewhat, and much. None
        but where an ensemble was trained.
    far_held_out
        What the last of these say of cells whose type they had seen, but not the cells; None where
        there are no such weights or cells.
    plain
        Weights of a head that is linear in the nearest view alone, at its temperature. None but
        where an ensemble was trained.
    plain_held_out
        What this head says of the cells of `held_out`, which it had not seen.
    """

    n_cells: int
    history: list[dict[str, float]]
    best_epoch: int
    temperature: float
    validation: dict[str, Any] | None
    held_out: HeldOut | None
    apart: npt.NDArray[np.intp]
    weights_before_refit: tuple[npt.NDArray[np.float32], ...] | None
    shifted: tuple[DenseWeights, ...] = ()
    far_held_out: HeldOut | None = None
    plain: DenseWeights | None = None
    plain_held_out: HeldOut | None = None

    def calibration(self) -> dict[str, Any]:
        """Return the calibration for the model file."""
        return {
            "method": "stacking" if self.shifted else "temperature",
            "temperature": self.temperature,
            "n_cells": self.validation["n_cells"] if self.validation else 0,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the rest for the model file."""
        return {
            "n_cells": self.n_cells,
            "best_epoch": self.best_epoch,
            "validation": self.validation,
            "history": self.history,
        }


def train_network(
    model: "keras.Model",
    expression: Expression,
    codes: npt.NDArray[np.int32],
    config: TrainingConfig,
    *,
    seed: int = 0,
    engine: Engine = "keras",
    watch: Watcher = watch_nothing,
    upkeep: Upkeep = NO_UPKEEP,
    batch_codes: npt.NDArray[np.int32] | None = None,
) -> TrainingRecord:
    """Train `model` in place; the same seed on the same machine gives the same bits.

    Parameters
    ----------
    model
        From expression to probabilities, with a dense layer named ``logits``.
    expression
        Shape (n_cells, n_genes), float32: CSR, or rows that are read when they are needed; the
        same cells give the same network.
    codes
        The type of each cell, shape (n_cells,).
    config
        How to train.
    seed
        Of the validation split and of the order of cells.
    engine
        What runs the gradient steps: Keras, or the low-level twin.
    watch
        Called after each epoch.
    upkeep
        Where the state is kept after each epoch that Keras trains, for a call with the same
        arguments to go on from, and which of how many processes this is.
    batch_codes
        The donor, study or lane of each cell, shape (n_cells,): whole ones are set apart then.

    Raises
    ------
    OthersDone
        This is not the first of several processes, and its part is done.
    """
    check_engine(engine)
    check_ranks(upkeep.ranks, config, engine)
    n_types = model.output_shape[-1]
    weights = config.cell_weights(codes, n_types)
    examples = Examples(expression, codes, weights, batch_codes=batch_codes)
    if config.solver == "stacked":
        if engine != "keras":
            raise InputError(f"the solver 'stacked' runs on the engine 'keras', not {engine!r}")
        return _train_stacked(model, examples, config, seed, watch, upkeep)
    solve = _solver(config, engine, upkeep)
    rng = np.random.default_rng(seed)
    kept, apart = stratified_split(codes, config.validation_fraction, rng, batch_codes)
    training, validation = examples[kept], examples[apart]

    logits = logits_model(model)
    untrained = [keras.ops.convert_to_numpy(variable) for variable in logits.variables]
    history = solve(logits, training, validation, config, rng, watch)
    best_epoch = _best_epoch(history)

    n_apart = len(validation)
    of_apart = np.empty((n_apart, n_types), dtype=np.float32)
    for block in row_blocks(n_apart):
        rows = np.arange(n_apart)[block]
        of_apart[block] = predict_logits(logits, validation[rows].expression)
    temperature = calibrate_temperature(of_apart, validation.codes)
    of_apart /= np.float32(temperature)
    held_out = _held_out(apart, of_apart)

    before_refit = None
    if config.refit and len(validation):
        divide_logits(logits, temperature)
        before_refit = tuple(logits.get_weights())
        for variable, value in zip(logits.variables, untrained, strict=True):
            variable.assign(value)
        again = replace(config, epochs=best_epoch, patience=None)
        solve(logits, examples, examples[apart[:0]], again, np.random.default_rng(seed), watch)
        training = examples
    upkeep.ranks.leave_to_first()
    divide_logits(model, temperature)
    return TrainingRecord(
        n_cells=len(training),
        history=history,
        best_epoch=best_epoch,
        temperature=temperature,
        validation=_validation_scores(held_out, codes),
        held_out=held_out,
        apart=apart,
        weights_before_refit=before_refit,
    )


def check_ranks(ranks: Ranks, config: TrainingConfig, engine: Engine) -> None:
    """Refuse several processes where the steps cannot be shared.

    Raises
    ------
    InputError
        The network is not trained by Keras step by step.
    """
    if ranks.are_several and (config.solver == "lbfgs" or engine != "keras"):
        raise InputError(
            f"{ranks.count} processes train by gradient steps of Keras, and neither by L-BFGS (the "
            "network linear) nor on the engine lowlevel: take another network, such as wide-deep "
            "or mlp, or one process"
        )


def _train_stacked(
    model: "keras.Model",
    examples: Examples,
    config: TrainingConfig,
    seed: int,
    watch: Watcher,
    upkeep: Upkeep,
) -> TrainingRecord:
    """Train an ensemble, and make it the weights of `model`."""
    # here, since it derives from classes of Keras, which who names cells does without
    from cellclassifier.training.stacking import check_wide_deep, train_by_stacking

    n_hidden = check_wide_deep(model)
    history: list[dict[str, float]] = []

    def follow(epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
        history.append(dict(scores))
        watch(epoch, n_epochs, scores)

    stacked = train_by_stacking(
        examples, model.output_shape[-1], n_hidden, config, seed, follow, upkeep
    )
    logits = logits_model(model)
    stacked.layers_before.put_into(logits)
    before = tuple(logits.get_weights())
    stacked.layers.put_into(logits)
    held_out = _held_out(stacked.known, stacked.out_of_fold)
    return TrainingRecord(
        n_cells=len(examples),
        history=history,
        best_epoch=len(history),
        temperature=1.0,  # part of the members' shares
        validation=_validation_scores(held_out, examples.codes),
        held_out=held_out,
        apart=stacked.apart,
        weights_before_refit=before,
        shifted=stacked.shifted,
        far_held_out=_held_out(stacked.far_known, stacked.far_apart),
        plain=stacked.plain,
        plain_held_out=_held_out(stacked.known, stacked.plain_out_of_fold),
    )


def _held_out(rows: Rows, logits: npt.NDArray[np.float32]) -> HeldOut | None:
    return HeldOut(rows, logits) if len(rows) else None


def _solver(config: TrainingConfig, engine: Engine, upkeep: Upkeep) -> Solver:
    if config.solver == "lbfgs":
        return train_by_lbfgs
    if engine == "keras":
        # here, since it derives from classes of Keras
        from cellclassifier.training.adam import train_by_adam

        return partial(train_by_adam, upkeep=upkeep)
    # here, since it needs TensorFlow, which is an extra
    from cellclassifier.training.lowlevel import train_by_lowlevel

    return train_by_lowlevel


def _best_epoch(history: list[dict[str, float]]) -> int:
    losses = [scores.get("val_loss") for scores in history]
    if not history or losses[0] is None:
        return len(history)
    return int(np.argmin(np.array(losses, dtype=np.float64))) + 1


def _validation_scores(
    held_out: HeldOut | None, codes: npt.NDArray[np.int32]
) -> dict[str, Any] | None:
    """Return what the model file says of held-out cells; `codes` are those of all cells."""
    if held_out is None:
        return None
    truth = codes[held_out.rows]
    probabilities = softmax(held_out.logits, axis=1)
    correct = probabilities.argmax(axis=1) == truth
    reliability = ReliabilityCurve.of(probabilities.max(axis=1), correct)
    return {
        "n_cells": len(truth),
        "accuracy": float(correct.mean()),
        "log_loss": log_loss(truth, probabilities),
        "ece": reliability.ece,
        "reliability": reliability.to_json(),
    }
