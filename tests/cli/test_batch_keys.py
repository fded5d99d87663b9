"""``--batch-key`` of train, tune and evaluate."""

import json

import numpy as np
import pytest
from streamed_cells import KEY, drawn, write

import cellclassifier as cc
from cellclassifier.modelfile import read_manifest

LABELS = ("--labels-key", KEY)


@pytest.fixture
def file_of_donors(tmp_path):
    cells = drawn(240, seed=3)
    cells.obs["donor"] = np.array(["P1", "P2", "P3"])[np.arange(240) // 3 % 3]
    return write(cells, tmp_path / "cells.h5ad")


@pytest.mark.parametrize("where", ["--in-memory", "--from-disk"])
def test_train_tells_what_inspect_shows(command, file_of_donors, tmp_path, capsys, where):
    out, report = tmp_path / "m.keras", tmp_path / "r.html"
    options = [*LABELS, "--network", "linear", "--batch-key", "donor", where, "--out", out]
    assert command("train", file_of_donors, *options, "--report", report) == 0
    shown = capsys.readouterr().out
    assert "3 in .obs['donor'], whole ones set apart; accuracy on a new one" in shown
    assert command("inspect", out, "--json") == 0
    told = json.loads(capsys.readouterr().out)["training"]["batches"]
    assert (told["key"], told["n_batches"]) == ("donor", 3)
    assert "whole ones set apart" in report.read_text()


def test_a_column_that_is_not_there_is_one_line(command, file_of_donors, tmp_path, capsys):
    options = [*LABELS, "--batch-key", "patient", "--out", tmp_path / "m.keras"]
    for name in ("train", "tune"):
        assert command(name, file_of_donors, *options) == 1
        shown = capsys.readouterr()
        assert "there is no column 'patient' in .obs" in shown.err.replace("\n", " ")
        assert "Traceback" not in shown.err
    assert {path.name for path in tmp_path.iterdir()} == {"cells.h5ad"}


def test_tune_scores_each_donor_by_the_others(command, file_of_donors, tmp_path):
    out = tmp_path / "best.json"
    options = [*LABELS, "--network", "linear", "--trials", "1", "--batch-key", "donor"]
    assert command("tune", file_of_donors, *options, "--out", out) == 0
    assert json.loads(out.read_text())["tuning"]["n_folds"] == 3
    again = [*LABELS, "--config", out, "--batch-key", "donor", "--out", tmp_path / "m.keras"]
    assert command("train", file_of_donors, *again) == 0
    assert read_manifest(tmp_path / "m.keras").training["batches"]["n_batches"] == 3


def test_evaluate_shows_the_accuracy_of_each_batch(command, named_file, tmp_path, capsys):
    cells = cc.read_cells(named_file).to_memory()
    cells.obs["donor"] = np.repeat(["P1", "P2"], [80, 40])
    wrong = cells.obs["cell_type"].astype(str).to_numpy()
    wrong[100:] = "B"
    cells.obs["cell_type"] = wrong
    scored = write(cells, tmp_path / "scored.h5ad")
    options = ["--truth-key", "cell_type", "--batch-key"]
    assert command("evaluate", scored, *options, "donor") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    right = cells.obs["predicted_cell_type"].astype(str).to_numpy() == wrong
    start = lines.index(["batch", "accuracy", "cells"])
    assert lines[start + 1 :][:2] == [
        ["P2", f"{right[80:].mean():.3f}", "40"],
        ["P1", f"{right[:80].mean():.3f}", "80"],
    ]
    assert command("evaluate", scored, *options, "patient") == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:2 processes are more than:cellclassifier.errors.InputWarning")
def test_processes_set_the_same_donors_apart(command, file_of_donors, tmp_path):
    """The other processes find the batches beside the counts."""
    models = [tmp_path / "one.keras", tmp_path / "two.keras"]
    for out, others in zip(models, ([], ["--processes", "2"]), strict=True):
        options = [*LABELS, "--network", "mlp", "--epochs", "2", "--batch-key", "donor"]
        assert command("train", file_of_donors, *options, *others, "--out", out) == 0
    one, two = map(cc.CellTypeClassifier.load, models)
    cells = cc.read_cells(file_of_donors)
    np.testing.assert_allclose(two.predict_proba(cells), one.predict_proba(cells), atol=1e-4)
    told = two.manifest_.training["batches"]
    assert told == pytest.approx(one.manifest_.training["batches"])
