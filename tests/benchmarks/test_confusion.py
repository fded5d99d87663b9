"""The confusion plot is of the rows: their cells, their accuracy."""

import confusion
import numpy as np
import pytest
from agreement import of_method
from leaderboard import newest
from record import RESULTS
from rows import Rows


def test_confusion_counts_the_cells_of_all_folds():
    evaluation = confusion.over_folds("zheng_sorted_facs", "ours")
    rows = of_method(newest(Rows(RESULTS / "accuracy.jsonl").read()), "zheng_sorted_facs", "ours")
    sizes = [row["n_cells"] for row in rows.values()]
    accuracy = np.average([row["accuracy"] for row in rows.values()], weights=sizes)
    assert len(rows) == 5
    assert evaluation.n_cells == sum(sizes) == evaluation.confusion.sum()
    assert evaluation.accuracy == pytest.approx(accuracy)
    assert len(evaluation.labels) == 10
