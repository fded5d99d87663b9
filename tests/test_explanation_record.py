"""The table of the record on explanations stands in the results, and reaches the marks."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECORD = (ROOT / "docs" / "decisions" / "0027-explanations.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results" / "explain.jsonl"
NETWORKS = ("wide-deep", "linear", "mlp")
WAYS = {
    "mean, by presence": "mean, by_presence",
    "mean, whole contribution": "mean, contribution",
    "no counts, by presence": "zero, by_presence",
    "no counts, whole contribution": "zero, contribution",
    "difference of means, no model": "difference of means",
}
SECONDS_FOR_10000_CELLS = 60


@pytest.fixture(scope="module")
def rows():
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def found(rows, network, way, field):
    of_network = [row for row in rows if row["network"] == network]
    assert len(of_network) == 2
    return [one[field] for row in of_network for one in row["ways"] if one["way"] == way]


@pytest.mark.parametrize("shown", WAYS)
def test_the_table_stands_in_the_results(rows, shown):
    line = next(line for line in RECORD.splitlines() if line.startswith(f"| {shown} |"))
    numbers = list(map(int, re.findall(r"\d+", line)))
    assert numbers == [
        sum(found(rows, network, WAYS[shown], field))
        for field in ("n_markers", "n_everywhere")
        for network in NETWORKS
    ]


def test_the_numbers_in_the_text_stand_in_the_results(rows):
    way = "mean, by_presence"
    types = found(rows, "wide-deep", way, "cell_type")
    counts = dict(zip(types, found(rows, "wide-deep", way, "n_markers"), strict=True))
    words = re.search(r"`wide-deep`: (.*?)\. For", RECORD, flags=re.DOTALL)[1].split(", ")
    told = {word.split()[0].lower(): int(word.split()[1]) for word in words}
    assert told == {name.split()[0].lower(): count for name, count in counts.items()}
    assert "of 57" in RECORD
    assert sum(found(rows, "wide-deep", way, "n_markers_measured")) == 57
    seconds = [row["seconds_for_10000_cells"] for row in rows if row["network"] == "wide-deep"]
    low, high = map(int, re.search(r"took (\d+) and (\d+) seconds", RECORD).groups())
    assert [low, high] == [round(value) for value in seconds]


@pytest.mark.parametrize("network", NETWORKS)
def test_markers_and_speed_reach_the_marks(rows, network):
    assert min(found(rows, network, "mean, by_presence", "n_markers")) >= 3
    for row in rows:
        if row["network"] == network:
            assert row["seconds_for_10000_cells"] < SECONDS_FOR_10000_CELLS
