"""The numbers of the record on tuning stand in the results, and do not grow."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = (ROOT / "docs" / "decisions" / "0013-tuning.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "results" / "tuning.jsonl").read_text(encoding="utf-8")
ROWS = {row["memory"]: row for row in map(json.loads, RESULTS.splitlines())}


@pytest.mark.parametrize("memory", ["freed", "kept"])
def test_memory_in_the_record_is_what_was_measured(memory):
    line = next(line for line in RECORD.splitlines() if line.startswith(f"| {memory} |"))
    resident = ROWS[memory]["resident_mb"]
    assert [int(number) for number in re.findall(r"\d+", line)] == [
        resident[trial - 1] for trial in (5, 15, 24)
    ]


def test_memory_does_not_grow_where_it_is_freed():
    resident = ROWS["freed"]["resident_mb"]
    assert max(resident[5:]) < 1.1 * resident[4]


def test_what_was_found_is_better_than_the_default():
    assert ROWS["freed"]["best"]["tuning"]["score"] < ROWS["freed"]["default_log_loss"]
