"""The search: repeatable, resumable, within bounds of time and memory, on studies of its own."""

import resource
import sqlite3
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from cellclassifier import CellTypeClassifier, TrainingConfig, TuningPlan, errors, tune
from cellclassifier.classifier.settings import ClassifierSettings
from cellclassifier.data import LabelledCounts, rank_genes, stratified_folds
from cellclassifier.errors import InputError
from cellclassifier.tuning import search, space
from cellclassifier.tuning.folds import Folds
from cellclassifier.tuning.study import STUDY_NAME
from cellclassifier.tuning.trials import best_first

KEY = "cell_type"
LINEAR = TuningPlan("linear", n_trials=3)
# resident memory is counted in pages, and which are free is partly chance
MEMORY_SLACK = 1.05


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    """Five epochs are enough to follow what happens."""
    of_network = ClassifierSettings.of_network

    def shortened(name):
        settings = of_network(name)
        return replace(settings, training=replace(settings.training, epochs=5))

    monkeypatch.setattr(ClassifierSettings, "of_network", shortened)


@pytest.fixture
def study_file(tmp_path):
    return tmp_path / "study.sqlite"


def states(path):
    study = optuna.load_study(study_name=STUDY_NAME, storage=f"sqlite:///{path}")
    found = [trial.state for trial in study.get_trials()]
    study._storage._backend.engine.dispose()
    return found


def interrupt_in_trial(number):
    def watch(n_done, n_trials, scores):
        if n_done == number < n_trials and any("epoch" in name for name in scores):
            raise KeyboardInterrupt

    return watch


def chosen(tuning):
    return [(dict(trial.chosen), trial.log_loss) for trial in tuning.trials]


@pytest.fixture
def trained(monkeypatch):
    """Replace training by a score that depends on the choices; each call is noted."""
    calls = []

    def probabilities(self, settings, *, watch_first, **_):
        calls.append(settings)
        penalty = settings.training.penalty
        for epoch in range(1, 6):
            watch_first(epoch, 5, {"val_log_loss": penalty})
        right = np.exp(-np.sqrt(penalty))
        table = np.full((len(self.codes), self.n_types), (1 - right) / (self.n_types - 1))
        table[np.arange(len(self.codes)), self.codes] = right
        return table.astype(np.float32)

    monkeypatch.setattr(Folds, "probabilities", probabilities)
    monkeypatch.setattr(search, "free_memory", lambda: None)  # no network is made
    return calls


def test_first_trial_is_the_default_of_the_network(toy_reference):
    tuning = tune(toy_reference, labels_key=KEY, plan=TuningPlan("mlp", n_trials=1))
    default = ClassifierSettings.of_network("mlp")
    found = replace(tuning.best, tuning=None, genes=default.genes)
    options = {"hidden": [512, 128], "dropout": 0.5, "l2": 0.0}
    assert found == replace(default, network=replace(default.network, options=options))


def test_best_settings_train_a_good_classifier(toy_reference):
    tuning = tune(toy_reference, labels_key=KEY, plan=LINEAR)
    assert len(tuning.trials) == tuning.best.tuning.n_trials == 3
    assert tuning.best.tuning.score == min(trial.log_loss for trial in tuning.trials)
    classifier = tuning.best.classifier().fit(toy_reference, labels_key=KEY)
    assert classifier.score(toy_reference, KEY) == 1.0


@pytest.mark.usefixtures("trained")
def test_settings_name_the_best_trials_first(toy_reference, tmp_path):
    tuning = tune(toy_reference, labels_key=KEY, plan=LINEAR)
    tuning.best.save(tmp_path / "best.json")
    kept = ClassifierSettings.read(tmp_path / "best.json")
    assert kept == tuning.best
    tried = kept.tuning.best
    assert tried[0].log_loss == kept.tuning.score
    assert [one.number for one in tried] == [t.number for t in best_first(tuning.trials)]
    assert all(one.chosen == tuning.trials[one.number].chosen for one in tried)


