"""A model in a file, and cells from elsewhere, for all that is named from disk."""

import pytest
from streamed_cells import KEY, QUICK, drawn

from cellclassifier import CellTypeClassifier


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    options = {"hidden": (32,)}
    fitted = CellTypeClassifier(network_options=options, training=QUICK, seed=1)
    fitted.fit(drawn(360, seed=3), labels_key=KEY)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    fitted.save(path)
    return CellTypeClassifier.load(path)


@pytest.fixture
def cells():
    return drawn(600, seed=4, spread=0.3)
