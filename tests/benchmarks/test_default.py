"""The default network on a task of the benchmark; skipped where the data folder is not there."""

import pytest
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, TASKS

from cellclassifier import CellTypeClassifier


@pytest.mark.slow
def test_the_default_network_crosses_protocols(shared_data):
    """From sorted cells to those of other laboratories and protocols, in common coarse types."""
    task = TASKS["merged_to_3prime"]
    for name in task.data:
        shared_data(name)
    split = task.split(0)
    where = {"library_size_key": LIBRARY_SIZE_KEY}
    classifier = CellTypeClassifier().fit(split.training, labels_key=LABELS_KEY, **where)
    found = classifier.classify(split.test, **where)
    assert found.shift > 0.15
    assert (found.labels == split.test.obs[LABELS_KEY].to_numpy()).mean() > 0.9
