"""Made-up rows of the accuracy benchmark, of which the truth is known."""

import numpy as np
from rows import as_text, packed

N_CELLS = 400
TYPES = ["B", "T"]
TRUTH = np.arange(N_CELLS, dtype=np.uint8) % 2


def row(method, fold, n_correct, *, task="home task", group="home", log_loss=0.5):
    correct = np.arange(N_CELLS) < n_correct
    return {
        "task": task,
        "group": group,
        "fold": fold,
        "method": method,
        "n_cells": N_CELLS,
        "accuracy": n_correct / N_CELLS,
        "macro_f1": 0.5,
        "log_loss": log_loss,
        "ece": 0.1 if log_loss else None,
        "fit_cpu_seconds": 1.0,
        "cells_per_second": 1000.0,
        "peak_memory_mb": 100,
        "truth_sha256": f"truth {fold}",
        "types": TYPES,
        "predicted": as_text(packed(np.where(correct, TRUTH, 1 - TRUTH).astype(np.uint8))),
        "correct": as_text(packed(np.packbits(correct))),
    }


def two_folds(ours, theirs, **other):
    return [
        row(name, fold, n, **other)
        for fold in (0, 1)
        for name, n in (("ours", ours), ("svm", theirs))
    ]
