"""The table of the record on votes stands in the results."""

import json
import re
from pathlib import Path

import pytest

from cellclassifier.classifier.clustering import RESOLUTION
from cellclassifier.classifier.voting import MIN_AGREEMENT

ROOT = Path(__file__).resolve().parents[1]
RECORD = (ROOT / "docs" / "decisions" / "0028-votes.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "votes.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results" / "votes.jsonl"
ROWS = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
AGREEMENTS = (0.0, 0.5, 0.7, 0.9)


def voted(row, resolution, agreement, rule="majority"):
    asked = {"resolution": resolution, "agreement": agreement, "rule": rule}
    (found,) = (vote for vote in row["votes"] if asked.items() <= vote.items())
    return found


def numbers(line):
    return [float(number) for number in re.findall(r"-?\d+\.\d+", line)]


def gain(row, score, *asked):
    return 100 * (voted(row, *asked)[score] - row["alone"][score])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["task"])
def test_the_table_of_tasks_stands_in_the_results(row):
    line = next(line for line in RECORD.splitlines() if line.startswith(f"| {row['task']} |"))
    expected = [row["alone"]["accuracy"], row["alone"]["macro_f1"]]
    for agreement in (0.0, 0.5, 0.9):
        asked = (RESOLUTION, agreement)
        expected += [gain(row, score, *asked) for score in ("accuracy", "macro_f1")]
    assert numbers(line.removeprefix(f"| {row['task']}"))[:2] == pytest.approx(
        expected[:2], abs=6e-4
    )
    assert numbers(line.removeprefix(f"| {row['task']}"))[2:] == pytest.approx(
        expected[2:], abs=0.051
    )


@pytest.mark.parametrize("resolution", [1.0, 5.0, 20.0])
@pytest.mark.parametrize("rule", ["majority", "mean log-probability"])
def test_the_table_of_rules_stands_in_the_results(resolution, rule):
    name = f"| {rule}, {resolution:.0f} |"
    line = next(line for line in RECORD.splitlines() if line.startswith(name))
    expected = [
        sum(gain(row, score, resolution, agreement, rule) for row in ROWS) / len(ROWS)
        for agreement in AGREEMENTS
        for score in ("accuracy", "macro_f1")
    ]
    assert numbers(line.removeprefix(name)) == pytest.approx(expected, abs=0.0051)


def test_the_default_does_best_on_average():
    gains = {
        (resolution, agreement): sum(gain(row, "accuracy", resolution, agreement) for row in ROWS)
        for resolution in (1.0, 5.0, 20.0)
        for agreement in AGREEMENTS
    }
    assert max(gains, key=gains.get) == (RESOLUTION, MIN_AGREEMENT)


def test_what_the_page_says_stands_in_the_results():
    losses = [gain(row, "accuracy", RESOLUTION, 0.0) for row in ROWS]
    words = {9: "nine", 13: "thirteen"}
    n_worse = sum(loss < 0 for loss in losses)
    assert f"on {words[n_worse]} of {words[len(losses)]} tasks" in HOW_TO
    assert f"up to {-min(losses):.0f} points fewer" in HOW_TO.replace("\n", " ")
    gains = [gain(row, "accuracy", RESOLUTION, MIN_AGREEMENT) for row in ROWS]
    told = re.search(r"cost (\d\.\d) points at most, and won\s(\d\.\d) at best", HOW_TO).groups()
    assert [float(number) for number in told] == pytest.approx([-min(gains), max(gains)], abs=0.051)
