"""Each command from file to file."""

import csv
import inspect
import json
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from importlib.metadata import version

import anndata as ad
import numpy as np
import pytest

from cellclassifier import CellTypeClassifier, read_cells
from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.cli.app import COMMANDS
from cellclassifier.modelfile import read_manifest

# a fifth of each of the ten types, rounded
N_PBMC, N_KEPT_APART = 700, 142
SCORES = {"accuracy", "macro_f1", "median_f1", "log_loss", "ece"}
EVALUATION_KEYS = SCORES | {
    "about", "n_cells", "per_type", "labels", "confusion", "labels_unknown_to_the_model",
    "reliability", "answered", "sets", "by_status",
}  # fmt: skip


def test_train_annotate_evaluate(command, reference_file, tmp_path, capsys):
    model, named, scores = (
        tmp_path / name for name in ("model.keras", "named.h5ad", "scores.json")
    )
    assert command("train", reference_file, "--labels-key", "cell_type", "--out", model) == 0
    shown = capsys.readouterr()
    assert "wide-deep, 39,199 parameters" in shown.out
    assert f"wrote {model}" in shown.out
    assert "training wide-deep" in shown.err

    assert command("annotate", reference_file, "--model", model, "--out", named) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "model's genes measured  100.0%" in shown.out
    cells = read_cells(named)
    assert cells.obs["predicted_cell_type"].tolist() == cells.obs["cell_type"].tolist()
    assert cells.uns["cellclassifier"]["model_sha256"] == read_manifest(model).sha256

    arguments = ["--truth-key", "cell_type", "--out", scores, "--confusion", tmp_path / "c.png"]
    assert command("evaluate", named, *arguments) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.split().count("1.000") >= 9  # each type has its row
    assert json.loads(scores.read_text())["accuracy"] == 1
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_command_line_is_the_api(command, reference_file, toy_reference, tmp_path):
    options = ["--labels-key", "cell_type", "--network", "linear"]
    options += ["--genes", "12", "--epochs", "3", "--seed", "4"]
    assert command("train", reference_file, *options, "--out", tmp_path / "model.keras") == 0
    by_command = CellTypeClassifier.load(tmp_path / "model.keras")
    training = replace(find_recipe("linear").training, epochs=3)
    by_hand = CellTypeClassifier("linear", genes=12, training=training, seed=4)
    by_hand.fit(toy_reference, labels_key="cell_type")
    np.testing.assert_array_equal(
        by_command.predict_proba(toy_reference), by_hand.predict_proba(toy_reference)
    )
    assert by_command.manifest_.training["config"]["epochs"] == 3


@pytest.mark.parametrize(
    ("options", "network", "n_genes"),
    [
        pytest.param(["--network", "mlp", "--epochs", "1"], "mlp", 60, id="mlp"),
        pytest.param(["--network", "linear", "--genes", "all"], "linear", 60, id="all-genes"),
        pytest.param(["--network", "linear", "--genes", "7"], "linear", 7, id="seven-genes"),
    ],
)
def test_train_options(command, reference_file, tmp_path, options, network, n_genes):
    out = tmp_path / "model.keras"
    assert (
        command("train", reference_file, "--labels-key", "cell_type", "--out", out, *options) == 0
    )
    manifest = read_manifest(out)
    assert manifest.network["name"] == network
    assert len(manifest.panel) == n_genes


def test_where_to_look_is_passed_on(command, toy_reference, tmp_path):
    toy_reference.layers["umi"] = toy_reference.X.copy()
    toy_reference.obs["depth"] = 5000
    toy_reference.var["mine"] = [f"GENE{i}" for i in range(60)]
    toy_reference.X = -toy_reference.X
    toy_reference.write_h5ad(tmp_path / "cells.h5ad")
    where = ["--layer", "umi", "--library-size-key", "depth", "--gene-ids", "mine"]
    model, named = tmp_path / "model.keras", tmp_path / "named.h5ad"
    train = ["train", tmp_path / "cells.h5ad", "--labels-key", "cell_type", "--out", model]
    assert command(*train, *where, "--network", "linear") == 0
    manifest = read_manifest(model)
    assert manifest.training["counts"] == "raw counts in layers['umi']"
    assert manifest.training["median_library_size"] == 5000
    assert set(manifest.panel.symbols) == {f"GENE{i}" for i in range(60)}
    annotate = ["annotate", tmp_path / "cells.h5ad", "--model", model, "--out", named]
    assert command(*annotate, *where) == 0


