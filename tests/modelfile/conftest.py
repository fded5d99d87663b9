import shutil

import pytest

from cellclassifier import CellTypeClassifier, TrainingConfig


@pytest.fixture
def classifier(toy_reference):
    return CellTypeClassifier("linear", seed=3).fit(toy_reference, labels_key="cell_type")


@pytest.fixture
def saved(classifier, tmp_path):
    path = tmp_path / "model.keras"
    classifier.save(path)
    return path


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory):
    return tmp_path_factory.mktemp("adapting")


@pytest.fixture
def adapting(_made_once, toy_reference, tmp_path):
    """Return the file of a small network that adapts to a shift; trained once."""
    made = _made_once / "adapting.keras"
    if not made.exists():
        classifier = CellTypeClassifier(
            network_options={"hidden": (8,)},
            training=TrainingConfig(solver="stacked", epochs=2, penalty=1e-5),
        )
        classifier.fit(toy_reference, labels_key="cell_type").save(made)
    return shutil.copy(made, tmp_path)
