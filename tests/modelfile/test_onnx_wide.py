"""ONNX graphs that branch and meet again, as those of wide and deep networks."""

import numpy as np
import onnxruntime
import pytest

from cellclassifier import CellTypeClassifier
from cellclassifier.errors import InputError
from cellclassifier.modelfile.onnx_graph import to_onnx
from cellclassifier.networks import keras

N_GENES = 40


def of_onnx(content, cells):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"expression": cells})
    return probabilities


def test_a_trained_network_that_adapts_is_exported_for_cells_like_its_own(
    adapting, toy_reference, tmp_path
):
    classifier = CellTypeClassifier.load(adapting)
    classifier.export(tmp_path / "model.onnx", format="onnx")
    expression = classifier.expression(toy_reference).toarray()
    seen = of_onnx((tmp_path / "model.onnx").read_bytes(), expression)
    named = classifier.classify(toy_reference, shift=0.0).probabilities
    np.testing.assert_allclose(seen, named, atol=1e-5)
    classifier.export(tmp_path / "model.h5", format="h5")
    plain = keras.models.load_model(tmp_path / "model.h5")
    np.testing.assert_allclose(plain.predict_on_batch(expression), named, atol=1e-5)


def layers_between(*layers):
    cells = keras.Input((N_GENES,))
    tensor = cells
    for layer in layers:
        tensor = layer(tensor)
    return keras.Model(cells, tensor)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, -0.5), (2.0, 0.0), (0.25, 3.0)])
def test_rescaling(scale, offset):
    model = layers_between(keras.layers.Rescaling(scale, offset))
    cells = np.random.default_rng(0).normal(size=(5, N_GENES)).astype(np.float32)
    seen = of_onnx(to_onnx(model, {}).SerializeToString(), cells)
    np.testing.assert_allclose(seen, scale * cells + offset, atol=1e-6)


def test_branches_meet_in_the_order_given():
    cells = keras.Input((N_GENES,))
    one, two = (keras.layers.Dense(3, name=name)(cells) for name in ("one", "two"))
    deeper = keras.layers.Dense(2)(one)
    model = keras.Model(cells, keras.layers.Concatenate()([two, cells, deeper, one]))
    values = np.random.default_rng(0).normal(size=(5, N_GENES)).astype(np.float32)
    seen = of_onnx(to_onnx(model, {}).SerializeToString(), values)
    np.testing.assert_allclose(seen, model.predict_on_batch(values), atol=1e-5)


def two_inputs():
    inputs = [keras.Input((N_GENES,)) for _ in range(2)]
    return keras.Model(inputs, keras.layers.Concatenate()(inputs))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(two_inputs, "has 2 inputs and 1 outputs", id="two-inputs"),
        pytest.param(
            lambda: layers_between(keras.layers.Rescaling(np.ones(N_GENES))),
            "a rescaling by several numbers",
            id="rescaling-by-gene",
        ),
        pytest.param(
            lambda: keras.Model(
                cells := keras.Input((N_GENES, 1, 1)),
                keras.layers.Concatenate()([cells, cells]),
            ),
            "a concatenation over several axes",
            id="concatenation-over-axes",
        ),
    ],
)
def test_what_cannot_be_written(build, message):
    with pytest.raises(InputError, match=message):
        to_onnx(build(), {})
