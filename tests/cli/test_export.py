"""The commands import and export."""

from pathlib import Path

import anndata as ad
import numpy as np
import onnxruntime
import pandas as pd
import pytest

from cellclassifier.modelfile import read_manifest

GOLDEN = Path(__file__).parents[1] / "modelfile" / "golden"
N_GENES = 30
TYPES = ("B", "NK", "T", "monocyte")


@pytest.fixture
def old(tmp_path):
    """The options that import the golden perceptron."""
    genes, labels = tmp_path / "genes.txt", tmp_path / "labels.txt"
    genes.write_text("\n".join(f"GENE{i}" for i in range(N_GENES)))
    labels.write_text("\n".join(TYPES))
    return {"old": GOLDEN / "keras2_mlp.h5", "--genes": genes, "--labels": labels}


@pytest.fixture
def imported(old, command, tmp_path, capsys):
    path = tmp_path / "imported.keras"
    assert command("import", *arguments(old), "--out", path) == 0
    printed = capsys.readouterr().out
    assert "keras2_mlp.h5 of Keras 2.15.0" in printed
    assert f"wrote {path}" in printed.replace("\n", "")
    return path


def arguments(options):
    flags = [part for flag, value in options.items() if flag != "old" for part in (flag, value)]
    return [options["old"], *flags]


def golden_cells():
    with np.load(GOLDEN / "keras2_mlp.npz") as arrays:
        counts, probabilities = arrays["counts"].astype(np.float32), arrays["probabilities"]
    names = [f"cell{i}" for i in range(len(counts))]
    genes = [f"GENE{i}" for i in range(N_GENES)]
    cells = ad.AnnData(counts, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=genes))
    return cells, probabilities


def error_line(capsys):
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_imported_model_annotates(imported, command, tmp_path):
    cells, expected = golden_cells()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "named.h5ad"
    assert command("annotate", tmp_path / "cells.h5ad", "--model", imported, "--out", out) == 0
    assert command("inspect", imported) == 0
    named = ad.read_h5ad(out)
    np.testing.assert_allclose(named.obsm["cell_type_probabilities"], expected, atol=1e-6)


def test_imported_model_goes_to_onnx(imported, command, tmp_path):
    out = tmp_path / "model.onnx"
    assert command("export", imported, "--format", "onnx", "--out", out) == 0
    cells, expected = golden_cells()
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"expression": np.log1p(cells.X)})
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_normalisation_is_taken_as_given(old, command, tmp_path):
    out = tmp_path / "model.keras"
    options = ["--normalisation", "log1p_per_library", "--counts-per-cell", 10_000]
    assert command("import", *arguments(old), "--out", out, *options) == 0
    normalisation = read_manifest(out).normalisation
    assert (normalisation.method, normalisation.counts_per_cell) == ("log1p_per_library", 1e4)


@pytest.mark.parametrize(
    ("form", "name"), [("onnx", "model.onnx"), ("h5", "model.h5")], ids=["onnx", "h5"]
)
def test_trained_model_is_exported(command, model_file, tmp_path, capsys, form, name):
    assert command("export", model_file, "--format", form, "--out", tmp_path / name) == 0
    assert f"wrote {tmp_path / name}" in capsys.readouterr().out.replace("\n", "")
    assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        pytest.param("--genes", "A\nB", "takes 30 genes, and 2 were named", id="genes-few"),
        pytest.param("--labels", "B\nT", "knows 4 types, and 2 labels", id="labels-few"),
        pytest.param("--labels", "", "line 1 has nothing", id="labels-empty"),
        pytest.param("old", "no model", "is not an HDF5 file", id="no-hdf5"),
    ],
)
def test_import_of_bad_input(old, command, tmp_path, capsys, option, content, message):
    bad = tmp_path / "bad.h5"
    bad.write_text(content)
    assert command("import", *arguments(old | {option: bad}), "--out", tmp_path / "m.keras") == 1
    assert message in error_line(capsys)
    assert not (tmp_path / "m.keras").exists()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        pytest.param(["--out", "model.h5"], 1, "has to end in .keras", id="out"),
        pytest.param(
            ["--out", "m.keras", "--counts-per-cell", 7], 1, "goes with --normalisation", id="scale"
        ),
        pytest.param([], 2, "parameter --out requires", id="no-out"),
    ],
)
def test_import_with_wrong_arguments(
    old, command, tmp_path, monkeypatch, capsys, options, status, message
):
    monkeypatch.chdir(tmp_path)
    assert command("import", *arguments(old), *options) == status
    assert message in error_line(capsys)
    assert not (tmp_path / "m.keras").exists()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        pytest.param(["--format", "onnx", "--out", "m.h5"], 1, "end in .onnx", id="suffix"),
        pytest.param(["--format", "onnx", "--out", "no/m.onnx"], 1, "does not exist", id="folder"),
        pytest.param(["--format", "pmml", "--out", "m.pmml"], 2, '"saved-model"', id="format"),
        pytest.param(["--out", "m.onnx"], 2, "parameter --format requires", id="no-format"),
    ],
)
def test_export_with_wrong_arguments(
    command, model_file, tmp_path, monkeypatch, capsys, options, status, message
):
    monkeypatch.chdir(tmp_path)
    assert command("export", model_file, *options) == status
    assert message in error_line(capsys)


def test_export_of_an_old_file(old, command, tmp_path, capsys):
    out = tmp_path / "model.onnx"
    assert command("export", old["old"], "--format", "onnx", "--out", out) == 1
    assert "cellclassifier import OLD.h5 --genes GENES.txt" in error_line(capsys)
