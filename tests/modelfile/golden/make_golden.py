"""Makes the golden `.h5` files as the original study made its models: with Keras 2.

Run once, in an environment of its own, on Python 3.11::

    pip install "tensorflow-cpu==2.15.*"
    python make_golden.py

The files in this folder were made with TensorFlow 2.15.1, Keras 2.15.0, h5py 3.16.0 and
NumPy 1.26.4. Beside each model stand seeded counts and the probabilities that Keras 2 gave for
their log1p. The networks are the study's two, with fewer genes, channels and units.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent
N_TYPES = 4
N_CELLS = 64
N_GOLDEN = 12
CNN_GENES, MLP_GENES = 240, 30


def build_cnn():
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Conv2D(
                4, (10, 1), padding="same", activation="relu", input_shape=(CNN_GENES, 1, 1)
            ),
            layers.MaxPooling2D((4, 1)),
            layers.Conv2D(8, (10, 1), padding="same", activation="relu"),
            layers.MaxPooling2D((4, 1)),
            layers.Conv2D(8, (2, 1), activation="relu"),
            layers.MaxPooling2D((4, 1)),
            layers.Conv2D(16, (5, 1), padding="same", activation="relu"),
            layers.MaxPooling2D((3, 1)),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(N_TYPES, activation="softmax"),
        ]
    )


def build_mlp():
    layers, l2 = keras.layers, keras.regularizers.l2(0.01)
    expression = keras.Input((MLP_GENES,))
    features = layers.Dense(32, activation="relu", kernel_regularizer=l2)(expression)
    features = layers.Dropout(0.8)(features)
    features = layers.Dense(16, activation="relu", kernel_regularizer=l2)(features)
    features = layers.Dropout(0.8)(features)
    types = layers.Dense(N_TYPES, activation="softmax", kernel_regularizer=l2)(features)
    return keras.Model(expression, types)


def make(name, model, n_genes):
    rng = np.random.default_rng(0)
    codes = rng.integers(N_TYPES, size=N_CELLS)
    means = rng.gamma(0.5, 4.0, size=(N_TYPES, n_genes))
    counts = rng.poisson(means[codes]).astype(np.uint8)
    expression = np.log1p(counts.astype(np.float32)).reshape(-1, *model.input_shape[1:])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(expression, codes, batch_size=16, epochs=60, verbose=0)
    model.save(FOLDER / f"keras2_{name}.h5")
    probabilities = model.predict(expression[:N_GOLDEN], verbose=0)
    np.savez(FOLDER / f"keras2_{name}.npz", counts=counts[:N_GOLDEN], probabilities=probabilities)
    print(name, "tensorflow", tf.__version__, "keras", keras.__version__, probabilities[0])  # noqa: T201


def make_lambda():
    """Make the file that has to be refused: its Lambda layer is code."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Lambda(lambda counts: counts * 2, input_shape=(MLP_GENES,)),
            layers.Dense(N_TYPES, activation="softmax"),
        ]
    )
    model.save(FOLDER / "keras2_lambda.h5")


if __name__ == "__main__":
    if not keras.__version__.startswith("2."):
        raise SystemExit(f"this needs Keras 2, not {keras.__version__}")
    keras.utils.set_random_seed(0)
    make("cnn", build_cnn(), CNN_GENES)
    make("mlp", build_mlp(), MLP_GENES)
    make_lambda()
