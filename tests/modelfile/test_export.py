"""Networks written for other programs give the same probabilities there."""

import json
import subprocess
import sys

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest

from cellclassifier import CellTypeClassifier
from cellclassifier.errors import InputError, MissingExtraError, NotFittedError, OutputError
from cellclassifier.modelfile import exporting
from cellclassifier.modelfile.onnx_graph import ACTIVATIONS, to_onnx
from cellclassifier.networks import NETWORKS, ConvBlock, build_cnn, build_mlp, find_network, keras

TOLERANCE = 1e-5
N_GENES, N_TYPES, N_CELLS = 240, 4, 6

# What a person with TensorFlow alone does with a SavedModel.
PLAIN_TENSORFLOW = """
import sys
sys.modules["keras"] = sys.modules["jax"] = sys.modules["cellclassifier"] = None
import numpy as np
import tensorflow as tf

folder, expression, out = sys.argv[1:]
serve = tf.saved_model.load(folder).signatures["serving_default"]
(probabilities,) = serve(expression=tf.constant(np.load(expression))).values()
np.save(out, probabilities.numpy())
"""


def expression():
    counts = np.random.default_rng(0).poisson(0.5, size=(N_CELLS, N_GENES))
    return np.log1p(counts).astype(np.float32)


def with_random_biases(model):
    """Keras begins with biases of zero, which would hide their loss."""
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            rng.normal(0, 0.1, weights.shape) if weights.ndim == 1 else weights
            for weights in model.get_weights()
        ]
    )
    return model


def of_keras(model, cells):
    return np.asarray(model(cells.reshape(-1, *model.input_shape[1:]), training=False))


def of_onnx(content, cells):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"expression": cells})
    return probabilities


def assert_same_in_onnx(model):
    content, cells = to_onnx(model, {}).SerializeToString(), expression()
    expected = of_keras(model, cells)
    np.testing.assert_allclose(of_onnx(content, cells), expected, atol=TOLERANCE)
    np.testing.assert_allclose(of_onnx(content, cells[:1]), expected[:1], atol=TOLERANCE)


@pytest.fixture
def exported(classifier, tmp_path):
    """Export in one format, and return the path."""

    def export(form):
        path = tmp_path / f"exported{exporting.SUFFIXES[form]}"
        classifier.export(path, format=form)
        return path

    return export


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_gives_the_same_probabilities(name):
    assert_same_in_onnx(with_random_biases(find_network(name)(N_GENES, N_TYPES, seed=0)))


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel", "pool"), [(4, 3), (5, 2)], ids=str)
def test_onnx_of_convolutions(pooling, padding, kernel, pool):
    blocks = [ConvBlock(3, kernel, pool, padding), ConvBlock(5, kernel, pool, padding)]
    model = build_cnn(N_GENES, N_TYPES, blocks=blocks, hidden=(8,), pooling=pooling)
    assert_same_in_onnx(with_random_biases(model))


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_onnx_of_strides_dilation_groups_and_padded_pools(padding):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((N_GENES, 1, 1)),
            layers.Conv2D(4, (7, 1), strides=(2, 1), padding=padding, use_bias=False),
            layers.Conv2D(4, (3, 1), dilation_rate=(2, 1), padding=padding, groups=2),
            layers.MaxPooling2D((3, 1), strides=(2, 1), padding=padding),
            layers.AveragePooling2D((4, 1), strides=(3, 1), padding=padding),
            layers.Flatten(),
            layers.Dense(N_TYPES, use_bias=False),
            layers.Activation("softmax"),
        ]
    )
    assert_same_in_onnx(model)


@pytest.mark.parametrize("activation", [*sorted(ACTIVATIONS), "silu", "linear"])
def test_onnx_of_activations(activation):
    model = build_mlp(N_GENES, N_TYPES, hidden=(8, 5), activation=activation)
    assert_same_in_onnx(with_random_biases(model))


def test_onnx_of_a_row_of_genes():
    layers = [keras.Input((1, N_GENES, 1)), keras.layers.Conv2D(3, (1, 4), activation="relu")]
    layers += [keras.layers.Flatten(), keras.layers.Dense(N_TYPES, activation="softmax")]
    assert_same_in_onnx(keras.Sequential(layers))


def test_onnx_says_what_goes_in_and_out(exported, classifier):
    model = onnx.load(exported("onnx"))
    onnx.checker.check_model(model, full_check=True)
    (given,), (returned,) = model.graph.input, model.graph.output
    sizes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (given, returned)
    ]
    assert [given.name, returned.name] == ["expression", "probabilities"]
    assert sizes == [["n_cells", 60], ["n_cells", 3]]
    (entry,) = model.metadata_props
    assert entry.key == "cellclassifier.json"
    check_description(entry.value, classifier)


def check_description(text, classifier):
    content = json.loads(text)
    manifest = classifier.manifest_
    assert content["labels"] == list(manifest.label_space.labels)
    assert content["genes"]["symbols"] == manifest.panel.symbols.tolist()
    assert content["normalisation"] == manifest.normalisation.to_json()
    assert "parts" not in content
    assert "history" not in content["training"]
    assert manifest.training["history"]


def test_exporting_changes_nothing(exported, classifier, toy_reference):
    before = classifier.predict_proba(toy_reference)
    exported("onnx")
    exported("h5")
    assert np.array_equal(classifier.predict_proba(toy_reference), before)


@pytest.mark.parametrize("name", NETWORKS)
def test_h5_opens_in_plain_keras(name, classifier, tmp_path):
    model = with_random_biases(find_network(name)(N_GENES, N_TYPES, seed=0))
    exporting.export_model(tmp_path / "model.h5", model, classifier.manifest_, "h5")
    plain = keras.models.load_model(tmp_path / "model.h5")
    cells = expression()
    np.testing.assert_allclose(of_keras(plain, cells), of_keras(model, cells), atol=1e-6)


