"""What the documents say is true: their numbers stand in results files. test_pages.py runs them."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@pytest.mark.parametrize("network", ["linear", "original-mlp", "original-cnn"])
def test_times_of_the_original_study_stand_in_the_results(network):
    text = (ROOT / "docs" / "original-study.md").read_text(encoding="utf-8")
    timed = text.partition("## In time and memory\n")[2].splitlines()
    rows = [json.loads(line) for line in (RESULTS / "original.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["network"] == network]
    line = next(line for line in timed if line.startswith(f"| {network}"))
    accuracy, macro_f1, ece, seconds, peak = (
        float(cell) for cell in line.strip("| ").split(" | ")[1:]
    )
    assert accuracy == pytest.approx(mean(rows, "accuracy"), abs=6e-4)
    assert macro_f1 == pytest.approx(mean(rows, "macro_f1"), abs=6e-4)
    assert ece == pytest.approx(mean(rows, "ece"), abs=6e-4)
    assert seconds == pytest.approx(mean(rows, "fit_seconds"), abs=0.06)
    assert peak == max(row["peak_memory_mb"] for row in rows)


@pytest.mark.parametrize(
    ("network", "mark"), [("linear", 0.92), ("original-mlp", 0.84), ("original-cnn", 0.82)]
)
def test_the_results_reach_the_marks(network, mark):
    rows = [json.loads(line) for line in (RESULTS / "original.jsonl").read_text().splitlines()]
    assert mean([row for row in rows if row["network"] == network], "accuracy") >= mark


def mean(rows, key):
    assert rows
    return sum(row[key] for row in rows) / len(rows)


@pytest.mark.parametrize("data", ["zheng_sorted_facs", "zheng_sorted_merged"])
def test_numbers_of_the_original_study_stand_in_the_results(data):
    text = (ROOT / "docs" / "original-study.md").read_text(encoding="utf-8")
    lines = text.partition(f"## {data}\n")[2].partition("\n## ")[0].splitlines()
    table = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in lines)}
    rows = {
        row["network"]: row
        for row in map(json.loads, (RESULTS / "original_full.jsonl").read_text().splitlines())
        if row["data"] == f"{data}.h5ad" and row["fold"] is None
    }
    for network, row in rows.items():
        expected = [f"{row[key]:.3f}" for key in ("accuracy", "macro_f1", "log_loss")]
        assert table[network] == expected
    for label, scores in rows["original-cnn"]["per_type"].items():
        expected = [f"{scores['precision']:.3f}", f"{scores['recall']:.3f}"]
        assert table[label] == [*expected, f"{scores['n_cells']:,}"]
    assert rows["original-cnn"]["accuracy"] > 0.82


def test_log_counts_are_proved_at_the_speed_asked():
    rows = [json.loads(line) for line in (RESULTS / "find_counts.jsonl").read_text().splitlines()]
    speed = {row["kind"]: row["cells_per_second"] for row in rows}
    assert speed["log1p per 10,000"] > 100_000