def test_score_is_the_log_loss_of_cells_not_trained_on(toy_reference):
    """Labels drawn by lot cannot be learned: no score may be better than guessing."""
    rng = np.random.default_rng(0)
    toy_reference.obs[KEY] = rng.permutation(np.asarray(toy_reference.obs[KEY]))
    tuning = tune(toy_reference, labels_key=KEY, plan=replace(LINEAR, n_trials=1))
    assert tuning.best.tuning.score > 0.95 * np.log(3)


def test_genes_are_ranked_without_the_cells_scored_on(toy_reference):
    cells = LabelledCounts.of(toy_reference, KEY)
    folds = Folds.of(cells, 3, 20, seed=0)
    for fold in folds.folds:
        ranking = rank_genes(cells.raw.counts[fold.kept], cells.codes[fold.kept], cells.raw.genes)
        by_hand = cells.raw.counts[:, ranking.order[:20]]
        ours = folds.aligned.counts[:, fold.columns]
        np.testing.assert_array_equal(ours.toarray(), by_hand.toarray())


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_folds_are_of_one_size_and_keep_each_type(n_folds):
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [2, 31, 70]))
    folds = stratified_folds(codes, n_folds, np.random.default_rng(1))
    assert np.ptp([len(apart) for _, apart in folds]) <= 1
    assert all(set(codes[kept]) == {0, 1, 2} for kept, _ in folds)
    assert all(not set(kept) & set(apart) for kept, apart in folds)


def test_one_fold_is_refused():
    with pytest.raises(InputError, match="two folds or more, not 1"):
        stratified_folds(np.zeros(4, int), 1, np.random.default_rng(0))


@pytest.mark.usefixtures("trained")
def test_same_seed_gives_the_same_trials(toy_reference):
    plan = replace(LINEAR, n_trials=14)
    runs = [chosen(tune(toy_reference, labels_key=KEY, plan=plan)) for _ in range(2)]
    assert runs[0] == runs[1]
    other = chosen(tune(toy_reference, labels_key=KEY, plan=replace(plan, seed=1)))
    assert other[1:] != runs[0][1:]


def test_training_itself_is_repeatable(toy_reference):
    plan = TuningPlan("mlp", n_trials=1, n_folds=2)
    runs = [chosen(tune(toy_reference, labels_key=KEY, plan=plan)) for _ in range(2)]
    assert runs[0] == runs[1]


def test_study_goes_on_to_the_number_asked(toy_reference, trained, study_file):
    plan = replace(LINEAR, study=study_file)
    first = tune(toy_reference, labels_key=KEY, plan=plan)
    assert len(trained) == 3
    again = tune(toy_reference, labels_key=KEY, plan=plan)
    assert len(trained) == 3
    assert chosen(again) == chosen(first)
    more = tune(toy_reference, labels_key=KEY, plan=replace(plan, n_trials=12))
    assert len(trained) == 12
    whole = tune(toy_reference, labels_key=KEY, plan=replace(LINEAR, n_trials=12))
    assert chosen(more) == chosen(whole)


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.usefixtures("trained")
def test_interrupted_study_goes_on_as_if_it_never_stopped(toy_reference, study_file, number):
    plan = replace(LINEAR, n_trials=4, study=study_file)
    with pytest.raises(KeyboardInterrupt):
        tune(toy_reference, labels_key=KEY, plan=plan, watch=interrupt_in_trial(number))
    assert states(study_file)[-1] == TrialState.FAIL
    tuning = tune(toy_reference, labels_key=KEY, plan=plan)
    assert len(tuning.trials) == tuning.best.tuning.n_trials == 4
    assert states(study_file).count(TrialState.FAIL) == 1
    whole = tune(toy_reference, labels_key=KEY, plan=replace(plan, study=None))
    assert chosen(tuning) == chosen(whole)


