"""The model file: what it holds, and that it comes back as it was."""

import dataclasses
import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellclassifier import CellTypeClassifier, Normalisation, TrainingConfig
from cellclassifier.data import align_genes, find_counts
from cellclassifier.errors import ModelFileError, OutputError
from cellclassifier.modelfile import FORMAT, Manifest, manifest_json, model, read_manifest
from cellclassifier.modelfile.members import ARRAY_MEMBERS

KERAS_MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
MEMBERS = KERAS_MEMBERS | {
    "cellclassifier.json", "genes.npz", "validation.npz", "sets.npz",
}  # fmt: skip
ADAPTING_MEMBERS = MEMBERS | {"shift.npz", "novelty.npz"}
GOLDEN = Path(__file__).parent / "golden"

# What a person without this package does with the file: plain Keras, nothing else.
PLAIN_KERAS = """
import sys
sys.modules["cellclassifier"] = None
try:
    import cellclassifier
except ImportError:
    pass
else:
    raise SystemExit("cellclassifier could be imported")
import keras
import numpy as np

model_path, data_path, out_path = sys.argv[1:]
data = np.load(data_path)
model = keras.models.load_model(model_path)
loss, accuracy = model.evaluate(data["expression"], data["codes"], verbose=0)
probabilities = model.predict(data["expression"], verbose=0)
np.savez(out_path, loss=loss, accuracy=accuracy, probabilities=probabilities)
assert not any(name.startswith("cellclassifier.") for name in sys.modules)
"""


