"""The command explain."""

import json

import pandas as pd
import pytest


def test_explain_writes_a_table_and_shows_the_best(command, model_file, tmp_path, capsys):
    out = tmp_path / "genes.csv"
    assert command("explain", model_file, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "rather than" in shown
    assert "BMARK" in shown
    assert f"wrote {out}" in shown.replace("\n", "")
    assert set(pd.read_csv(out)["cell_type"]) == {"B", "NK", "T"}


def test_explain_takes_cells_and_their_labels(command, model_file, reference_file, tmp_path):
    out = tmp_path / "genes.json"
    asked = ["--cells", reference_file, "--labels-key", "cell_type", "--genes", 3]
    assert command("explain", model_file, "--out", out, *asked) == 0
    content = json.loads(out.read_text())
    assert content["about"]["cells"] == "cells given, by their label"
    assert {len(each["genes"]) for each in content["types"].values()} == {3}
    assert command("explain", model_file, "--out", out, "--genes", "all") == 0
    content = json.loads(out.read_text())
    assert {len(each["genes"]) for each in content["types"].values()} == {60}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--out", "genes.txt"], ".csv or .json", id="kind"),
        pytest.param(["--out", "none/genes.csv"], "does not exist", id="folder"),
        pytest.param(["--out", "genes.csv", "--genes", "0"], "not 0", id="genes"),
    ],
)
def test_explain_fails_in_one_line(
    command, model_file, tmp_path, monkeypatch, capsys, arguments, says
):
    monkeypatch.chdir(tmp_path)
    assert command("explain", model_file, *arguments) == 1
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