@pytest.mark.usefixtures("trained")
def test_trial_of_a_killed_run_is_marked_and_does_not_count(toy_reference, study_file):
    plan = replace(LINEAR, study=study_file)
    tune(toy_reference, labels_key=KEY, plan=plan)
    study = optuna.load_study(study_name=STUDY_NAME, storage=f"sqlite:///{study_file}")
    study.ask()
    study._storage._backend.engine.dispose()
    assert states(study_file)[-1] == TrialState.RUNNING
    tuning = tune(toy_reference, labels_key=KEY, plan=replace(plan, n_trials=4))
    assert len(tuning.trials) == 4
    assert TrialState.RUNNING not in states(study_file)


def test_hopeless_trials_are_pruned(toy_reference, trained):
    tuning = tune(toy_reference, labels_key=KEY, plan=replace(LINEAR, n_trials=20))
    pruned = [trial for trial in tuning.trials if trial.pruned]
    assert pruned
    assert tuning.best.tuning.n_trials == 20
    # the score grows with the penalty, so that those given up have large ones
    best = tuning.best.training.penalty
    assert best == min(settings.training.penalty for settings in trained)
    assert all(trial.chosen["penalty"] > best for trial in pruned)


def test_pruning_compares_losses_without_penalty_and_weights(toy_reference):
    seen = []
    config = TrainingConfig(epochs=2, class_weights="balanced")
    CellTypeClassifier("mlp", network_options={"l2": 0.1, "hidden": [8]}, training=config).fit(
        toy_reference, labels_key=KEY, watch=lambda *event: seen.append(event[2])
    )
    assert all(scores["val_log_loss"] + 1 < scores["val_loss"] for scores in seen)


def test_impossible_network_is_passed_over(toy_reference):
    with pytest.raises(InputError, match="none of 1 trials came to an end: 60 genes are too few"):
        tune(toy_reference, labels_key=KEY, plan=TuningPlan("cnn", n_trials=1))


def test_diverged_trial_is_passed_over(toy_reference, monkeypatch):
    def probabilities(self, *_, **__):
        return np.full((len(self.codes), self.n_types), np.nan, dtype=np.float32)

    monkeypatch.setattr(Folds, "probabilities", probabilities)
    with pytest.raises(InputError, match="none of 2 trials"):
        tune(toy_reference, labels_key=KEY, plan=TuningPlan("mlp", n_trials=2))


def test_timeout_begins_no_further_trial(toy_reference, trained):
    plan = replace(LINEAR, n_trials=1000, timeout=1e-9)
    with pytest.raises(InputError, match="none of 0 trials came to an end: give tuning more time"):
        tune(toy_reference, labels_key=KEY, plan=plan)
    assert trained == []


@pytest.mark.usefixtures("trained")
def test_importance_names_what_the_score_depends_on(toy_reference):
    tuning = tune(toy_reference, labels_key=KEY, plan=replace(LINEAR, n_trials=20))
    assert next(iter(tuning.importance)) == "penalty"
    assert sum(tuning.importance.values()) == pytest.approx(1)
    assert tune(toy_reference, labels_key=KEY, plan=LINEAR).importance == {}


@pytest.mark.usefixtures("trained")
def test_optuna_logs_as_before_afterwards(toy_reference, capfd):
    before = optuna.logging.get_verbosity()
    tune(toy_reference, labels_key=KEY, plan=LINEAR)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr().err == ""


def other_cells(reference, plan):
    return reference[1:].copy(), plan


def other_labels(reference, plan):
    labels = np.asarray(reference.obs[KEY]).copy()
    reference.obs[KEY] = labels[::-1]
    return reference, plan


def other_genes(reference, plan):
    reference.var_names = [f"other{i}" for i in range(reference.n_vars)]
    return reference, plan


