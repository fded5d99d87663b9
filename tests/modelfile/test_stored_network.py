"""The default network from a file without Keras, and with it."""

import io
import json
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

from cellclassifier import CellTypeClassifier
from cellclassifier.errors import ModelFileError
from cellclassifier.modelfile.model import read_model
from cellclassifier.modelfile.weights import read_weights
from cellclassifier.networks import (
    StoredNetwork,
    build_linear,
    build_mlp,
    build_wide_deep,
    weighted_layers,
)

LAYERS = ("projection", "hidden_1", "logits")
N_GENES, N_TYPES = 30, 4

# what a bench scientist's commands import
WITHOUT_KERAS = """
import sys
from cellclassifier.cli import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    assert not done.code, done.code
print([name for name in ("keras", "jax", "tensorflow", "matplotlib") if name in sys.modules])
"""


def weights_of(path):
    with zipfile.ZipFile(path) as file:
        return file.read("model.weights.h5")


def kept(model, tmp_path):
    """Return architecture and content of the weights as Keras writes them."""
    path = tmp_path / "kept.keras"
    model.save(path)
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("config.json")), weights_of(path)


@pytest.fixture
def wide_deep(tmp_path):
    model = build_wide_deep(N_GENES, N_TYPES, projection=5, hidden=(7,))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=part.shape) for part in model.get_weights()])
    return model, *kept(model, tmp_path)


@pytest.mark.parametrize("command", ["inspect", "annotate", "check"])
def test_naming_imports_no_keras(adapting, toy_reference, tmp_path, command):
    cells = tmp_path / "cells.h5ad"
    toy_reference.write_h5ad(cells)
    arguments = {
        "inspect": [adapting],
        "annotate": [cells, "--model", adapting, "--out", tmp_path / "named.h5ad"],
        "check": [cells, "--model", adapting],
    }[command]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_network_of_a_file_is_built_when_it_is_asked_for(adapting):
    classifier = CellTypeClassifier.load(adapting)
    assert isinstance(classifier.network_, StoredNetwork)
    by_keras = keras.models.load_model(adapting, compile=False)
    built = classifier.model_
    assert built.get_config() == by_keras.get_config()
    assert classifier.model_ is built
    for ours, theirs in zip(built.get_weights(), by_keras.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_says_the_same_before_and_after(adapting, toy_reference):
    classifier = CellTypeClassifier.load(adapting)
    stored = classifier.predict_proba(toy_reference)
    classifier.model_  # noqa: B018  (builds it)
    np.testing.assert_array_equal(classifier.predict_proba(toy_reference), stored)


def test_weights_come_as_keras_lists_them(wide_deep):
    model, architecture, content = wide_deep
    network = StoredNetwork.of(architecture, read_weights(content, LAYERS))
    assert network.sizes == (N_GENES, N_TYPES)
    for ours, theirs in zip(network.weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("build", "is_one"),
    [
        pytest.param(lambda: build_wide_deep(9, 3), True, id="default"),
        pytest.param(lambda: build_wide_deep(9, 3, dropout=0.0, l2=0.1), True, id="options"),
        pytest.param(lambda: build_wide_deep(9, 3, hidden=(8, 4)), False, id="deeper"),
        pytest.param(lambda: build_wide_deep(9, 3, activation="tanh"), False, id="tanh"),
        pytest.param(lambda: build_mlp(9, 3, hidden=(8,)), False, id="mlp"),
        pytest.param(lambda: build_linear(9, 3), False, id="linear"),
    ],
)
def test_which_networks_are_read_without_keras(build, is_one):
    assert (weighted_layers(json.loads(build().to_json())) == LAYERS) == is_one


@pytest.mark.parametrize("architecture", [[], {}, {"config": {"layers": [3]}}, {"config": None}])
def test_architecture_of_no_network(architecture):
    assert weighted_layers(architecture) is None


def linked(file):
    """Make the kernel a link to another file."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname", "/")


def elsewhere(file):
    """Make the kernel's bytes those of another file."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset(
        "0", (N_GENES, 5), "f4", external=[("/etc/hostname", 0, 4 * 5 * N_GENES)]
    )


def virtual(file):
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((N_GENES, 5), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (N_GENES, 5), "f4")
    file["layers/dense/vars"].create_virtual_dataset("0", layout)


def endless(file):
    """Declare more values than the file has bytes."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", (2**20, 2**10), "f4")


def packed(file):
    del file["layers/dense/vars/0"]
    zeros = np.zeros((N_GENES, 5), "f4")
    file["layers/dense/vars"].create_dataset("0", data=zeros, compression="gzip")


def of_text(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.bytes_("kernel")


def missing(file):
    del file["layers/dense_2"]


@pytest.mark.parametrize("change", [linked, elsewhere, virtual, endless, packed, of_text, missing])
def test_weights_that_are_left_to_keras(wide_deep, change):
    _, _, content = wide_deep
    changed = io.BytesIO(content)
    with h5py.File(changed, "r+") as file:
        change(file)
    assert read_weights(changed.getvalue(), LAYERS) is None


def test_weights_that_are_no_hdf5():
    assert read_weights(b"weights", LAYERS) is None


def test_weights_whose_shapes_do_not_fit(wide_deep):
    _, architecture, content = wide_deep
    weights = read_weights(content, LAYERS)
    assert StoredNetwork.of(architecture, weights[:-1]) is None
    assert StoredNetwork.of(architecture, [*weights[:3], weights[3][1:], weights[4]]) is None
    assert StoredNetwork.of(architecture, [weights[0][0], *weights[1:]]) is None
    assert StoredNetwork.of(architecture, None) is None


def test_architecture_that_keras_cannot_build(wide_deep):
    _, architecture, content = wide_deep
    layer = next(
        layer for layer in architecture["config"]["layers"] if layer["name"] == "projection"
    )
    layer["config"]["units"] = 6
    network = StoredNetwork.of(architecture, read_weights(content, LAYERS))
    with pytest.raises(ModelFileError, match="Keras cannot build the network"):
        network.build()


def test_other_networks_are_built_at_once(saved):
    network, _ = read_model(saved)
    assert isinstance(network, keras.Model)
