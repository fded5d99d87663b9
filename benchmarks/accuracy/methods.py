"""The methods that are compared: where each one runs, by which script, with which settings."""

import ast
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import (
    ACTINN_JAX,
    CELLTYPIST,
    CLASSICAL,
    OWN,
    SCANVI,
    SINGLER,
    Environment,
)
from record import ROOT
from tasks import Task

import cellclassifier as cc

FOLDER = Path(__file__).parent
PEERS = FOLDER / "peers"
OURS = "ours"
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass(frozen=True)
class Method:
    """One way to name cells.

    `groups` are the groups of tasks it takes part in; `gives_probabilities` says whether log-loss
    and calibration mean anything; `knows_batches` whether it is told that the query of a task
    abroad is a batch of its own.
    """

    name: str
    script: Path
    environment: Environment
    settings: dict[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ("home", "abroad")
    gives_probabilities: bool = True
    knows_batches: bool = False

    def settings_for(self, task: Task) -> dict[str, Any]:
        """Return the settings on this task."""
        if not self.knows_batches:
            return self.settings
        return self.settings | {"query_is_a_batch": task.group == "abroad"}

    @property
    def is_ours(self) -> bool:
        """Whether it is of this project."""
        return self.environment == OWN

    @property
    def code_sha256(self) -> str:
        """A hash of what runs: statements, not comments or layout, and required packages."""
        files = [self.script, FOLDER / "exchange.py"]
        source = ROOT / "src" / "cellclassifier"
        files += sorted(source.rglob("*.py")) if self.is_ours else [PEERS / "preparation.py"]
        statements = [ast.dump(ast.parse(path.read_text(encoding="utf-8"))) for path in files]
        return hashlib.sha256(
            "\n".join([*statements, self.environment.sha256]).encode()
        ).hexdigest()

    def variables(self, threads: int) -> dict[str, str]:
        """Return the environment variables of its process."""
        flags = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"
        # this checkout's package, whose commit is written down, not one that is installed
        own = [str(ROOT / "src")] if self.is_ours else []
        return os.environ | {
            **dict.fromkeys(THREAD_VARIABLES, str(threads)),
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": flags,
            "PYTHONPATH": os.pathsep.join([*own, str(FOLDER), str(PEERS)]),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }


ALL_GROUPS = ("home", "abroad", "missing")
METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(OURS, FOLDER / "ours.py", OWN, groups=ALL_GROUPS),
        Method(
            "logistic-regression", PEERS / "logistic_regression.py", CLASSICAL, groups=ALL_GROUPS
        ),
        Method("linear-svm", PEERS / "linear_svm.py", CLASSICAL, groups=ALL_GROUPS),
        Method("knn", PEERS / "nearest_neighbours.py", CLASSICAL),
        Method("lightgbm", PEERS / "boosted_trees.py", CLASSICAL),
        Method(
            "celltypist",
            PEERS / "celltypist_model.py",
            CELLTYPIST,
            {"feature_selection": False},
            ALL_GROUPS,
        ),
        Method(
            "celltypist-selected",
            PEERS / "celltypist_model.py",
            CELLTYPIST,
            {"feature_selection": True},
            ALL_GROUPS,
        ),
        Method("actinn-jax", PEERS / "actinn.py", ACTINN_JAX, {"standardize": False}),
        Method(
            "singler",
            PEERS / "singler_reference.py",
            SINGLER,
            {"marker_method": "classic"},
            gives_probabilities=False,
        ),
        Method(
            "singler-auc",
            PEERS / "singler_reference.py",
            SINGLER,
            {"marker_method": "auc"},
            gives_probabilities=False,
        ),
        Method("scanvi", PEERS / "scanvi.py", SCANVI, knows_batches=True),
    )
}
PEER_NAMES = tuple(name for name, method in METHODS.items() if not method.is_ours)


def choose_methods(words: str) -> list[Method]:
    """Return the methods of comma-separated names, ``peers``, ``ours`` and ``ours-NETWORK``."""
    chosen: dict[str, Method] = {}
    for word in words.split(","):
        names = PEER_NAMES if word == "peers" else (word,)
        for name in names:
            chosen[name] = find_method(name)
    return list(chosen.values())


def find_method(name: str) -> Method:
    """Return the method of that name; ours with any network of the project."""
    if name in METHODS:
        return METHODS[name]
    ours, _, network = name.partition("-")
    if ours == OURS and network:
        cc.CellTypeClassifier(network)
        return Method(name, FOLDER / "ours.py", OWN, {"network": network}, ALL_GROUPS)
    known = ["ours", "ours-NETWORK", "peers", *PEER_NAMES]
    raise SystemExit(f"there is no method {name!r}; there are {known}")
