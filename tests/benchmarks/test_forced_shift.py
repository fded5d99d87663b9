"""What the page on accuracy says of shifts fixed beforehand stands in the results.

Its table is compared in test_accuracy_page.py.
"""

import pytest
from forced_shift import MEASURED, RESULTS_FILE, SHIFTS, gains, newest
from rows import Rows


@pytest.fixture(scope="module")
def frame():
    return newest(Rows(RESULTS_FILE).read())


def test_all_tasks_abroad_and_all_shifts_are_there(frame):
    assert frame["task"].nunique() == 10
    assert set(frame["asked"]) == {MEASURED, *SHIFTS}


def test_what_the_page_concludes(frame):
    table = gains(frame)[list(SHIFTS)]
    assert (table.loc["mean"] < -1).all()
    assert table.drop("mean").max().max() < 1.55


def test_a_row_that_was_measured_again_keeps_its_place():
    rows = [{"task": task, "asked": 0.0, "accuracy": n} for n, task in enumerate("aba")]
    assert newest(rows)["task"].tolist() == ["a", "b"]
    assert newest(rows)["accuracy"].tolist() == [2, 1]
