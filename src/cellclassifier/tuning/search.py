"""The search: trial after trial, until there are as many as asked."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import anndata as ad
import numpy as np

from cellclassifier.classifier.settings import ClassifierSettings, Tried, Tuned
from cellclassifier.data import CountsArguments, LabelledCounts
from cellclassifier.data.whole_batches import folds_of_batches
from cellclassifier.errors import InputError
from cellclassifier.evaluation.metrics import log_loss
from cellclassifier.networks import free_memory
from cellclassifier.training import Watcher, check_seed, watch_nothing
from cellclassifier.tuning.engine import optuna, quiet
from cellclassifier.tuning.folds import Folds
from cellclassifier.tuning.importance import importance_of
from cellclassifier.tuning.space import Dimension, most_genes, settings_of, space_of
from cellclassifier.tuning.study import counted_trials, fingerprint_of, open_study
from cellclassifier.tuning.trials import Trial, best_first

FAIL = optuna.trial.TrialState.FAIL
PRUNED = optuna.trial.TrialState.PRUNED
# that stand in the settings file, for people to look at
MAX_TRIED = 20


@dataclass(frozen=True)
class TuningPlan:
    """What to search, and for how long.

    Parameters
    ----------
    network
        ``"linear"``, ``"mlp"`` or ``"cnn"``.
    n_trials
        Settings to try, those already in the study included; the first is the network's default.
    study
        A SQLite file that keeps the trials, made where it is missing; None keeps them in memory.
    seed
        Of the folds, the search and each training.
    timeout
        Seconds after which no new trial begins; None for no end but `n_trials`.
    n_folds
        Parts of the reference: each is scored by classifiers trained on the others.

    Examples
    --------
    >>> TuningPlan(n_trials=0)
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: tuning takes one trial or more, not 0
    """

    network: str = "mlp"
    n_trials: int = 30
    study: Path | None = None
    seed: int = 0
    timeout: float | None = None
    n_folds: int = 3

    def __post_init__(self) -> None:
        if self.n_trials < 1:
            raise InputError(f"tuning takes one trial or more, not {self.n_trials}")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"the time for tuning has to be positive, not {self.timeout:g} s")
        check_seed(self.seed)


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Parameters
    ----------
    best
        The settings with the lowest log-loss, and how they were found.
    trials
        All that ended, pruned ones included, in their order.
    importance
        For each dimension, the share of the differences between trials that it explains, the
        largest first; empty where there are too few trials to say.
    """

    best: ClassifierSettings
    trials: tuple[Trial, ...]
    importance: Mapping[str, float]


def tune(
    reference: ad.AnnData,
    *,
    labels_key: str,
    batch_key: str | None = None,
    plan: TuningPlan | None = None,
    strict: bool = False,
    watch: Watcher = watch_nothing,
    **counts: Unpack[CountsArguments],
) -> Tuning:
    """Search the settings under which cells not trained on are named best.

    Parameters
    ----------
    reference
        Labelled cells, as for `CellTypeClassifier.fit`; not changed.
    labels_key
        The column of ``obs`` with the types.
    batch_key
        The column with donors, studies or lanes: each is scored by classifiers that have not seen
        it. There are no more folds than batches then.
    plan
        What to search; None takes the defaults of `TuningPlan`.
    strict
        Whether to refuse cells without a label, instead of leaving them out.
    watch
        Called with the number of trials that ended, the number asked for, and scores, after each
        trial and each epoch in its first fold.
    **counts
        The keywords of `find_counts`.

    Raises
    ------
    InputError
        The network cannot be tuned, the study is of other cells, another network or seed, or no
        trial came to an end; or batches are missing, or nothing can be told of them.
    LabelError
        Labels are missing, or too few.
    CountsError
        No raw counts can be found or proved.

    Examples
    --------
    >>> import cellclassifier as cc
    >>> reference = cc.read_cells("reference.h5ad")                          # doctest: +SKIP
    >>> tuning = cc.tune(reference, labels_key="cell_type")                  # doctest: +SKIP
    >>> tuning.best.classifier().fit(reference, labels_key="cell_type")      # doctest: +SKIP
    CellTypeClassifier(network='mlp', ...)
    """
    plan = plan or TuningPlan()
    space_of(plan.network, 1)  # refuse a network before the long reading
    cells = LabelledCounts.of(reference, labels_key, strict=strict, batch_key=batch_key, **counts)
    if cells.batch_codes is not None:
        fold_of = folds_of_batches(cells.codes, cells.batch_codes, plan.n_folds)
        plan = replace(plan, n_folds=int(fold_of.max()) + 1)
    space = space_of(plan.network, len(cells.raw.genes))
    fingerprint = fingerprint_of(cells, plan.network, plan.seed, (space, plan.n_folds))
    with quiet(), open_study(plan.study, fingerprint) as study:
        if len(counted_trials(study)) < plan.n_trials:
            folds = Folds.of(cells, plan.n_folds, most_genes(space), plan.seed)
            del cells  # what the trials need is in the folds
            _search(study, space, folds, plan, watch)
        return _summary(study, plan)


