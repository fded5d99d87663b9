"""``--report`` of the commands that have it."""

import json
import re
import sys
from dataclasses import replace

import pytest

from cellclassifier import ClassifierSettings
from cellclassifier.classifier import embedding, surveying
from cellclassifier.classifier.settings import Tried, Tuned


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Lay cells out by principal components alone: UMAP compiles for seconds."""
    monkeypatch.setattr(embedding, "MIN_UMAP_CELLS", 1_000)


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)<', text)[1])


def test_annotate_writes_a_report_beside_the_cells(
    command, reference_file, model_file, tmp_path, capsys, monkeypatch
):
    arguments = ["annotate", reference_file, "--model", model_file, "--out", tmp_path / "named.csv"]
    arguments += ["--report", tmp_path / "report.html"]
    monkeypatch.setattr(sys, "argv", ["/bin/cellclassifier", *map(str, arguments)])
    assert command(*arguments) == 0
    assert capsys.readouterr().out.endswith(f"wrote {tmp_path / 'report.html'}\n")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    told = data_of(tmp_path / "report.html")["map"]
    assert sorted(told["names"]) == sorted(f"cell{number}" for number in range(120))
    assert told["labels"] == ["B", "NK", "T"]
    assert "raw counts in X" in text
    assert f"cellclassifier annotate {reference_file}" in text
    # this model held too few cells out to tell
    assert "ambiguous" not in text.split("<main")[1].split("</main")[0]
    for gene in ("BMARK", "NKMARK", "TMARK"):
        assert re.search(rf"<title>{gene}\d in ", text)


def test_a_report_that_fails_harms_no_cells(
    command, reference_file, model_file, tmp_path, capsys, monkeypatch
):
    def fail(*_):
        raise RuntimeError("no plane today")

    monkeypatch.setattr(surveying, "embed_cells", fail)
    named, report = tmp_path / "named.h5ad", tmp_path / "report.html"
    arguments = ["--model", model_file, "--out", named, "--report", report]
    assert command("annotate", reference_file, *arguments) == 1
    shown = capsys.readouterr()
    assert f"wrote {named}" in shown.out
    assert shown.err == (
        f"cellclassifier: the cells are named, in '{named}', but the report '{report}' could not "
        "be made: no plane today\n"
    )
    assert command("evaluate", named, "--truth-key", "cell_type") == 0
    assert not report.exists()


@pytest.mark.parametrize("name", ["report.pdf", "nowhere/report.html"])
def test_a_place_for_no_report_is_told_before_the_work(
    command, reference_file, model_file, tmp_path, capsys, name
):
    out, report = tmp_path / "out.h5ad", tmp_path / name
    for arguments in (
        ["annotate", reference_file, "--model", model_file, "--out", out],
        ["train", reference_file, "--labels-key", "cell_type", "--out", tmp_path / "out.keras"],
        ["evaluate", reference_file, "--truth-key", "cell_type"],
    ):
        assert command(*arguments, "--report", report) == 1
        assert "cannot write" in capsys.readouterr().err
    assert not out.exists()
    assert not (tmp_path / "out.keras").exists()


def test_evaluate_writes_a_report(command, named_file, tmp_path):
    report = tmp_path / "report.html"
    assert command("evaluate", named_file, "--truth-key", "cell_type", "--report", report) == 0
    text = report.read_text(encoding="utf-8")
    assert "named.h5ad" in text
    assert "model sha256" in text
    assert ".obs[&#39;cell_type&#39;]" in text


def test_train_writes_a_report_with_the_search_of_its_settings(
    command, reference_file, tmp_path, capsys
):
    settings = ClassifierSettings.of_network("linear")
    tried = (Tried(7, 0.125, 0.9, 1.5, {"penalty": 3e-5}), Tried(0, 0.5, 0.8, 1.0, {}))
    replace(settings, tuning=Tuned(0.125, 9, 3, 4, tried)).save(tmp_path / "best.json")
    arguments = ["--labels-key", "cell_type", "--out", tmp_path / "model.keras"]
    arguments += ["--config", tmp_path / "best.json", "--report", tmp_path / "report.html"]
    assert command("train", reference_file, *arguments) == 0
    assert "report.html" in capsys.readouterr().out
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "0.1250 nats, mean of 3 folds" in text
    assert "trial 7" in text
    assert "3e-05" in text
    assert "TMARK" in text
