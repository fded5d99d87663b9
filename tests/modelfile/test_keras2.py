"""Whole-model `.h5` files of Keras 2: they load, and go on as files of ours."""

import json
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from cellclassifier import CellTypeClassifier, GenePanel, Normalisation
from cellclassifier.errors import InputError, LabelError, ModelFileError
from cellclassifier.modelfile import read_manifest
from cellclassifier.networks import keras
from cellclassifier.reporting import model_table

GOLDEN = Path(__file__).parent / "golden"
GENES = {"cnn": [f"GENE{i}" for i in range(240)], "mlp": [f"GENE{i}" for i in range(30)]}
TYPES = ["B", "NK", "T", "monocyte, CD14+"]
TOLERANCE = 1e-6

both = pytest.mark.parametrize("name", ["cnn", "mlp"])
old_input_shape = pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning")


def golden(name):
    """Return cells, and the probabilities that Keras 2 gave for them."""
    with np.load(GOLDEN / f"keras2_{name}.npz") as arrays:
        counts, probabilities = arrays["counts"].astype(np.float32), arrays["probabilities"]
    return cells_of(counts, GENES[name]), probabilities


def cells_of(counts, genes):
    names = [f"cell{i}" for i in range(len(counts))]
    return ad.AnnData(counts, obs=pd.DataFrame(index=names), var=pd.DataFrame(index=genes))


def load(name, **names):
    names = {"genes": GENES[name], "labels": TYPES} | names
    return CellTypeClassifier.load(GOLDEN / f"keras2_{name}.h5", **names)


@pytest.fixture
def old_file(tmp_path):
    return shutil.copy(GOLDEN / "keras2_mlp.h5", tmp_path / "old.h5")


@pytest.fixture
def no_keras(monkeypatch):
    def fail(*_, **__):
        pytest.fail("Keras was given the file")

    monkeypatch.setattr(keras.models, "load_model", fail)


def refusal(path, **names):
    with pytest.raises(ModelFileError) as refused:
        CellTypeClassifier.load(path, **({"genes": GENES["mlp"], "labels": TYPES} | names))
    message = str(refused.value)
    assert str(path) in message
    assert len(message.splitlines()) == 1
    return message


def saved(tmp_path, layers):
    """Write a `.h5` file as plain Keras does."""
    path = tmp_path / "other.h5"
    keras.Sequential(layers).save(path)
    return path


def dense(n_types=4, activation="softmax"):
    return keras.layers.Dense(n_types, activation=activation)


@both
def test_golden_file_gives_the_probabilities_of_keras_2(name):
    cells, expected = golden(name)
    np.testing.assert_allclose(load(name).predict_proba(cells), expected, atol=TOLERANCE)


@old_input_shape
@both
def test_golden_file_opens_in_plain_keras(name):
    cells, expected = golden(name)
    model = keras.models.load_model(GOLDEN / f"keras2_{name}.h5")
    expression = np.log1p(cells.X).reshape(-1, *model.input_shape[1:])
    np.testing.assert_allclose(model.predict(expression, verbose=0), expected, atol=TOLERANCE)


@both
def test_imported_model_is_saved_and_read_as_ours(name, tmp_path):
    cells, expected = golden(name)
    path = tmp_path / "model.keras"
    load(name).save(path)
    classifier = CellTypeClassifier.load(path)
    np.testing.assert_allclose(classifier.predict_proba(cells), expected, atol=TOLERANCE)
    plain = keras.models.load_model(path)
    expression = np.log1p(cells.X).reshape(-1, *plain.input_shape[1:])
    np.testing.assert_allclose(plain.predict(expression, verbose=0), expected, atol=TOLERANCE)
    origin = read_manifest(path).training["imported"]
    assert (origin["file"], origin["keras_version"]) == (f"keras2_{name}.h5", "2.15.0")
    assert model_table(read_manifest(path))


def test_imported_model_annotates():
    cells, expected = golden("mlp")
    classifier = load("mlp")
    classifier.annotate(cells)
    names = np.array(TYPES)[expected.argmax(axis=1)]
    assert cells.obs["predicted_cell_type"].tolist() == names.tolist()
    assert classifier.classes_.tolist() == TYPES
    assert cells.uns["cellclassifier"]["normalisation"] == "log1p"


def test_order_of_the_measured_genes_changes_nothing():
    cells, expected = golden("mlp")
    shuffled = cells[:, np.random.default_rng(0).permutation(cells.n_vars)].copy()
    np.testing.assert_allclose(load("mlp").predict_proba(shuffled), expected, atol=TOLERANCE)


