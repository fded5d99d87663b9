"""The tables of the decision records stand in results files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "docs" / "decisions"
ESTIMATES = {"plug-in": "plug_in", "Miller-Madow": "miller_madow", "smoothed": "smoothed"}
DATA = ("zheng_sorted_facs.h5ad", "baron_pancreas.h5ad", "paul15.h5ad")
DESIGNS = (
    "default",
    "no early stopping",
    "no refit on all cells",
    "penalty 1e-5",
    "penalty 1e-4",
    "penalty 3e-4",
    "no class weights",
    "balanced class weights",
    "per 10,000",
    "per 1,000",
)

MLP_DESIGNS = ("default", "sqrt class weights", "per 10,000")
RECORDS = [("0006-linear-default.md", "linear", design) for design in DESIGNS] + [
    ("0009-perceptron-default.md", "mlp", design) for design in MLP_DESIGNS
]


def results(name):
    path = ROOT / "benchmarks" / "results" / name
    return [json.loads(line) for line in path.read_text().splitlines()]


def table_row(record, name):
    text = (DECISIONS / record).read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [
        float(number) for number in re.findall(r"\d+(?:\.\d+)?", line.removeprefix(f"| {name}"))
    ]


@pytest.mark.parametrize("name", ESTIMATES)
def test_numbers_of_the_ranking_record_stand_in_the_results(name):
    row = next(row for row in results("gene_ranking.jsonl") if row["estimator"] == ESTIMATES[name])
    tops = [row[f"top_{top}"] for top in (30, 100, 300, 1000)]
    expected = [round(row["spearman"], 4), round(row["pearson"], 3), *tops, row["rank_of_MALAT1"]]
    assert table_row("0004-ranking-genes.md", name) == expected


@pytest.mark.parametrize(("record", "network", "design"), RECORDS)
def test_numbers_of_the_design_records_stand_in_the_results(record, network, design):
    rows = [
        row
        for row in results("designs.jsonl")
        if (row["network"], row["design"]) == (network, design)
    ]
    expected = [
        sum(scores := [row[key] for row in rows if row["data"] == data]) / len(scores)
        for key in ("accuracy", "log_loss", "ece")
        for data in DATA
    ]
    assert table_row(record, design) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(
    "variant",
    [
        "twin",
        "without the unrolled first layer",
        "without the fused pool gradient",
        "without the fused prediction",
        "without the fused Adam",
        "without any",
    ],
)
def test_numbers_of_the_twin_record_stand_in_the_results(variant):
    row = next(row for row in results("lowlevel.jsonl") if row.get("variant") == variant)
    expected = [
        number
        for kind in ("train", "predict")
        for number in (row[f"{kind}_ratio"], *row[f"{kind}_ratio_range"])
    ]
    assert table_row("0014-lowlevel-twin.md", variant) == pytest.approx(expected, abs=6e-3)


@pytest.mark.parametrize("order", ["native", "divergence", "correlation", "clustering", "spread"])
def test_numbers_of_the_gene_order_record_stand_in_the_results(order):
    rows = [row for row in results("gene_order.jsonl") if row["order"] == order]
    native = [row["accuracy"] for row in results("gene_order.jsonl") if row["order"] == "native"]
    expected = [np.mean([row[key] for row in rows]) for key in ("accuracy", "log_loss")]
    if order != "native":
        lift = 100 * (np.array([row["accuracy"] for row in rows]) - native)
        expected += [abs(lift.mean()), stats.t.ppf(0.975, 4) * stats.sem(lift)]
    assert len(rows) == 5
    assert table_row("0017-gene-order.md", order) == pytest.approx(expected, abs=6e-3)


def test_numbers_of_the_expectation_record_stand_in_the_results():
    text = (DECISIONS / "0018-expected-accuracy.md").read_text(encoding="utf-8")
    lines = [
        line.strip("| ").split(" | ")
        for line in text.splitlines()
        if ".9" in line or "| 0." in line
    ]
    lines = [line for line in lines if line[0] in ("zheng_sorted_facs", "baron_pancreas")]
    assert len(lines) == 14
    for name, genes_left, counts_left, expected, scored in lines:
        rows = [
            row
            for row in results("expectation.jsonl")
            if row["data"] == f"{name}.h5ad"
            and (row["genes_left"], row["counts_left"]) == (float(genes_left), float(counts_left))
        ]
        assert len(rows) == 5
        assert float(expected) == pytest.approx(np.mean([r["expected"] for r in rows]), abs=6e-4)
        assert float(scored) == pytest.approx(np.mean([r["accuracy"] for r in rows]), abs=6e-4)


@pytest.mark.parametrize(
    "name",
    [
        "pbmc3k",
        "zheng_sorted_facs",
        "zheng_sorted_merged",
        "baron_pancreas",
        "pbmc_10x_3prime",
        "paul15",
    ],
)
def test_numbers_of_the_gene_table_record_stand_in_the_results(name):
    rows = {row["names"]: row for row in results("gene_names.jsonl") if row["file"] == name}
    shares = [
        rows["as they are"]["known"],
        rows["symbols"]["known"],
        rows["symbols"]["counts_known"],
    ]
    assert table_row("0015-gene-table.md", name) == [round(100 * share, 1) for share in shares]
