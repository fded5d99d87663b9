"""Puts every network of the registry through the same questions, on the backend of this process.

Run by test_contract.py, once for each backend: ``python contract_script.py FOLDER`` writes
``FOLDER/NETWORK.npz`` with the answers.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import sparse

from cellclassifier.networks import NETWORKS, choose_attributor, keras
from cellclassifier.training import TrainingConfig, train_network

N_GENES = {
    "linear": 30,
    "mlp": 30,
    "wide-deep": 30,
    "cnn": 256,
    "original-mlp": 100,
    "original-cnn": 256,
}
LEARNING_RATE = {"linear": 0.05}  # one layer needs larger steps to get anywhere in a few epochs
USUAL_RATE = 1e-3
N_TYPES = 3
N_CELLS = 12


def answers(name: str, folder: Path) -> dict[str, object]:
    """Return what the network says about itself."""
    n_genes = N_GENES[name]
    rng = np.random.default_rng(1)
    expression = rng.exponential(size=(N_CELLS, n_genes)).astype(np.float32)

    model = NETWORKS[name](n_genes, N_TYPES, seed=0)
    twin = NETWORKS[name](n_genes, N_TYPES, seed=0)
    other = NETWORKS[name](n_genes, N_TYPES, seed=1)
    facts = {
        "backend": keras.backend.backend(),
        "input_shape": model.input_shape[1:],
        "output_shape": model.output_shape[1:],
        "n_parameters": model.count_params(),
        "same_seed_same_weights": all(map(np.array_equal, kernels(model), kernels(twin))),
        "other_seed_same_weights": any(map(np.array_equal, kernels(model), kernels(other))),
    }

    give_weights(model, rng)
    batch = expression.reshape(-1, *model.input_shape[1:])
    facts["probabilities"] = model.predict_on_batch(batch)
    model.save(folder / f"{name}.keras")
    loaded = keras.models.load_model(folder / f"{name}.keras", safe_mode=True)
    facts["probabilities_loaded"] = loaded.predict_on_batch(batch)

    nothing, direction = np.zeros(n_genes, np.float32), np.float32([1, -1, 0])
    attribute = choose_attributor(model, model.predict, nothing)
    facts["contributions"] = attribute(expression, np.tile(direction, (N_CELLS, 1)))

    codes = np.arange(N_CELLS, dtype=np.int32) % N_TYPES
    config = TrainingConfig(
        epochs=30,
        batch_size=4,
        learning_rate=LEARNING_RATE.get(name, USUAL_RATE),
        validation_fraction=0.0,
        patience=None,
    )
    train_network(twin, sparse.csr_matrix(expression), codes, config)
    predicted = twin.predict_on_batch(batch).argmax(axis=1)
    facts["accuracy_overfitted"] = float((predicted == codes).mean())
    return facts


def kernels(model: keras.Model) -> list[np.ndarray]:
    """Return all weights drawn at random, so not the biases, which begin at zero."""
    return [weights for weights in model.get_weights() if weights.ndim > 1]


def give_weights(model: keras.Model, rng: np.random.Generator) -> None:
    """Set weights of the usual size that do not depend on the backend's own random numbers."""
    model.set_weights(
        [
            rng.normal(scale=1 / np.sqrt(max(np.prod(weights.shape[:-1]), 10)), size=weights.shape)
            for weights in model.get_weights()
        ]
    )


def main(folder: Path) -> None:
    for name in NETWORKS:
        np.savez(folder / f"{name}.npz", **answers(name, folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