def contents(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_round_trip_keeps_every_number(classifier, saved, toy_reference):
    loaded = CellTypeClassifier.load(saved)
    np.testing.assert_array_equal(
        loaded.predict_proba(toy_reference), classifier.predict_proba(toy_reference)
    )
    for ours, theirs in zip(
        loaded.model_.get_weights(), classifier.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_round_trip_keeps_the_manifest(classifier, saved):
    before, after = classifier.manifest_, CellTypeClassifier.load(saved).manifest_
    parts = manifest_json(saved)["parts"]
    assert after.to_json(parts) == before.to_json(parts)
    assert after.sha256 == before.sha256
    assert after.label_space == before.label_space
    assert after.normalisation == before.normalisation
    np.testing.assert_array_equal(after.panel.symbols, before.panel.symbols)
    np.testing.assert_array_equal(after.panel.ensembl_ids, before.panel.ensembl_ids)


def test_saving_what_was_loaded_gives_the_same_classifier(saved, toy_reference, tmp_path):
    loaded = CellTypeClassifier.load(saved)
    loaded.save(tmp_path / "again.keras")
    again = CellTypeClassifier.load(tmp_path / "again.keras")
    np.testing.assert_array_equal(
        again.predict_proba(toy_reference), loaded.predict_proba(toy_reference)
    )


def test_file_has_seven_members(saved):
    assert contents(saved).keys() == MEMBERS


def test_file_of_a_network_that_adapts_has_nine(adapting):
    assert contents(adapting).keys() == ADAPTING_MEMBERS
    assert KERAS_MEMBERS | {"cellclassifier.json"} == ADAPTING_MEMBERS - set(ARRAY_MEMBERS)


def test_without_validation_cells_the_file_has_six(classifier, tmp_path):
    classifier.save(tmp_path / "model.keras", keep_cells=False)
    assert contents(tmp_path / "model.keras").keys() == MEMBERS - {"validation.npz"}


@pytest.mark.parametrize("format_number", range(1, FORMAT + 1))
def test_golden_file_of_each_format_says_what_it_said(format_number):
    with np.load(GOLDEN / f"format_{format_number}.npz") as arrays:
        golden = dict(arrays)
    classifier = CellTypeClassifier.load(GOLDEN / f"format_{format_number}.keras")
    cells = ad.AnnData(golden["counts"], var=pd.DataFrame(index=golden["genes"]))
    named = classifier.classify(cells)
    np.testing.assert_allclose(named.probabilities, golden["probabilities"], atol=1e-6)
    assert (classifier.manifest_.sample is None) == (format_number == 1)
    assert (named.trust is None) == (format_number < 4)
    if named.trust is not None:
        np.testing.assert_array_equal(named.trust.sets, golden["sets"])
        np.testing.assert_allclose(named.trust.novelty, golden["novelty"], atol=1e-4)
        np.testing.assert_array_equal(named.trust.status, golden["status"])
    factors = classifier.manifest_.factors
    n_axes = 0 if factors is None else len(factors.axes)
    assert (n_axes == 0) == (format_number <= 2)
    assert (classifier.manifest_.adaptation is None) == (format_number <= 2)


def test_means_of_format_2_come_back_in_format_3(tmp_path):
    """They were in the JSON; missing genes go on getting them."""
    old = CellTypeClassifier.load(GOLDEN / "format_2.keras")
    genes = manifest_json(GOLDEN / "format_2.keras")["genes"]
    old.save(tmp_path / "new.keras")
    assert set(manifest_json(tmp_path / "new.keras")["genes"]) == {"ensembl_ids", "symbols"}
    new = read_manifest(tmp_path / "new.keras").factors
    np.testing.assert_array_equal(new.mean, np.float32(genes["mean_expression"]))
    np.testing.assert_array_equal(new.share, np.float32(genes["mean_share"]))
    measured = np.arange(len(new.mean)) != 2
    expression = sparse.csr_matrix((1, len(new.mean)), dtype=np.float32)
    filled = new.stand_in(measured).fill(expression)
    np.testing.assert_array_equal(filled, np.where(measured, 0, new.mean)[None])


def test_factors_of_the_genes_survive_the_file(classifier, saved, toy_reference):
    loaded = CellTypeClassifier.load(saved)
    for name, values in classifier.manifest_.factors.to_arrays().items():
        np.testing.assert_array_equal(getattr(loaded.manifest_.factors, name), values)
    half = toy_reference[:, ::2].copy()
    np.testing.assert_array_equal(loaded.predict_proba(half), classifier.predict_proba(half))


def test_what_adapts_survives_the_file(adapting, tmp_path):
    classifier = CellTypeClassifier.load(adapting)
    classifier.save(tmp_path / "again.keras")
    again = read_manifest(tmp_path / "again.keras").adaptation.to_arrays()
    for name, values in classifier.manifest_.adaptation.to_arrays().items():
        np.testing.assert_array_equal(again[name], values)
    assert contents(tmp_path / "again.keras")["shift.npz"] == contents(adapting)["shift.npz"]


def test_what_is_known_of_errors_survives_the_file(adapting, tmp_path):
    before = read_manifest(adapting)
    CellTypeClassifier.load(adapting).save(tmp_path / "again.keras", keep_cells=False)
    after = read_manifest(tmp_path / "again.keras")
    for field in ("conformal", "novelty"):
        arrays = getattr(after, field).to_arrays()
        for name, values in getattr(before, field).to_arrays().items():
            np.testing.assert_array_equal(arrays[name], values)
            assert arrays[name].dtype == values.dtype


def test_every_optional_member_fills_a_field_of_the_manifest():
    fields = {field.name for field in dataclasses.fields(Manifest)}
    assert {member.field for member in ARRAY_MEMBERS.values()} <= fields


def test_manifest_has_the_documented_fields(saved, toy_reference):
    manifest = json.loads(contents(saved)["cellclassifier.json"])
    assert set(manifest) == {
        "format_name", "format", "created", "versions", "network", "labels", "ontology_ids",
        "normalisation", "calibration", "training", "parts", "genes",
    }  # fmt: skip
    assert (manifest["format_name"], manifest["format"]) == ("cellclassifier model", 6)
    assert manifest["network"]["name"] == "linear"
    assert manifest["network"]["n_parameters"] == (60 + 1) * 3
    assert manifest["labels"] == ["B", "NK", "T"]
    assert manifest["ontology_ids"] == [None] * 3
    assert manifest["normalisation"] == {"method": "log1p_per_library", "counts_per_cell": 300}
    assert manifest["calibration"].keys() == {"method", "temperature", "n_cells"}
    assert sorted(manifest["genes"]["symbols"]) == sorted(toy_reference.var_names)
    assert sorted(manifest["genes"]["ensembl_ids"]) == sorted(toy_reference.var["ensembl_id"])
    assert set(manifest["versions"]) == {
        "cellclassifier", "keras", "numpy", "scipy", "anndata", "backend",
    }  # fmt: skip


def test_parts_are_the_hashes_of_the_other_members(saved):
    members = contents(saved)
    manifest = members.pop("cellclassifier.json")
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    assert json.loads(manifest)["parts"] == hashes
    assert read_manifest(saved).sha256 == hashlib.sha256(manifest).hexdigest()


def test_history_of_the_training_is_kept(classifier, saved):
    training = read_manifest(saved).training
    assert training == classifier.manifest_.training
    assert len(training["history"]) >= training["best_epoch"] >= 1
    assert {"loss", "val_loss", "val_accuracy"} <= training["history"][0].keys()
    assert training["n_cells"] == 120
    assert training["n_cells_per_type"] == {"B": 40, "NK": 40, "T": 40}
    assert training["validation"]["n_cells"] == 12
    assert training["seed"] == 3
    assert training["config"]["solver"] == "lbfgs"


@pytest.mark.parametrize("network", ["linear", "mlp"])
def test_plain_keras_evaluates_the_file_without_this_package(toy_reference, tmp_path, network):
    training = TrainingConfig(epochs=2, batch_size=64) if network == "mlp" else None
    classifier = CellTypeClassifier(network, training=training)
    classifier.fit(toy_reference, labels_key="cell_type")
    classifier.save(tmp_path / "model.keras")
    manifest = classifier.manifest_
    aligned = align_genes(find_counts(toy_reference), manifest.panel)
    np.savez(
        tmp_path / "data.npz",
        expression=manifest.normalisation.apply(aligned).toarray(),
        codes=manifest.label_space.encode(toy_reference.obs["cell_type"]),
    )
    paths = [tmp_path / name for name in ("model.keras", "data.npz", "out.npz")]
    # Keras's own warning is let pass: see filterwarnings in pyproject.toml
    warnings = ["-W", "error", "-W", "ignore:__array__:DeprecationWarning"]
    done = subprocess.run(
        [sys.executable, "-I", *warnings, "-c", PLAIN_KERAS, *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    theirs = np.load(tmp_path / "out.npz")
    assert theirs["accuracy"] == pytest.approx(classifier.score(toy_reference, "cell_type"))
    np.testing.assert_allclose(
        theirs["probabilities"], classifier.predict_proba(toy_reference), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", ["model.h5", "model", "model.keras.zip"])
def test_name_that_is_not_a_model_files(classifier, tmp_path, name):
    with pytest.raises(ModelFileError, match=r"has to end in \.keras"):
        classifier.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_folder_missing(classifier, tmp_path):
    with pytest.raises(OutputError, match="does not exist; make it first"):
        classifier.save(tmp_path / "missing" / "model.keras")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("bug")])
def test_failing_save_leaves_the_old_file_and_nothing_else(classifier, saved, monkeypatch, error):
    def fail(*_):
        raise error

    before = saved.read_bytes()
    monkeypatch.setattr(model, "add_manifest", fail)
    with pytest.raises(OutputError if isinstance(error, OSError) else RuntimeError):
        classifier.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_replaces_the_old_file(saved, toy_reference):
    other = CellTypeClassifier("linear", genes=5, normalisation=Normalisation("log1p"))
    other.fit(toy_reference, labels_key="cell_type").save(saved)
    assert len(read_manifest(saved).panel) == 5
    assert read_manifest(saved).normalisation.method == "log1p"
    assert list(saved.parent.iterdir()) == [saved]
