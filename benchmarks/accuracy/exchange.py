"""What passes between the benchmark and a method in a process of its own: a folder.

    problem.json        seed, settings of the method, names of the types
    training.npz        counts (CSR), genes, labels, library sizes where they are known
    test.npz            the same without labels
    predictions.npz     the answer: types, probabilities, predicted labels
    report.json         the answer: seconds, memory, settings chosen, versions

Nothing is pickled. This module needs NumPy and SciPy alone, as it runs in every environment.
"""

import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

# a row of probabilities may be off one by this, as they are float32
ROW_SUM_TOLERANCE = 1e-3

Probabilities = npt.NDArray[np.float32]
Labels = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Cells:
    """Raw counts of cells, shape (n_cells, n_genes), and what is known of them.

    `library_sizes` are over all genes of the source, or None where nobody knows; `labels` are
    None for cells to be named.
    """

    counts: sparse.csr_matrix
    genes: Labels
    library_sizes: npt.NDArray[np.float64] | None
    labels: Labels | None

    def save(self, path: Path) -> None:
        """Write an .npz without objects."""
        arrays: dict[str, Any] = {
            "data": self.counts.data,
            "indices": self.counts.indices,
            "indptr": self.counts.indptr,
            "shape": self.counts.shape,
            "genes": self.genes,
        }
        optional = {"library_sizes": self.library_sizes, "labels": self.labels}
        arrays |= {name: array for name, array in optional.items() if array is not None}
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Cells":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            parts = (arrays["data"], arrays["indices"], arrays["indptr"])
            return cls(
                sparse.csr_matrix(parts, shape=tuple(arrays["shape"])),
                arrays["genes"],
                *(arrays.get(name) for name in ("library_sizes", "labels")),
            )


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method is asked: learn from `training`, name the cells of `test`."""

    training: Cells
    test: Cells
    types: tuple[str, ...]
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the problem's half of the folder."""
        self.training.save(folder / "training.npz")
        self.test.save(folder / "test.npz")
        about = {"types": self.types, "seed": self.seed, "settings": self.settings}
        (folder / "problem.json").write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Problem":
        """Read what `save` wrote."""
        about = json.loads((folder / "problem.json").read_text(encoding="utf-8"))
        return cls(
            Cells.load(folder / "training.npz"),
            Cells.load(folder / "test.npz"),
            tuple(about["types"]),
            about["seed"],
            about["settings"],
        )

    @property
    def labels(self) -> Labels:
        """The labels of the training cells."""
        if self.training.labels is None:
            raise ValueError("the training cells have no labels")
        return self.training.labels

    @property
    def codes(self) -> npt.NDArray[np.intp]:
        """The labels of the training cells as positions in `types`, which are sorted."""
        return np.searchsorted(np.array(self.types), self.labels)


@dataclass(frozen=True, eq=False)
class Named:
    """Probabilities, shape (n_cells, n_types), columns as `types`; and the label of each cell."""

    types: tuple[str, ...]
    probabilities: Probabilities
    predicted: Labels

    def save(self, folder: Path) -> None:
        """Write ``predictions.npz``."""
        np.savez(
            folder / "predictions.npz",
            types=np.array(self.types),
            probabilities=self.probabilities,
            predicted=self.predicted,
        )

    @classmethod
    def load(cls, folder: Path) -> "Named":
        """Read what `save` wrote."""
        with np.load(folder / "predictions.npz", allow_pickle=False) as arrays:
            types = tuple(map(str, arrays["types"]))
            return cls(types, arrays["probabilities"], arrays["predicted"])

    @classmethod
    def best_of(cls, types: Sequence[str], scores: npt.NDArray[np.floating[Any]]) -> "Named":
        """Normalise non-negative scores to sum one in each row, and name the best."""
        types = tuple(map(str, types))
        sums = scores.sum(axis=1, keepdims=True)
        equal = np.full(scores.shape, 1 / len(types))
        shares = np.divide(scores, sums, out=equal, where=sums > 0)
        return cls(types, shares.astype(np.float32), np.array(types)[scores.argmax(axis=1)])

    def in_order_of(self, types: Sequence[str]) -> "Named":
        """Return the same with columns for all of `types`; a type the method never saw gets 0."""
        if unknown := set(self.types) - set(types):
            raise ValueError(f"the method names types that nobody gave it: {sorted(unknown)}")
        full = np.zeros((len(self.predicted), len(types)), dtype=np.float32)
        full[:, [list(types).index(name) for name in self.types]] = self.probabilities
        if np.abs(full.sum(axis=1) - 1).max() > ROW_SUM_TOLERANCE:
            raise ValueError("the rows of the probabilities do not sum to one")
        return Named(tuple(types), full, self.predicted)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted method: a function that names the test cells, and the settings that were chosen."""

    name_cells: Callable[[], Named]
    chosen: dict[str, Any] = field(default_factory=dict)


def answer(fit: Callable[[Problem], Fitted], *, packages: Sequence[str]) -> None:
    """Solve the problem in the folder that the command line names, and measure it.

    Fitting is everything up to the fitted model, choosing settings included; naming starts from
    raw counts. Reading the folder is neither.
    """
    folder = Path(sys.argv[1])
    problem = Problem.load(folder)
    started = now()
    fitted = fit(problem)
    between = now()
    named = fitted.name_cells()
    ended = now()
    named.save(folder)
    report = {
        "fit_seconds": round(between[0] - started[0], 3),
        "fit_cpu_seconds": round(between[1] - started[1], 3),
        "predict_seconds": round(ended[0] - between[0], 4),
        "predict_cpu_seconds": round(ended[1] - between[1], 4),
        "peak_memory_mb": peak_memory_mb(),
        "chosen": fitted.chosen,
        "versions": {name: version(name) for name in packages}
        | {"python": platform.python_version()},
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def now() -> tuple[float, float]:
    """Return wall-clock and CPU seconds."""
    return time.perf_counter(), time.process_time()


def peak_memory_mb() -> int:
    """Return the peak resident memory of this process, its libraries included.

    On Linux ru_maxrss also counts what the parent held when it started this process, so that the
    kernel's own account of this program is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024**2 if sys.platform == "darwin" else peak // 1024