def _search(
    study: optuna.Study,
    space: tuple[Dimension, ...],
    folds: Folds,
    plan: TuningPlan,
    watch: Watcher,
) -> None:
    end = np.inf if plan.timeout is None else time.monotonic() + plan.timeout
    while (n_done := len(counted_trials(study))) < plan.n_trials and time.monotonic() < end:
        # a sampler of its own for each trial: an interrupted study goes on as if it never stopped
        study.sampler = optuna.samplers.TPESampler(seed=_seed_of(plan.seed, n_done))
        if not n_done:
            _enqueue_default(study, space)
        trial = study.ask()
        epochs = _Epochs(trial, watch, n_done, plan.n_trials, _best_so_far(study))
        try:
            score = _score(trial, space, folds, plan, epochs)
        except optuna.TrialPruned:
            study.tell(trial, state=PRUNED)
        except BaseException:
            study.tell(trial, state=FAIL)
            raise
        else:
            study.tell(trial, score)
        finally:
            free_memory()
        watch(n_done + 1, plan.n_trials, _best_so_far(study))


def _score(
    trial: optuna.Trial,
    space: tuple[Dimension, ...],
    folds: Folds,
    plan: TuningPlan,
    watch: Watcher,
) -> float:
    """Return the mean log-loss over all cells, each named by a classifier that had not seen it."""
    chosen = {dimension.name: dimension.suggest(trial) for dimension in space}
    settings = settings_of(plan.network, chosen)
    try:
        probabilities = folds.probabilities(settings, seed=plan.seed, watch_first=watch)
    except InputError as error:  # pools that leave nothing of so few genes
        trial.set_user_attr("impossible", str(error))
        raise optuna.TrialPruned from error
    if not np.isfinite(probabilities).all():
        raise optuna.TrialPruned  # diverged
    right = probabilities.argmax(axis=1) == folds.codes
    trial.set_user_attr("accuracy", float(right.mean()))
    return log_loss(folds.codes, probabilities)


@dataclass(frozen=True)
class _Epochs:
    """Reports each epoch to the study and the user; gives the trial up where it is hopeless."""

    trial: optuna.Trial
    watch: Watcher
    n_done: int
    n_trials: int
    best: Mapping[str, float]

    def __call__(self, epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
        newest = scores.get("val_log_loss")
        if newest is None:  # once more on all cells, where nothing is left to watch
            return
        self.watch(self.n_done, self.n_trials, {**self.best, f"epoch {epoch}/{n_epochs}": newest})
        self.trial.report(newest, epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def _best_so_far(study: optuna.Study) -> dict[str, float]:
    scores = [trial.value for trial in counted_trials(study) if _ended(trial)]
    return {"best": min(score for score in scores if score is not None)} if scores else {}


def _ended(trial: optuna.trial.FrozenTrial) -> bool:
    return trial.state == optuna.trial.TrialState.COMPLETE


def _enqueue_default(study: optuna.Study, space: tuple[Dimension, ...]) -> None:
    waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
    if not waiting:
        study.enqueue_trial({dimension.name: dimension.default for dimension in space})


def _seed_of(seed: int, n_done: int) -> int:
    return int(np.random.SeedSequence([seed, n_done]).generate_state(1)[0])


def _summary(study: optuna.Study, plan: TuningPlan) -> Tuning:
    trials = tuple(_as_value(trial) for trial in counted_trials(study))
    ranked = best_first(trials)
    if not ranked:
        reasons = {trial.user_attrs.get("impossible") for trial in counted_trials(study)} - {None}
        raise InputError(
            f"none of {len(trials)} trials came to an end: "
            + ("; ".join(sorted(map(str, reasons))) or "give tuning more time, or more trials")
        )
    best = ranked[0]
    tried = tuple(_as_tried(trial) for trial in ranked[:MAX_TRIED])
    tuned = Tuned(tried[0].log_loss, len(trials), plan.n_folds, plan.seed, tried)
    settings = replace(settings_of(plan.network, best.chosen), tuning=tuned)
    return Tuning(settings, trials, importance_of(study, plan.seed))


def _as_value(trial: optuna.trial.FrozenTrial) -> Trial:
    ended = _ended(trial)
    return Trial(
        trial.number,
        trial.params,
        trial.value if ended else None,
        trial.user_attrs["accuracy"] if ended else None,
        trial.duration.total_seconds() if trial.duration else 0.0,
    )


def _as_tried(trial: Trial) -> Tried:
    """Return a trial that came to its end as the settings file has it."""
    return Tried(
        trial.number,
        float(trial.log_loss or 0.0),
        float(trial.accuracy or 0.0),
        trial.seconds,
        dict(trial.chosen),
    )