def test_h5_comes_back_as_a_classifier(exported, classifier, toy_reference):
    manifest = classifier.manifest_
    again = CellTypeClassifier.load(
        exported("h5"),
        genes=manifest.panel,
        labels=manifest.label_space.labels,
        normalisation=manifest.normalisation,
    )
    np.testing.assert_allclose(
        again.predict_proba(toy_reference), classifier.predict_proba(toy_reference), atol=1e-6
    )
    with h5py.File(exported("h5")) as file:
        check_description(file["cellclassifier.json"].asstr()[()], classifier)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "wide-deep"])
def test_saved_model_opens_in_plain_tensorflow(name, classifier, tmp_path):
    model = with_random_biases(find_network(name)(N_GENES, N_TYPES, seed=0))
    exporting.export_model(tmp_path / "saved", model, classifier.manifest_, "saved-model")
    cells = expression()
    np.save(tmp_path / "cells.npy", cells.reshape(-1, *model.input_shape[1:]))
    names = [tmp_path / name for name in ("saved", "cells.npy", "probabilities.npy")]
    subprocess.run([sys.executable, "-c", PLAIN_TENSORFLOW, *names], check=True)
    probabilities = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(probabilities, of_keras(model, cells), atol=TOLERANCE)
    extra = tmp_path / "saved" / "assets.extra" / "cellclassifier.json"
    check_description(extra.read_text(encoding="utf-8"), classifier)


def branched():
    cells = keras.Input((N_GENES,))
    twice = keras.layers.add([keras.layers.Dense(5)(cells), keras.layers.Dense(5)(cells)])
    return keras.Model(cells, keras.layers.Dense(N_TYPES, activation="softmax")(twice))


def ending_in(*layers, shape=(N_GENES,)):
    return keras.Sequential([keras.Input(shape), *layers])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(branched, r"the layer Add \('.*'\) cannot", id="adds"),
        pytest.param(
            lambda: ending_in(keras.layers.LayerNormalization(name="norm")),
            r"the layer LayerNormalization \('norm'\) cannot",
            id="layer",
        ),
        pytest.param(
            lambda: ending_in(keras.layers.Dense(3, activation="mish")),
            "the activation mish",
            id="activation",
        ),
        pytest.param(
            lambda: ending_in(
                keras.layers.Conv2D(2, 1, data_format="channels_first"), shape=(1, N_GENES, 1)
            ),
            "the data format channels_first",
            id="channels-first",
        ),
        pytest.param(
            lambda: ending_in(keras.layers.Dense(3), shape=(N_GENES, 1, 1)),
            "a dense layer over several axes",
            id="dense-over-axes",
        ),
        pytest.param(
            lambda: ending_in(keras.layers.Softmax(), shape=(N_GENES, 1, 1)),
            "a softmax over several axes",
            id="softmax-over-axes",
        ),
        pytest.param(
            lambda: ending_in(keras.layers.Flatten(), shape=(N_GENES, 1)),
            "one or three axes",
            id="two-axes",
        ),
    ],
)
def test_network_that_onnx_is_not_written_for(build, message):
    with pytest.raises(InputError, match=message):
        to_onnx(build(), {})


@pytest.mark.parametrize(
    ("form", "name", "message"),
    [
        pytest.param("onnx", "model.h5", r"has to end in \.onnx", id="onnx"),
        pytest.param("h5", "model.keras", r"has to end in \.h5", id="h5"),
        pytest.param("saved-model", "model.pb", "that of a folder", id="saved-model"),
        pytest.param("tflite", "model.tflite", "no format 'tflite'", id="unknown"),
    ],
)
def test_name_that_does_not_fit_the_format(classifier, tmp_path, form, name, message):
    with pytest.raises(InputError, match=message):
        classifier.export(tmp_path / name, format=form)
    assert list(tmp_path.iterdir()) == []


def test_saved_model_does_not_replace_a_folder(classifier, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputError, match="it exists; remove it or give another name"):
        classifier.export(tmp_path / "mine", format="saved-model")


def test_folder_missing(classifier, tmp_path):
    with pytest.raises(OutputError, match="does not exist; make it first"):
        classifier.export(tmp_path / "missing" / "model.onnx", format="onnx")


@pytest.mark.parametrize(
    ("form", "extra"), [("onnx", "onnx"), ("saved-model", "tensorflow")], ids=["onnx", "tensorflow"]
)
def test_package_that_is_not_installed(classifier, tmp_path, monkeypatch, form, extra):
    monkeypatch.setattr(exporting, "find_spec", lambda _: None)
    path = tmp_path / f"model{exporting.SUFFIXES[form]}"
    with pytest.raises(MissingExtraError, match=rf"pip install 'cellclassifier\[{extra}\]'"):
        classifier.export(path, format=form)


def test_tensorflow_that_fails(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "SAVED_MODEL_SCRIPT", "raise SystemExit('no more memory')")
    with pytest.raises(OutputError, match="could not write the SavedModel: no more memory"):
        classifier.export(tmp_path / "saved", format="saved-model")
    assert list(tmp_path.iterdir()) == []


def test_failing_export_leaves_the_old_file_and_nothing_else(
    classifier, exported, tmp_path, monkeypatch
):
    path = exported("h5")
    before = path.read_bytes()
    monkeypatch.setattr(exporting, "h5py", None)  # fails when Keras has written its part
    with pytest.raises(AttributeError):
        classifier.export(path, format="h5")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_exporting_before_fitting(tmp_path):
    with pytest.raises(NotFittedError):
        CellTypeClassifier().export(tmp_path / "model.onnx", format="onnx")