def other_counts(reference, plan):
    reference.X[0, 0] += 1
    return reference, plan


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param(other_cells, "other labelled cells", id="fewer-cells"),
        pytest.param(other_labels, "other labelled cells", id="labels"),
        pytest.param(other_genes, "other labelled cells", id="genes"),
        pytest.param(other_counts, "other labelled cells", id="counts"),
        pytest.param(
            lambda r, p: (r, replace(p, network="mlp")), "network linear, not mlp", id="net"
        ),
        pytest.param(lambda r, p: (r, replace(p, seed=7)), "the seed 0, not 7", id="seed"),
        pytest.param(lambda r, p: (r, replace(p, n_folds=4)), "other search space", id="folds"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_study_of_something_else_is_refused(toy_reference, study_file, changed, message):
    plan = replace(LINEAR, study=study_file)
    tune(toy_reference.copy(), labels_key=KEY, plan=plan)
    before = study_file.read_bytes()
    reference, plan = changed(toy_reference, plan)
    with pytest.raises(InputError, match=message):
        tune(reference, labels_key=KEY, plan=plan)
    assert study_file.read_bytes() == before


def test_file_that_is_no_sqlite_is_refused_and_kept(toy_reference, study_file):
    study_file.write_text("notes")
    with pytest.raises(InputError, match="it is no SQLite file"):
        tune(toy_reference, labels_key=KEY, plan=replace(LINEAR, study=study_file))
    assert study_file.read_text() == "notes"


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("CREATE TABLE genes (name TEXT)", id="of-another-program"),
        pytest.param("CREATE TABLE studies (study_name TEXT)", id="without-our-study"),
    ],
)
def test_other_database_is_refused_and_kept(toy_reference, study_file, statement):
    with sqlite3.connect(study_file) as database:
        database.execute(statement)
    database.close()
    before = study_file.read_bytes()
    with pytest.raises(InputError, match="not a study that tune --study made"):
        tune(toy_reference, labels_key=KEY, plan=replace(LINEAR, study=study_file))
    assert study_file.read_bytes() == before


def test_study_in_a_folder_that_is_not_there_is_refused(toy_reference, tmp_path):
    plan = replace(LINEAR, study=tmp_path / "no" / "study.sqlite")
    with pytest.raises(errors.OutputError, match="does not exist"):
        tune(toy_reference, labels_key=KEY, plan=plan)


@pytest.mark.usefixtures("trained")
def test_second_run_on_the_same_study_is_refused(toy_reference, study_file):
    plan = replace(LINEAR, study=study_file)

    def start_another(n_done, *_):
        if n_done == 1:
            with pytest.raises(InputError, match="another run of tune works on the study"):
                tune(toy_reference, labels_key=KEY, plan=plan)

    assert len(tune(toy_reference, labels_key=KEY, plan=plan, watch=start_another).trials) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"n_trials": 0}, "one trial or more, not 0", id="trials"),
        pytest.param({"timeout": 0}, "has to be positive, not 0 s", id="timeout"),
        pytest.param({"seed": -1}, "from 0 to 2,147,483,647, not -1", id="seed"),
    ],
)
def test_plan_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        TuningPlan(**arguments)


def test_network_that_cannot_be_tuned_is_refused(toy_reference):
    with pytest.raises(InputError, match="'original-cnn' cannot be tuned; those that can are"):
        tune(toy_reference, labels_key=KEY, plan=TuningPlan("original-cnn"))


def test_missing_optuna_is_said_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "cellclassifier.tuning.engine")
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'cellclassifier\[tune\]'"):
        import_module("cellclassifier.tuning.engine")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_trials(toy_reference, monkeypatch):
    """Without `free_memory` each trial leaves about 18 MB behind."""
    same_size = [row for row in space.SPACES["mlp"] if row.name in ("genes", "learning_rate")]
    monkeypatch.setattr(space, "SPACES", {"mlp": tuple(same_size)})
    resident = {}

    def watch(n_done, *_):
        n_pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident[n_done] = n_pages * resource.getpagesize() / 2**20

    plan = TuningPlan("mlp", n_trials=12, n_folds=2)
    tune(toy_reference, labels_key=KEY, plan=plan, watch=watch)
    assert resident[12] < MEMORY_SLACK * resident[5]