def test_annotate_writes_zarr(command, reference_file, model_file, tmp_path):
    out = tmp_path / "named.zarr"
    assert command("annotate", reference_file, "--model", model_file, "--out", out) == 0
    assert "predicted_cell_type" in read_cells(out).obs


def test_annotate_keeps_what_the_file_held(command, toy_reference, model_file, tmp_path):
    toy_reference.obs["donor"] = "d1"
    toy_reference.uns["note"] = "kept"
    toy_reference.write_h5ad(tmp_path / "cells.h5ad")
    before = (tmp_path / "cells.h5ad").read_bytes()
    out = tmp_path / "named.h5ad"
    assert command("annotate", tmp_path / "cells.h5ad", "--model", model_file, "--out", out) == 0
    assert (tmp_path / "cells.h5ad").read_bytes() == before
    named = read_cells(out)
    assert named.obs["donor"].tolist() == ["d1"] * 120
    assert named.uns["note"] == "kept"
    assert (named.to_memory().X != toy_reference.X).nnz == 0


def test_annotate_may_replace_its_input(command, reference_file, model_file):
    assert command("annotate", reference_file, "--model", model_file, "--out", reference_file) == 0
    assert "predicted_cell_type" in read_cells(reference_file).obs


def test_evaluation_json(command, named_file, tmp_path):
    out = tmp_path / "scores.json"
    assert command("evaluate", named_file, "--truth-key", "cell_type", "--out", out) == 0
    scores = json.loads(out.read_text())
    assert scores.keys() == EVALUATION_KEYS
    assert all(isinstance(scores[name], float) for name in SCORES)
    assert scores["n_cells"] == 120
    assert scores["labels"] == ["B", "NK", "T"]
    assert scores["confusion"] == [[40, 0, 0], [0, 40, 0], [0, 0, 40]]
    assert scores["per_type"]["NK"] == {"precision": 1, "recall": 1, "f1": 1, "n_cells": 40}
    assert "rows are true labels, columns predicted" in scores["about"]


def test_evaluate_with_a_label_map(command, named_file, tmp_path):
    label_map, out = tmp_path / "map.csv", tmp_path / "scores.json"
    label_map.write_text("label,mapped\nB,B cell\nNK,T or NK\nT,T or NK\n")
    options = ["--truth-key", "cell_type", "--label-map", label_map, "--out", out]
    assert command("evaluate", named_file, *options) == 0
    scores = json.loads(out.read_text())
    assert scores["labels"] == ["B cell", "T or NK"]
    assert scores["confusion"] == [[40, 0], [0, 80]]


