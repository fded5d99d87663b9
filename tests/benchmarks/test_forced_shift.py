"""What the page on accuracy says of shifts fixed beforehand stands in the results."""

import re
from pathlib import Path

import pytest
from forced_shift import MEASURED, RESULTS_FILE, SHIFTS, gains, newest, temperatures
from rows import Rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"


@pytest.fixture(scope="module")
def frame():
    return newest(Rows(RESULTS_FILE).read())


def numbers(name):
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(f"| {name} |"))
    return [float(number) for number in re.findall(r"[-+]?\d+\.\d+", line)]


def test_all_tasks_abroad_and_all_shifts_are_there(frame):
    assert frame["task"].nunique() == 10
    assert set(frame["asked"]) == {MEASURED, *SHIFTS}


def test_the_table_of_the_page(frame):
    wanted = temperatures(frame)["best_temperature"]
    for task, row in gains(frame).iterrows():
        shift, accuracy, *points = numbers(task)
        assert [shift, accuracy] == pytest.approx(row.iloc[:2].tolist(), abs=0.051)
        assert points[: len(SHIFTS)] == pytest.approx(row.iloc[2:].tolist(), abs=0.051)
        if task != "mean":
            assert points[-1] == pytest.approx(wanted[task], abs=0.0051)


def test_what_the_page_concludes(frame):
    table = gains(frame)[list(SHIFTS)]
    assert (table.loc["mean"] < -1).all()
    assert table.drop("mean").max().max() < 1.55
