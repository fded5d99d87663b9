"""The low-level twin beside Keras on TensorFlow: the same numbers, in less time.

    python benchmarks/accuracy/lowlevel.py

The original convolutional network at 19,232 genes, batches of 64 cells of pbmc3k, two threads, one
process, runs in the order A B A B. Also: how far the logits are apart, and the losses over 50 steps
without dropout, beside how far Keras comes apart from itself when the cells of each batch are
permuted; and the twin with each of its shortcuts switched off. Rows go to
benchmarks/results/lowlevel.jsonl.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from record import Row, provenance, save, shared_data

import cellclassifier as cc
from cellclassifier.networks import keras, logits_model
from cellclassifier.networks.lowlevel import LowLevelNetwork, Shortcuts
from cellclassifier.training.lowlevel import LowLevelStep

DATA = "pbmc3k.h5ad"
N_GENES, N_TYPES, BATCH, THREADS = 19_232, 9, 64, 2
REPEATS, STEPS = 7, 3
LEARNING_RATES = (1e-3, 3e-5)
VARIANTS = {
    "twin": Shortcuts(),
    "without the unrolled first layer": Shortcuts(unrolled_first=False),
    "without the fused pool gradient": Shortcuts(fused_pool_gradient=False, unrolled_first=False),
    "without the fused prediction": Shortcuts(fused_prediction=False),
    "without the fused Adam": Shortcuts(fused_adam=False),
    "without any": Shortcuts(
        unrolled_first=False, fused_pool_gradient=False, fused_prediction=False, fused_adam=False
    ),
}

if TYPE_CHECKING:
    from collections.abc import Callable

Batch = tuple[Any, Any]


def main() -> None:
    """Compare numbers, then speed; print and save."""
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    batches = real_batches()
    rows = [agreement(batches, rate) for rate in LEARNING_RATES]
    rows += [speed(name, shortcuts, batches) for name, shortcuts in VARIANTS.items()]
    common = {"n_genes": N_GENES, "batch": BATCH, "threads": THREADS}
    rows = [row | common | provenance(shared_data(DATA)) for row in rows]
    save("lowlevel.jsonl", rows, lambda _: True)
    for row in rows:
        print(json.dumps({key: row[key] for key in list(row)[: list(row).index("n_genes")]}))


def real_batches() -> list[Batch]:
    """Return batches of log1p counts of the 19,232 genes with the most counts, in their order."""
    cells = cc.read_cells(shared_data(DATA))
    counts = cc.find_counts(cells).counts
    total = np.asarray(counts.sum(axis=0)).ravel()
    genes = np.sort(np.argsort(-total, kind="stable")[:N_GENES])
    labels = cells.obs["cell_type"].astype(str)
    codes = cc.LabelSpace.of(labels).encode(labels)
    rows = np.random.default_rng(0).permutation(len(codes))[: 10 * BATCH].reshape(10, BATCH)
    return [(np.log1p(counts[part][:, genes].toarray()), codes[part]) for part in rows]


def keras_network(seed: int = 0, rate: float = 1e-3) -> keras.Model:
    """Return the logits of the original network without dropout, compiled."""
    logits = logits_model(cc.build_cnn(N_GENES, N_TYPES, dropout=0.0, seed=seed))
    logits.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return logits


def keras_step(logits: keras.Model, batch: Batch) -> float:
    """Train one step and return its loss."""
    expression, codes = batch
    loss = logits.train_on_batch(expression.reshape(-1, N_GENES, 1, 1), codes)
    logits.reset_metrics()
    return float(loss)


def twin_step(step: LowLevelStep, batch: Batch) -> float:
    """Train one step of the twin and return its loss."""
    expression, codes = batch
    return step(expression, codes, np.ones(len(codes), dtype=np.float32), len(codes))[0]


def agreement(batches: list[Batch], rate: float) -> Row:
    """Return the largest differences of logits and of losses over 50 steps."""
    ours, theirs, permuted = (keras_network(rate=rate) for _ in range(3))
    network = LowLevelNetwork(ours)
    expression = batches[0][0]
    logits = ours.predict_on_batch(expression.reshape(-1, N_GENES, 1, 1))
    apart = np.abs(network.predict_on_batch(expression) - logits).max()
    step, rng = LowLevelStep(network, rate, seed=0), np.random.default_rng(1)
    losses = []
    for number in range(50):
        batch = batches[number % len(batches)]
        order = rng.permutation(BATCH)
        losses.append(
            (
                keras_step(theirs, batch),
                twin_step(step, batch),
                keras_step(permuted, (batch[0][order], batch[1][order])),
            )
        )
    table = np.array(losses)
    return {
        "what": "agreement",
        "learning_rate": rate,
        "logits_apart": float(apart),
        "losses_apart": float(np.abs(table[:, 1] - table[:, 0]).max()),
        "losses_of_keras_apart_from_itself": float(np.abs(table[:, 2] - table[:, 0]).max()),
        "last_loss": float(table[-1, 0]),
    }


def speed(name: str, shortcuts: Shortcuts, batches: list[Batch]) -> Row:
    """Return medians of cells a second and of paired ratios, A B A B."""
    logits = keras_network()
    network = LowLevelNetwork(logits, shortcuts)
    step = LowLevelStep(network, 1e-3, seed=0)
    batch = batches[0]
    shaped = batch[0].reshape(-1, N_GENES, 1, 1)
    runs: dict[str, Callable[[], object]] = {
        "keras_train": lambda: keras_step(logits, batch),
        "twin_train": lambda: twin_step(step, batch),
        "keras_predict": lambda: logits.predict_on_batch(shaped),
        "twin_predict": lambda: network.predict_on_batch(batch[0]),
    }
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(REPEATS):
        for key, run in runs.items():
            started = time.perf_counter()
            for _ in range(STEPS):
                run()
            times[key].append((time.perf_counter() - started) / STEPS / BATCH)
    row: Row = {"what": "speed", "variant": name}
    for kind in ("train", "predict"):
        pairs = zip(times[f"keras_{kind}"], times[f"twin_{kind}"], strict=True)
        ratios = sorted(theirs / ours for theirs, ours in pairs)
        row[f"{kind}_ratio"] = round(statistics.median(ratios), 3)
        row[f"{kind}_ratio_range"] = [round(ratios[0], 3), round(ratios[-1], 3)]
        for who in ("keras", "twin"):
            row[f"{who}_{kind}_cells_per_second"] = round(
                1 / statistics.median(times[f"{who}_{kind}"]), 1
            )
    return row


if __name__ == "__main__":
    main()
