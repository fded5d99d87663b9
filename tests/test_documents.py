"""What the documents say is true: commands run, numbers stand in results files."""

import json
import re
import shlex
from pathlib import Path

import pytest

from cellclassifier.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results"


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def user_folder(tmp_path, monkeypatch, toy_reference):
    monkeypatch.chdir(tmp_path)
    toy_reference.write_h5ad("reference.h5ad")
    toy_reference.write_h5ad("cells.h5ad")
    return tmp_path


def test_every_command_of_the_readme_runs(user_folder):
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("cellclassifier ")]
    assert len(commands) >= 5
    for command in commands:
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert stopped.value.code == 0, command
    made = {"model.keras", "named.h5ad", "evaluation.json", "confusion.png", "ranking.csv"}
    assert made <= {path.name for path in user_folder.iterdir()}


def test_the_python_of_the_readme_runs(user_folder):
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102  (our own document)
    assert (user_folder / "model.keras").exists()


def test_how_to_read_the_scores_runs(user_folder):
    text = (ROOT / "docs" / "how-to" / "read-the-scores.md").read_text(encoding="utf-8")
    (commands,), (code,) = blocks("sh", text), blocks("python", text)
    for command in map(shlex.split, commands.splitlines()):
        with pytest.raises(SystemExit) as stopped:
            main(command[1:])
        assert stopped.value.code == 0, command
    assert {"named.h5ad", "strict.h5ad", "kept.h5ad", "evaluation.json"} <= {
        path.name for path in user_folder.iterdir()
    }
    told: dict = {}
    exec(compile(code, "read-the-scores.md", "exec"), told)  # noqa: S102  (our own document)
    assert len(told["sure"]) > 60


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)", "\n".join(blocks("sh")), flags=re.MULTILINE)
    assert "test" in targets
    assert all(f"\n{target}:" in makefile for target in targets)


@pytest.mark.parametrize("network", ["linear", "original-mlp", "original-cnn"])
def test_numbers_of_the_readme_stand_in_the_results(network):
    rows = [json.loads(line) for line in (RESULTS / "original.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["network"] == network]
    line = next(line for line in README.splitlines() if line.startswith(f"| {network}"))
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
