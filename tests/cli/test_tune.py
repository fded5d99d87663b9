"""The command `tune`, and `train --config` after it."""

import json
from dataclasses import replace

import pytest

import cellclassifier.tuning.search as search
from cellclassifier.classifier.settings import ClassifierSettings
from cellclassifier.modelfile import read_manifest

LABELS = ("--labels-key", "cell_type")


@pytest.fixture
def best_file(tmp_path):
    """What a search of the perceptron may have found, but small."""
    settings = ClassifierSettings.of_network("mlp")
    network = replace(settings.network, options={"hidden": [6], "dropout": 0.25, "l2": 1e-4})
    training = replace(settings.training, epochs=2, learning_rate=0.01)
    path = tmp_path / "best.json"
    replace(settings, network=network, training=training, genes=12).save(path)
    return path


def files(folder):
    return {path.name for path in folder.iterdir()}


def test_tune_and_train_with_what_it_found(command, reference_file, tmp_path, capsys):
    best, study, plot = (tmp_path / name for name in ("best.json", "study.sqlite", "which.png"))
    options = [*LABELS, "--network", "linear", "--out", best, "--study", study]
    assert command("tune", reference_file, *options, "--trials", "5", "--importance", plot) == 0
    shown = capsys.readouterr()
    assert "5 trials, " in shown.out
    assert f"wrote {best}" in shown.out
    assert "tuning linear" in shown.err
    assert "[I " not in shown.err  # what Optuna logs
    assert plot.read_bytes().startswith(b"\x89PNG")
    content = json.loads(best.read_text())
    assert content["tuning"]["n_trials"] == 5
    assert files(tmp_path) == {"reference.h5ad", "best.json", "study.sqlite", "which.png"}

    model = tmp_path / "model.keras"
    assert command("train", reference_file, *LABELS, "--config", best, "--out", model) == 0
    manifest = read_manifest(model)
    assert manifest.training["config"] == content["training"]
    assert manifest.normalisation.to_json() == content["normalisation"]
    assert manifest.network["name"] == "linear"


def test_train_takes_everything_from_the_settings(command, reference_file, best_file, tmp_path):
    model = tmp_path / "model.keras"
    arguments = ["--config", best_file, "--network", "mlp", "--epochs", "1"]
    assert command("train", reference_file, *LABELS, *arguments, "--out", model) == 0
    manifest = read_manifest(model)
    assert manifest.network["options"] == {"hidden": [6], "dropout": 0.25, "l2": 1e-4}
    assert len(manifest.panel) == 12
    assert manifest.training["config"]["epochs"] == 1
    assert manifest.training["config"]["learning_rate"] == 0.01


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        pytest.param("{", [], "are no JSON", id="broken"),
        pytest.param(
            None, ["--network", "cnn"], "is for the network 'mlp', not 'cnn'", id="network"
        ),
        pytest.param('{"format_name": "x"}', [], "do not say that they are", id="foreign"),
    ],
)
def test_train_refuses_settings_in_one_line(
    command, reference_file, best_file, tmp_path, capsys, text, more, message
):
    if text is not None:
        best_file.write_text(text)
    model = tmp_path / "model.keras"
    arguments = [*LABELS, "--config", best_file, *more, "--out", model]
    assert command("train", reference_file, *arguments) == 1
    refusal = capsys.readouterr().err
    assert message in refusal
    assert refusal.count("\n") == 1
    assert not model.exists()


def test_unknown_key_of_the_settings_is_named(command, reference_file, best_file, capsys):
    content = json.loads(best_file.read_text())
    best_file.write_text(json.dumps(content | {"speed": 1}))
    out = best_file.with_name("model.keras")
    assert command("train", reference_file, *LABELS, "--config", best_file, "--out", out) == 1
    assert "unknown key 'speed'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--trials", "0"], "one trial or more, not 0", id="trials"),
        pytest.param(["--network", "lstm"], "'lstm' cannot be tuned", id="network"),
        pytest.param(["--timeout", "-1"], "has to be positive", id="timeout"),
        pytest.param(["--importance", "which.txt"], "name it one of .png", id="figure"),
        pytest.param(["--study", "reference.h5ad"], "is no SQLite file", id="study"),
        pytest.param(["--out", "no/best.json"], "'no' does not exist", id="out"),
        pytest.param(["--labels-key", "tissue"], "no column 'tissue'", id="labels"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    command, reference_file, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    before = reference_file.read_bytes()
    arguments = {"--labels-key": "cell_type", "--out": "best.json"} | {options[0]: options[1]}
    assert command("tune", reference_file, *sum(arguments.items(), ())) == 1
    refusal = capsys.readouterr().err
    assert message in refusal.replace(str(tmp_path) + "/", "")
    assert refusal.count("\n") == 1
    assert files(tmp_path) == {"reference.h5ad"}
    assert reference_file.read_bytes() == before


def test_interrupted_run_says_that_the_study_goes_on(
    command, reference_file, tmp_path, monkeypatch, capsys
):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "_score", interrupt)
    study, best = tmp_path / "study.sqlite", tmp_path / "best.json"
    options = [*LABELS, "--out", best]
    assert command("tune", reference_file, *options) == 130
    assert capsys.readouterr().err == "cellclassifier: interrupted; nothing was written\n"
    assert command("tune", reference_file, *options, "--study", study) == 130
    assert "keeps the trials that ended: the same command goes on" in capsys.readouterr().err
    assert not best.exists()


def test_too_few_trials_draw_nothing_and_say_so(command, reference_file, tmp_path, capsys):
    options = [*LABELS, "--network", "linear", "--trials", "1", "--out", tmp_path / "best.json"]
    assert command("tune", reference_file, *options, "--importance", tmp_path / "which.png") == 0
    assert "did not draw" in capsys.readouterr().out
    assert not (tmp_path / "which.png").exists()