def test_normalisation_is_taken_as_given():
    normalisation = Normalisation(counts_per_cell=1e4)
    assert load("mlp").manifest_.normalisation == Normalisation("log1p")
    assert load("mlp", normalisation=normalisation).manifest_.normalisation == normalisation


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_names_from_files(tmp_path, suffix):
    quote = '"{}"' if suffix == ".csv" else "{}"
    genes, labels = tmp_path / f"genes{suffix}", tmp_path / f"labels{suffix}"
    genes.write_text("\n".join(GENES["mlp"]) + "\n\n", encoding="utf-8-sig")
    labels.write_text("\r\n".join(quote.format(label) for label in TYPES))
    manifest = load("mlp", genes=genes, labels=str(labels)).manifest_
    assert manifest.panel.names.tolist() == GENES["mlp"]
    assert list(manifest.label_space.labels) == TYPES


def test_genes_as_a_panel():
    panel = GenePanel.of_names([f"ENSG{i:011d}" for i in range(30)])
    assert load("mlp", genes=panel).manifest_.panel is panel


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        pytest.param({"genes": GENES["mlp"][:-1]}, InputError, "takes 30 genes, and 29", id="few"),
        pytest.param({"genes": GENES["cnn"]}, InputError, "takes 30 genes, and 240", id="many"),
        pytest.param({"genes": ["A"] * 30}, InputError, r"\['A'\] stand more than", id="twice"),
        pytest.param({"genes": [*GENES["mlp"][1:], ""]}, InputError, "or are empty", id="empty"),
        pytest.param({"labels": TYPES[1:]}, LabelError, "knows 4 types, and 3", id="labels-few"),
        pytest.param({"labels": ["B"] * 4}, LabelError, "each label may stand", id="labels-twice"),
        pytest.param({"genes": None}, InputError, "give genes=", id="no-genes"),
        pytest.param({"labels": None}, InputError, "cellclassifier import OLD", id="no-labels"),
        pytest.param({"genes": "no/such.txt"}, InputError, "no gene list 'no/", id="no-file"),
    ],
)
def test_names_that_do_not_fit(names, error, message):
    with pytest.raises(error, match=message) as refused:
        load("mlp", **names)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        pytest.param("labels.csv", b"B,NK\n", "line 1 has .'B', 'NK'.", id="two-in-a-line"),
        pytest.param("labels.txt", b"B\tNK\n", "line 1 has .'B', 'NK'.", id="tab"),
        pytest.param("labels.txt", b"B\n\nT\n", "line 2 has", id="line-empty"),
        pytest.param("labels.txt", b"", "line 1 has nothing", id="empty"),
        pytest.param("labels.txt", b"\xff\xfe\xfa", "is not a text", id="not-a-text"),
    ],
)
def test_list_that_is_broken(tmp_path, file, content, message):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load("mlp", labels=tmp_path / file)


def test_names_for_a_keras_file(tmp_path):
    load("mlp").save(tmp_path / "model.keras")
    with pytest.raises(InputError, match="holds its genes, labels and normalisation itself"):
        CellTypeClassifier.load(tmp_path / "model.keras", labels=TYPES)


def change_config(path, change):
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        pytest.param({"class_name": "Lambda"}, "holds Lambda", id="lambda"),
        pytest.param({"class_name": "EvilLayer"}, "holds EvilLayer", id="bare-class"),
        pytest.param({"class_name": "Custom>Evil"}, "holds Custom>Evil", id="registered-in-name"),
        pytest.param({"module": "evil"}, "holds Dense of evil", id="foreign-module"),
        pytest.param({"registered_name": "x>Dense"}, "holds Dense of x>Dense", id="registered"),
        pytest.param({"class_name": "TFOpLambda"}, "holds TFOpLambda", id="tensorflow-operation"),
        pytest.param({"class_name": "deserialize"}, "holds deserialize", id="function-of-keras"),
        pytest.param(
            {"config": {"f": {"class_name": "__lambda__"}}}, "holds __lambda__", id="code"
        ),
        pytest.param({"config": {"f": {"class_name": "function"}}}, "holds function", id="by-name"),
    ],
)
@pytest.mark.usefixtures("no_keras")
def test_layer_that_may_run_code_is_refused_before_keras_sees_it(old_file, layer, message):
    change_config(old_file, lambda layers: layers[1].update(layer))
    assert message in refusal(old_file)


