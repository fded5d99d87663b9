"""The numbers of the gene studies stand in results files, and their documents run."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "decisions" / "0012-panels.md"
STUDIES = ROOT / "docs" / "gene-studies.md"
HOW_TO = ROOT / "docs" / "how-to" / "design-a-panel.md"
SETS = {"sorted blood": "zheng_sorted_facs.h5ad", "pancreas": "baron_pancreas.h5ad"}
T_OF_FIVE_FOLDS = 2.776
WINDOWS = ["1-10", "11-30", "31-100", "101-300", "301-1000", "1001-3000"]
FROM_THE_TOP = ["1-30", "1-100", "1-300", "1-1000", "1-3000"]
RESULT_FILES = [
    f"{name}.jsonl" for name in ("ablation", "panel_criteria", "panel_repeats", "panel_size")
]
CRITERIA = [
    "most divergent", "in turn by type", "mRMR FCD", "mRMR FCQ", "JMI", "CMIM",
    *(f"canonical, noise {noise}" for noise in ("0", "0.003", "0.01", "0.03", "0.1")),
]  # fmt: skip


def results(name):
    path = ROOT / "benchmarks" / "results" / name
    return pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])


def numbers(document, first_cell):
    lines = document.read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(f"| {first_cell} |"))
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", line.split("|", 2)[2])]


def by_fold(data, size):
    """Return accuracies of the panel and of the most divergent genes, one a fold."""
    rows = results("panel_size.jsonl")
    rows = rows[(rows["data"] == data) & (rows["n_genes"] == size)]
    table = rows.pivot_table(index="fold", columns="method", values="accuracy")
    assert len(table) == 5
    return table["redundancy_aware"].to_numpy(), table["most_divergent"].to_numpy()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("size", [30, 100, 300])
def test_numbers_of_the_comparison_stand_in_the_results(name, size):
    aware, plain = by_fold(SETS[name], size)
    half = T_OF_FIVE_FOLDS * (aware - plain).std(ddof=1) / np.sqrt(5)
    gain = 100 * (aware - plain).mean()
    expected = [plain.mean(), aware.mean(), gain, 100 * half]
    *means, won = numbers(RECORD, f"{name}, {size} genes")
    assert means == pytest.approx(expected, abs=0.006)
    assert means[:2] == pytest.approx(expected[:2], abs=6e-4)
    assert won == (aware > plain).sum()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("size", [30, 100, 300])
def test_the_panel_beats_the_most_divergent_genes_by_folds(name, size):
    aware, plain = by_fold(SETS[name], size)
    assert aware.mean() > plain.mean()


@pytest.mark.parametrize("name", SETS)
def test_numbers_of_the_repeats_stand_in_the_results(name):
    rows = pd.concat([results("panel_size.jsonl"), results("panel_repeats.jsonl")])
    rows = rows[(rows["data"] == SETS[name]) & (rows["n_genes"] == 300)]
    table = rows.pivot_table(index=["seed", "fold"], columns="method", values="accuracy")
    gain = 100 * (table["redundancy_aware"] - table["most_divergent"])
    assert len(gain) == 25
    shown = numbers(RECORD, f"{name}, 25 folds")
    assert shown[:-3] == pytest.approx([gain.mean(), *gain.groupby("seed").mean()], abs=0.006)
    assert shown[-3:] == [(gain > 0).sum(), (gain == 0).sum(), (gain < 0).sum()]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_numbers_of_the_criteria_stand_in_the_results(criterion):
    rows = results("panel_criteria.jsonl")
    rows = rows[rows["criterion"] == criterion]
    expected = [
        rows[(rows["data"] == data) & (rows["n_genes"] == size)]["accuracy"].mean()
        for data in SETS.values()
        for size in (30, 100, 300)
    ]
    assert numbers(RECORD, criterion) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("size", [10, 30, 100, 300, 1000, 3000, "all"])
def test_numbers_of_the_panel_sizes_stand_in_the_results(name, size):
    rows = results("panel_size.jsonl")
    n_genes = rows[rows["data"] == SETS[name]]["n_genes"].max() if size == "all" else size
    aware, plain = by_fold(SETS[name], n_genes)
    shown = f"{n_genes:,}" if size != "all" else f"all {n_genes:,}"
    expected = [
        number
        for scores in (plain, aware)
        for number in (scores.mean(), T_OF_FIVE_FOLDS * scores.std(ddof=1) / np.sqrt(5))
    ]
    assert numbers(STUDIES, f"{name}, {shown}") == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize("zeroed", [*WINDOWS, *FROM_THE_TOP])
def test_numbers_of_the_ablation_stand_in_the_results(zeroed):
    expected = []
    for data in SETS.values():
        rows = results("ablation.jsonl")
        table = rows[rows["data"] == data].pivot_table(
            index="fold", columns="zeroed", values="accuracy"
        )
        loss = 100 * (table["none"] - table[zeroed])
        expected += [loss.mean(), T_OF_FIVE_FOLDS * loss.std() / np.sqrt(5)]
    assert numbers(STUDIES, f"ranks {zeroed}") == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("name", RESULT_FILES)
def test_rows_say_how_to_repeat_them(name):
    needed = ["commit", "data", "data_sha256", "split", "seed", "versions", "machine", "date"]
    assert results(name)[needed].notna().all(axis=None)


@pytest.mark.parametrize("document", [RECORD, STUDIES, HOW_TO], ids=lambda path: path.stem)
def test_pictures_and_links_of_the_documents_are_there(document):
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_python_of_the_how_to_runs(tmp_path, monkeypatch, toy_reference):
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    toy_reference.write_h5ad("reference.h5ad")
    exec(compile(code, HOW_TO.name, "exec"), {})  # noqa: S102  (our own document)
    assert {"panel.csv", "panel.png"} <= {path.name for path in tmp_path.iterdir()}
