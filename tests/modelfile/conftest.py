import pytest

from cellclassifier import CellTypeClassifier


@pytest.fixture
def classifier(toy_reference):
    return CellTypeClassifier(seed=3).fit(toy_reference, labels_key="cell_type")


@pytest.fixture
def saved(classifier, tmp_path):
    path = tmp_path / "model.keras"
    classifier.save(path)
    return path