@pytest.mark.usefixtures("no_keras")
def test_lambda_layer_that_keras_2_wrote():
    assert "its network holds Lambda" in refusal(GOLDEN / "keras2_lambda.h5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "model_config is not JSON", id="cut-off"),
        pytest.param("[" * 100_000, "model_config is not JSON", id="nested-without-end"),
        pytest.param('{"class_name": "Dense", "config": {}}', "not that of a model", id="layer"),
        pytest.param("[]", "not that of a model", id="list"),
        pytest.param(7, "it is an HDF5 file but not a Keras model", id="number"),
    ],
)
@pytest.mark.usefixtures("no_keras")
def test_broken_configuration(old_file, text, message):
    with h5py.File(old_file, "r+") as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = text
    assert message in refusal(old_file)


def test_weights_that_do_not_fit_the_network(old_file):
    change_config(old_file, lambda layers: layers[1]["config"].update(units=7))
    assert "Keras cannot load" in refusal(old_file)


@pytest.mark.usefixtures("no_keras")
def test_weights_only_of_keras_2(old_file):
    with h5py.File(old_file) as whole, h5py.File(old_file.parent / "weights.h5", "w") as file:
        for name, value in whole["model_weights"].attrs.items():
            file.attrs[name] = value
        for name in whole["model_weights"]:
            whole.copy(whole["model_weights"][name], file, name)
    assert "it holds weights only" in refusal(old_file.parent / "weights.h5")


@pytest.mark.usefixtures("no_keras")
def test_weights_only_of_keras_3(tmp_path):
    path = tmp_path / "model.weights.h5"
    keras.Sequential([keras.Input((30,)), dense()]).save_weights(path)
    assert "it holds weights only" in refusal(path)


@pytest.mark.usefixtures("no_keras")
def test_hdf5_of_another_kind(tmp_path):
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file.create_group("obs")
    message = refusal(tmp_path / "cells.h5")
    assert "it is an HDF5 file but not a Keras model" in message
    assert "'obs'" in message


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.usefixtures("no_keras")
def test_truncated_file(old_file, share):
    content = old_file.read_bytes()
    old_file.write_bytes(content[: int(share * len(content))])
    assert "is not an HDF5 file, or was cut off" in refusal(old_file)


def test_no_such_file(tmp_path):
    assert "there is no model file" in refusal(tmp_path / "missing.h5")


@pytest.mark.parametrize(
    "shape",
    [(30,), (30, 1, 1), (1, 30, 1), (1, 1, 30)],
    ids=str,
)
@pytest.mark.parametrize("apart", [False, True], ids=["softmax-in-dense", "softmax-apart"])
def test_inputs_of_one_row(tmp_path, shape, apart):
    end = [dense(activation=None), keras.layers.Activation("softmax")] if apart else [dense()]
    path = saved(tmp_path, [keras.Input(shape), keras.layers.Flatten(), *end])
    cells, _ = golden("mlp")
    classifier = CellTypeClassifier.load(path, genes=GENES["mlp"], labels=TYPES)
    expected = keras.models.load_model(path).predict(
        np.log1p(cells.X).reshape(-1, *shape), verbose=0
    )
    np.testing.assert_allclose(classifier.predict_proba(cells), expected, atol=TOLERANCE)
    classifier.save(tmp_path / "model.keras")
    again = CellTypeClassifier.load(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict_proba(cells), expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        pytest.param(
            lambda: [keras.Input((15, 2)), keras.layers.Flatten(), dense()],
            r"input has the shape (15, 2)",
            id="two-rows",
        ),
        pytest.param(
            lambda: [keras.Input((None, 2)), keras.layers.GlobalMaxPooling1D(), dense()],
            r"input has the shape (None, 2)",
            id="any-length",
        ),
        pytest.param(
            lambda: [keras.Input((30,)), dense(activation="sigmoid")],
            "ends in Dense 'dense' with activation sigmoid",
            id="sigmoid",
        ),
        pytest.param(
            lambda: [keras.Input((30,)), dense(activation=None)],
            "with activation linear",
            id="logits",
        ),
        pytest.param(
            lambda: [keras.Input((30,)), keras.layers.Softmax()],
            "its network's output comes from no layer",
            id="no-dense",
        ),
        pytest.param(
            lambda: [keras.Input((30, 1)), dense()],
            "ends in Dense",
            id="type-for-each-gene",
        ),
    ],
)
def test_network_of_another_form(tmp_path, layers, message):
    keras.utils.clear_session()
    assert message in refusal(saved(tmp_path, layers()))


def test_network_with_two_outputs(tmp_path):
    expression = keras.Input((30,))
    keras.Model(expression, [dense()(expression), dense()(expression)]).save(tmp_path / "two.h5")
    assert "1 inputs and 2 outputs" in refusal(tmp_path / "two.h5")
