"""One contract for the whole registry, on JAX and on TensorFlow.

A process has one Keras backend, so contract_script.py asks the questions in a process for each.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from cellclassifier.networks import NETWORKS

SCRIPT = Path(__file__).with_name("contract_script.py")
BACKENDS = ("jax", "tensorflow")
N_CELLS, N_TYPES = 12, 3

INPUT_SHAPES = {
    "linear": (30,),
    "mlp": (30,),
    "wide-deep": (30,),
    "cnn": (256, 1, 1),
    "original-mlp": (100,),
    "original-cnn": (256, 1, 1),
}
# four convolutions; 256 genes -> 64 -> 16 -> 15 -> 3 -> 1 position of 128 channels; two layers
_CNN = (10 + 1) * 16 + (10 * 16 + 1) * 32 + (2 * 32 + 1) * 64 + (5 * 64 + 1) * 128
_CNN += (128 + 1) * 512 + (512 + 1) * N_TYPES
N_PARAMETERS = {
    "linear": (30 + 1) * N_TYPES,
    "mlp": (30 + 1) * 512 + (512 + 1) * 128 + (128 + 1) * N_TYPES,
    # a projection of 64; three views and 512 hidden units into the logits
    "wide-deep": 30 * 64 + (64 + 1) * 512 + (3 * 30 + 512 + 1) * N_TYPES,
    "cnn": _CNN,
    "original-mlp": (100 + 1) * 2048 + (2048 + 1) * 512 + (512 + 1) * N_TYPES,
    "original-cnn": _CNN,
}

Facts = Mapping[str, np.ndarray]


@pytest.fixture(scope="session")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], Facts]:
    """What each network said on each backend; the two processes run side by side."""
    folders = {backend: tmp_path_factory.mktemp(backend) for backend in BACKENDS}
    processes = {
        backend: subprocess.Popen(
            [sys.executable, SCRIPT, folder],
            env=os.environ | {"KERAS_BACKEND": backend},
            stderr=subprocess.PIPE,
            text=True,
        )
        for backend, folder in folders.items()
    }
    for backend, process in processes.items():
        _, log = process.communicate(timeout=300)
        assert process.returncode == 0, f"on {backend}:\n{log}"
    return {
        (backend, network): dict(np.load(folder / f"{network}.npz"))
        for backend, folder in folders.items()
        for network in NETWORKS
    }


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=list(NETWORKS))
def network(request: pytest.FixtureRequest) -> str:
    return request.param


def test_keras_backend_is_honoured(facts, backend, network):
    assert facts[backend, network]["backend"] == backend


def test_input_takes_a_row_of_expression(facts, backend, network):
    assert tuple(facts[backend, network]["input_shape"]) == INPUT_SHAPES[network]


def test_output_is_one_column_a_type(facts, backend, network):
    assert tuple(facts[backend, network]["output_shape"]) == (N_TYPES,)


def test_parameter_count(facts, backend, network):
    assert facts[backend, network]["n_parameters"] == N_PARAMETERS[network]


def test_rows_sum_to_one(facts, backend, network):
    probabilities = facts[backend, network]["probabilities"]
    assert probabilities.shape == (N_CELLS, N_TYPES)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_cells_differ(facts, backend, network):
    probabilities = facts[backend, network]["probabilities"]
    assert len(np.unique(probabilities, axis=0)) == N_CELLS


def test_saved_and_loaded_gives_the_same_bits(facts, backend, network):
    saved = facts[backend, network]
    np.testing.assert_array_equal(saved["probabilities_loaded"], saved["probabilities"])


def test_seed_decides_the_initial_weights(facts, backend, network):
    assert facts[backend, network]["same_seed_same_weights"]
    assert not facts[backend, network]["other_seed_same_weights"]


def test_tiny_set_can_be_overfitted(facts, backend, network):
    assert facts[backend, network]["accuracy_overfitted"] == 1


def test_same_weights_give_same_probabilities_on_both_backends(facts, network):
    on_jax, on_tensorflow = (facts[backend, network]["probabilities"] for backend in BACKENDS)
    np.testing.assert_allclose(on_jax, on_tensorflow, rtol=0, atol=1e-5)


def test_same_weights_give_same_contributions_on_both_backends(facts, network):
    on_jax, on_tensorflow = (facts[backend, network]["contributions"] for backend in BACKENDS)
    np.testing.assert_allclose(on_jax, on_tensorflow, rtol=0, atol=1e-4 * np.abs(on_jax).max())


def test_contributions_are_what_tells_two_types_apart(facts, backend, network):
    """Their sum is a difference of logits beyond the baseline's: cells differ by as much."""
    said = facts[backend, network]
    log_odds = np.log(said["probabilities"][:, 0] / said["probabilities"][:, 1])
    summed = said["contributions"].sum(axis=1)
    gap = (summed - summed[0]) - (log_odds - log_odds[0])
    assert np.abs(gap).max() < 0.02 * np.abs(summed).max() + 1e-4
