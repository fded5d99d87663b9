"""The generators and their options, the original study's networks layer by layer, the registry."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.errors import BackendError, InputError
from cellclassifier.networks import (
    NETWORKS,
    PRESETS,
    ConvBlock,
    backend,
    build_cnn,
    build_linear,
    build_mlp,
    build_preset,
    divide_logits,
    find_network,
    keras,
    logits_model,
    predict_logits,
)
from cellclassifier.networks.backend import choose_backend

# layer, output shape without the batch, parameters
ORIGINAL_CNN = [
    ("expression", (19232, 1, 1), 0),
    ("conv_1", (19232, 1, 16), 176),
    ("pool_1", (4808, 1, 16), 0),
    ("conv_2", (4808, 1, 32), 5_152),
    ("pool_2", (1202, 1, 32), 0),
    ("conv_3", (1201, 1, 64), 4_160),
    ("pool_3", (300, 1, 64), 0),
    ("conv_4", (300, 1, 128), 41_088),
    ("pool_4", (100, 1, 128), 0),
    ("flatten", (12_800,), 0),
    ("hidden_1", (512,), 6_554_112),
    ("dropout_1", (512,), 0),
    ("logits", (10,), 5_130),
    ("probabilities", (10,), 0),
]
ORIGINAL_MLP = [
    ("expression", (1000,), 0),
    ("hidden_1", (2048,), 2_050_048),
    ("dropout_1", (2048,), 0),
    ("hidden_2", (512,), 1_049_088),
    ("dropout_2", (512,), 0),
    ("logits", (10,), 5_130),
    ("probabilities", (10,), 0),
]


@pytest.fixture(scope="module")
def original_cnn():
    return build_preset("original-cnn")


@pytest.fixture(scope="module")
def original_mlp():
    return build_preset("original-mlp")


def layers_of(model):
    return [
        (layer.name, tuple(layer.output.shape[1:]), layer.count_params()) for layer in model.layers
    ]


def test_original_cnn_layer_by_layer(original_cnn):
    assert layers_of(original_cnn) == ORIGINAL_CNN
    assert original_cnn.count_params() == 6_609_818


def test_original_cnn_kernels_paddings_and_pools(original_cnn):
    convolutions = [
        layer for layer in original_cnn.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    pools = [layer for layer in original_cnn.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert [layer.kernel_size for layer in convolutions] == [(10, 1), (10, 1), (2, 1), (5, 1)]
    assert [layer.padding for layer in convolutions] == ["same", "same", "valid", "same"]
    assert [layer.pool_size for layer in pools] == [(4, 1), (4, 1), (4, 1), (3, 1)]
    assert {layer.activation.__name__ for layer in convolutions} == {"relu"}
    assert original_cnn.get_layer("hidden_1").activation.__name__ == "relu"
    assert original_cnn.get_layer("dropout_1").rate == 0.5
    assert isinstance(original_cnn.get_layer("probabilities"), keras.layers.Softmax)


def test_original_mlp_layer_by_layer(original_mlp):
    assert layers_of(original_mlp) == ORIGINAL_MLP
    assert original_mlp.count_params() == 3_104_266


def test_original_mlp_dropout_and_penalty_on_every_kernel(original_mlp):
    dense = [layer for layer in original_mlp.layers if isinstance(layer, keras.layers.Dense)]
    drops = [layer for layer in original_mlp.layers if isinstance(layer, keras.layers.Dropout)]
    assert [float(layer.kernel_regularizer.l2) for layer in dense] == pytest.approx([0.01] * 3)
    assert [layer.bias_regularizer for layer in dense] == [None] * 3
    assert [layer.rate for layer in drops] == [0.8, 0.8]


def test_linear_is_one_layer():
    assert [layer.name for layer in build_linear(7, 2).layers] == [
        "expression",
        "logits",
        "probabilities",
    ]


@pytest.mark.parametrize(
    ("hidden", "n_parameters"),
    [
        pytest.param((), 10 * 3 + 3, id="no-hidden-layer"),
        pytest.param((4,), 10 * 4 + 4 + 4 * 3 + 3, id="one"),
        pytest.param((4, 5, 6), 44 + 25 + 36 + 21, id="three"),
    ],
)
def test_mlp_has_the_hidden_layers_asked_for(hidden, n_parameters):
    assert build_mlp(10, 3, hidden=hidden).count_params() == n_parameters


def test_mlp_without_dropout_has_no_dropout_layers():
    model = build_mlp(10, 3, dropout=0.0)
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)


def test_mlp_activation():
    model = build_mlp(10, 3, hidden=(4,), activation="gelu")
    assert model.get_layer("hidden_1").activation.__name__ == "gelu"
    assert model.get_layer("logits").activation.__name__ == "linear"


def test_cnn_blocks_and_pooling():
    blocks = (ConvBlock(2, 3, 2, "valid"), ConvBlock(4, 3, 1))
    model = build_cnn(12, 3, blocks=blocks, hidden=(6, 5), pooling="average", dropout=0.0)
    assert layers_of(model) == [
        ("expression", (12, 1, 1), 0),
        ("conv_1", (10, 1, 2), (3 + 1) * 2),
        ("pool_1", (5, 1, 2), 0),
        ("conv_2", (5, 1, 4), (3 * 2 + 1) * 4),
        ("flatten", (20,), 0),
        ("hidden_1", (6,), 21 * 6),
        ("hidden_2", (5,), 7 * 5),
        ("logits", (3,), 6 * 3),
        ("probabilities", (3,), 0),
    ]
    assert isinstance(model.get_layer("pool_1"), keras.layers.AveragePooling2D)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(build_linear, id="linear"),
        pytest.param(build_mlp, id="mlp"),
        pytest.param(build_cnn, id="cnn"),
    ],
)
def test_penalty_is_on_every_kernel(build):
    model = build(256, 2, l2=0.5)
    with_kernel = [layer for layer in model.layers if layer.count_params()]
    assert [float(layer.kernel_regularizer.l2) for layer in with_kernel] == [0.5] * len(with_kernel)


@pytest.mark.parametrize(
    ("n_genes", "blocks", "number"),
    [
        pytest.param(207, None, "block 4 of 4", id="original-blocks"),
        pytest.param(3, (ConvBlock(2, 2, 4),), "block 1 of 1", id="pool-too-large"),
        pytest.param(3, (ConvBlock(2, 4, 1, "valid"),), "block 1 of 1", id="kernel-too-large"),
    ],
)
def test_too_few_genes_for_the_pools(n_genes, blocks, number):
    options = {} if blocks is None else {"blocks": blocks}
    with pytest.raises(InputError, match=rf"^{n_genes} genes are too few .* after {number}; "):
        build_cnn(n_genes, 3, **options)


def test_smallest_number_of_genes_for_the_original_blocks():
    assert build_cnn(208, 3).get_layer("pool_4").output.shape[1] == 1


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize(
    ("n_genes", "n_types"),
    [pytest.param(0, 3, id="no-genes"), pytest.param(500, 1, id="one-type")],
)
def test_sizes_that_make_no_classifier(name, n_genes, n_types):
    with pytest.raises(InputError, match=f"not {n_genes} and {n_types}"):
        NETWORKS[name](n_genes, n_types, seed=0)


def test_unknown_network_lists_those_there_are():
    with pytest.raises(
        InputError, match=r"no network 'lstm'; there are \['linear', 'mlp', 'wide-deep', 'cnn'"
    ):
        find_network("lstm")


def test_unknown_preset_lists_those_there_are():
    with pytest.raises(InputError, match=r"no preset 'mlp'; there are \['original-cnn'"):
        build_preset("mlp")


def test_presets_are_networks():
    assert set(PRESETS) <= set(NETWORKS)


def test_logits_model_needs_a_dense_layer_of_that_name():
    nameless = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="last")])
    with pytest.raises(InputError, match=r"no dense layer named 'logits'.*\['last'\]"):
        logits_model(nameless)


def test_probabilities_are_the_softmax_of_the_logits():
    model = build_mlp(5, 3)
    expression = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    logits = predict_logits(logits_model(model), sparse.csr_matrix(expression)).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_on_batch(expression), expected, atol=1e-6)


def test_no_cells_have_no_logits():
    logits = predict_logits(logits_model(build_linear(5, 3)), sparse.csr_matrix((0, 5)))
    assert logits.shape == (0, 3)


def test_dividing_logits_divides_them():
    model = build_mlp(5, 3)
    model.get_layer("logits").bias.assign([1.0, 2.0, 3.0])
    cells = sparse.random_array((8, 5), density=0.5, rng=0, dtype=np.float32, format="csr")
    before = predict_logits(logits_model(model), sparse.csr_matrix(cells))
    divide_logits(model, 4.0)
    after = predict_logits(logits_model(model), sparse.csr_matrix(cells))
    np.testing.assert_allclose(after, before / 4, atol=1e-7)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param("theano", id="unknown"),
        pytest.param("torch", id="known-not-installed"),
        pytest.param("", id="empty"),
    ],
)
def test_backend_that_is_not_there(monkeypatch, asked):
    monkeypatch.setenv("KERAS_BACKEND", asked)
    monkeypatch.setattr(backend, "find_spec", lambda name: name != "torch")
    with pytest.raises(BackendError, match=rf"'{asked}'.*\['jax', 'tensorflow'\]"):
        choose_backend()


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        pytest.param({"jax", "tensorflow", "torch"}, "jax", id="jax-first"),
        pytest.param({"tensorflow", "torch"}, "tensorflow", id="then-tensorflow"),
        pytest.param({"torch"}, "torch", id="then-torch"),
    ],
)
def test_backend_chosen_among_the_installed(monkeypatch, installed, chosen):
    monkeypatch.setenv("KERAS_BACKEND", "restored by monkeypatch")
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setattr(backend, "find_spec", lambda name: name in installed)
    assert choose_backend() == chosen
    assert os.environ["KERAS_BACKEND"] == chosen


def test_no_backend_installed(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(backend, "find_spec", lambda _: None)
    with pytest.raises(BackendError, match="none is installed: pip install jax"):
        choose_backend()


def test_bad_backend_is_refused_before_keras_is_imported():
    script = (
        "import sys\n"
        "try:\n"
        "    import cellclassifier.networks\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, 'keras' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"KERAS_BACKEND": "theano"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "BackendError False\n"


def test_keras_imported_before_us_keeps_its_backend():
    script = (
        "import os, keras\n"
        "os.environ['KERAS_BACKEND'] = 'theano'  # too late to matter\n"
        "from cellclassifier.networks import keras\n"
        "print(keras.backend.backend())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "jax\n"
