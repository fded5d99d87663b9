"""The tables of the record on reports stand in results files."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RECORD = (ROOT / "docs" / "decisions" / "0026-report.md").read_text(encoding="utf-8")
LIBRARIES = ("Bokeh", "plotly.js, basic bundle", "plotly.js, gl2d bundle", "ECharts")


def results(name):
    text = (ROOT / "benchmarks" / "results" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def told(first):
    line = next(line for line in RECORD.splitlines() if line.startswith(f"| {first} |"))
    return line.strip("| ").split(" | ")[1:]


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_libraries_weigh_and_take(library):
    (row,) = [row for row in results("report_libraries.jsonl") if row["library"] == library]
    size, ratio = told(library)
    assert float(size) == round(row["library_bytes"] / 1e6, 2)
    if row["relative_seconds"] is None:
        assert ratio == "draws nothing"
    else:
        assert float(ratio) == row["relative_seconds"]


def test_what_a_report_costs():
    rows = results("report.jsonl")
    assert max(row["n_cells"] for row in rows) >= 50_000
    for row in rows:
        numbers = [float(cell.replace(",", "")) for cell in told(f"{row['n_cells']:,}")]
        assert numbers == [
            row["peak_mb_annotate"],
            row["peak_mb_with_report"],
            row["report_mb"],
            row["seconds_to_open"],
        ]
        assert row["report_mb"] < 6
        assert row["seconds_to_open"] < 3
        assert row["errors"] == []


def test_the_policy_is_the_one_of_the_pages():
    template = ROOT / "src/cellclassifier/reporting/report/templates/base.html"
    (policy,) = re.findall(r'content="(default-src[^"]*)"', template.read_text(encoding="utf-8"))
    assert policy.partition(";")[0] in RECORD
    script = (ROOT / "benchmarks/report/libraries.py").read_text(encoding="utf-8")
    assert f'"{policy}"' in script