@pytest.mark.parametrize(
    ("name", "begin"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml"), ("c.pdf", b"%PDF")]
)
def test_confusion_is_drawn(command, named_file, tmp_path, name, begin):
    out = tmp_path / name
    assert command("evaluate", named_file, "--truth-key", "cell_type", "--confusion", out) == 0
    assert out.read_bytes().startswith(begin)


def test_evaluate_alone_writes_nothing(command, named_file, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert command("evaluate", named_file, "--truth-key", "cell_type") == 0
    assert "macro-F1" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before


def test_inspect_a_model(command, model_file, capsys):
    assert command("inspect", model_file) == 0
    shown = capsys.readouterr().out
    for told in ("linear, 183 parameters", "log1p of counts per 300", "120 cells", "temperature"):
        assert told in shown
    assert read_manifest(model_file).sha256 in shown


def test_inspect_a_model_as_json(command, model_file, capsys):
    assert command("inspect", model_file, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["format_name"] == "cellclassifier model"
    assert content["labels"] == ["B", "NK", "T"]


@pytest.mark.parametrize(
    ("preset", "told"),
    [
        pytest.param(
            "original-cnn",
            ["6,609,818", "6,554,112", "41,088", "(None, 4808, 1, 16)", "(None, 1201, 1, 64)"],
            id="original-cnn",
        ),
        pytest.param("original-mlp", ["3,104,266", "2,050,048", "5,130"], id="original-mlp"),
    ],
)
def test_inspect_a_preset(command, capsys, preset, told):
    assert command("inspect", "--preset", preset) == 0
    shown = capsys.readouterr().out
    assert [text for text in told if text not in shown] == []


def test_inspect_a_preset_as_json(command, capsys):
    assert command("inspect", "--preset", "original-mlp", "--json") == 0
    layers = json.loads(capsys.readouterr().out)["config"]["layers"]
    assert [layer["config"]["name"] for layer in layers][-2:] == ["logits", "probabilities"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="default"),
        pytest.param(["--weights", "class_share", "--estimator", "plug_in"], id="plug-in"),
    ],
)
def test_genes(command, reference_file, tmp_path, capsys, options):
    out = tmp_path / "ranking.csv"
    assert (
        command("genes", reference_file, "--labels-key", "cell_type", "--out", out, *options) == 0
    )
    assert "60 genes, best first" in capsys.readouterr().out
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "rank", "ensembl_id", "gene_symbol", "js_divergence_nats", "n_cells",
    ]  # fmt: skip
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 61)]
    divergences = [float(row["js_divergence_nats"]) for row in rows]
    assert divergences == sorted(divergences, reverse=True)
    assert all("MARK" in row["gene_symbol"] for row in rows[:30])


def test_demo(command, tmp_path, capsys):
    out = tmp_path / "demo"
    assert command("demo", "--out", out) == 0
    shown = capsys.readouterr().out
    assert "undone exactly" in shown
    assert f"trained on {N_PBMC - N_KEPT_APART} cells" in shown
    assert {path.name for path in out.iterdir()} == {
        "model.keras", "annotated.h5ad", "evaluation.json", "confusion.png",
    }  # fmt: skip
    scores = json.loads((out / "evaluation.json").read_text())
    assert scores["n_cells"] == N_KEPT_APART
    assert scores["accuracy"] >= 0.7
    assert ad.read_h5ad(out / "annotated.h5ad").n_obs == N_KEPT_APART
    assert len(CellTypeClassifier.load(out / "model.keras").classes_) == 10


def test_demo_may_be_repeated(command, tmp_path):
    assert command("demo", "--out", tmp_path, "--seed", "1") == 0
    first = (tmp_path / "evaluation.json").read_bytes()
    assert command("demo", "--out", tmp_path, "--seed", "1") == 0
    assert (tmp_path / "evaluation.json").read_bytes() == first


def test_version(command, capsys):
    assert command("--version") == 0
    assert capsys.readouterr().out == f"{version('cellclassifier')}\n"


def test_help_lists_the_commands(command, capsys):
    assert command("--help") == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in shown] == []


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_of_a_command(command, capsys, name):
    assert command(name, "--help") == 0
    _, summary = COMMANDS[name]
    assert summary in " ".join(capsys.readouterr().out.split())


def options_of(parameter):
    """Return the names of options that a parameter stands for: of a group, those of its fields."""
    if is_dataclass(parameter.annotation):
        return [field.name for field in fields(parameter.annotation)]
    return [parameter.name]


@pytest.mark.parametrize("name", ["train", "annotate", "evaluate", "inspect", "genes", "demo"])
def test_help_comes_from_the_docstring(command, capsys, name):
    assert command(name, "--help") == 0
    shown = capsys.readouterr().out
    module, summary = COMMANDS[name]
    function = getattr(import_module(f"cellclassifier.cli.{module}"), name)
    assert inspect.getdoc(function).splitlines()[0] == summary
    parameters = inspect.signature(function).parameters.values()
    for option in [name for parameter in parameters for name in options_of(parameter)]:
        spelled = {"as_json": "json"}.get(option, option).replace("_", "-")
        assert f"--{spelled}" in shown or spelled.upper() in shown


def test_python_dash_m(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cellclassifier", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == version("cellclassifier")
