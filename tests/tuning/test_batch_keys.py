"""The search with batches: settings are scored on donors that they were not trained on."""

from dataclasses import replace

import numpy as np
import pytest

from cellclassifier import TuningPlan, tune
from cellclassifier.classifier.settings import ClassifierSettings
from cellclassifier.data import LabelledCounts
from cellclassifier.errors import InputError
from cellclassifier.tuning import folds as folds_module
from cellclassifier.tuning.folds import Folds

KEY = "cell_type"


@pytest.fixture
def of_donors(toy_reference):
    toy_reference.obs["donor"] = np.array(["P1", "P2"])[np.arange(toy_reference.n_obs) % 2]
    return toy_reference


def test_donors_are_named_by_classifiers_of_the_others(of_donors, monkeypatch):
    parts = []
    monkeypatch.setattr(folds_module, "train_network", lambda *_, **options: parts.append(options))
    cells = LabelledCounts.of(of_donors, KEY, batch_key="donor")
    folds = Folds.of(cells, 3, 20, seed=0)
    assert len(folds.folds) == 2
    settings = ClassifierSettings.of_network("linear")
    folds.probabilities(settings, seed=0, watch_first=lambda *_: None)
    assert [set(part["batch_codes"]) for part in parts] == [{1}, {0}]


def test_a_study_is_of_one_batch_key(of_donors, tmp_path):
    plan = TuningPlan("linear", n_trials=1, study=tmp_path / "study.sqlite")
    tuning = tune(of_donors, labels_key=KEY, batch_key="donor", plan=plan)
    assert tuning.best.tuning.n_folds == 2
    with pytest.raises(InputError, match="labelled cells"):
        tune(of_donors, labels_key=KEY, plan=replace(plan, n_folds=2))


def test_two_donors_are_tuned_to_an_end(of_donors):
    """What is kept is of one donor then: it is validated cell by cell."""
    plan = TuningPlan("mlp", n_trials=1)
    tuning = tune(of_donors, labels_key=KEY, batch_key="donor", plan=plan)
    assert tuning.trials[0].accuracy > 0.5
