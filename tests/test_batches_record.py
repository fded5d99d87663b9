"""The tables of the record on batches stand in the results."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
RECORD = (ROOT / "docs" / "decisions" / "0033-batches.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results" / "batches.jsonl"
ROWS = {
    (row["problem"], row["variant"]): row
    for row in map(json.loads, RESULTS.read_text(encoding="utf-8").splitlines())
}
PROBLEMS = list(dict.fromkeys(problem for problem, _ in ROWS))
KNOWN = [problem for problem in PROBLEMS if not problem.endswith("_nk")]
NOVEL = [problem for problem in PROBLEMS if problem.endswith("_nk")]


def table_row(heading, name):
    """Return the numbers of the line that begins with a name, in the table under some words."""
    table = RECORD.partition(heading)[2].partition("\n\n")[2].partition("\n\n")[0]
    line = next(line for line in table.splitlines() if line.startswith(f"| {name} |"))
    return [float(number) for number in re.findall(r"\d+\.\d+", line.removeprefix(f"| {name} |"))]


def beside(problem, read, variants=("none", "key")):
    return [read(ROWS[problem, variant]) for variant in variants]


@pytest.mark.parametrize("problem", KNOWN)
def test_how_a_new_batch_is_named_stands_in_the_results(problem):
    expected = [
        value
        for key in ("accuracy", "log_loss", "ece", "coverage")
        for value in beside(problem, lambda row, key=key: row[key])
    ]
    assert table_row("**How a new batch is named.**", problem) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("problem", KNOWN)
def test_what_the_model_says_stands_in_the_results(problem):
    key = ROWS[problem, "key"]
    expected = [
        *beside(problem, lambda row: row["said"]["accuracy"], ("none", "map", "key")),
        key["unshifted"]["accuracy"],
        key["accuracy"],
        *beside(problem, lambda row: row["expected"]),
    ]
    assert table_row("**What the model says.**", problem) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("problem", KNOWN)
def test_linear_and_weights_stand_in_the_results(problem):
    expected = [
        ROWS[problem, "weights"]["accuracy"],
        ROWS[problem, "weights"]["log_loss"],
        *beside(problem, lambda row: row["accuracy"], ("linear", "linear key")),
        *beside(problem, lambda row: row["said"]["accuracy"], ("linear", "linear key")),
    ]
    assert table_row("**Weights, and `linear`.**", problem) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("problem", NOVEL)
def test_novelty_stands_in_the_results(problem):
    variants = ("none", "key", "linear", "linear key")
    expected = beside(problem, lambda row: row["novelty_auroc"], variants)
    assert table_row("**Novelty.**", problem) == pytest.approx(expected, abs=6e-4)


def mean(read, variant, problems=KNOWN):
    return float(np.mean([read(ROWS[problem, variant]) for problem in problems]))


def test_the_means_in_words_stand_in_the_results():
    def right(row):
        return row["accuracy"]

    def layer_0(row):
        return row["unshifted"]["accuracy"]

    def said(row):
        return row["said"]["accuracy"]

    sorted_cells = [problem for problem in KNOWN if problem.startswith("merged_without")]
    of_sorted = [
        f"{mean(read, variant, sorted_cells):.2f}"
        for variant in ("none", "key")
        for read in (said, right)
    ]
    off = [
        f"{100 * mean(lambda row, came=came: abs(said(row) - came(row)), variant):.1f}"
        for came in (layer_0, right)
        for variant in ("none", "key", "map")
    ]
    text = " ".join(RECORD.split())
    assert (
        f"Labels stay what they are: {mean(right, 'none'):.3f} and {mean(right, 'key'):.3f}" in text
    )
    assert f"{mean(layer_0, 'key'):.3f} in place of {mean(layer_0, 'none'):.3f}" in text
    assert f"off by {off[0]} points in the mean" in text
    assert f"with one by {off[1]}, to either side; with maps by cells by {off[2]}" in text
    assert f"off by {off[3]}, {off[4]} and {off[5]} points" in text
    assert f"{of_sorted[0]} is said and {of_sorted[1]} came, and with a key" in text
    assert f"with a key {of_sorted[2]} is said in the mean and {of_sorted[3]} came" in text
