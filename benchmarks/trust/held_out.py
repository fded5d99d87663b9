"""Fits of the default whose held-out logits are kept: one a task and fold, cached.

A fit takes half a minute of processor time and more, and what is measured on it does not. The
cache is `$XDG_CACHE_HOME/cellclassifier/benchmarks/trust`; delete it to fit again.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from environments import cache_folder
from record import measured_commit
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, Split, Task

import cellclassifier as cc
from cellclassifier.classifier.shifting import adapt
from cellclassifier.classifier.trusting import TrustSettings
from cellclassifier.classifier.view import ModelView
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.training import trainer
from cellclassifier.training.stacking import train_by_stacking

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
Cells = Any  # AnnData has no types


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a fit says of cells that it has not seen.

    `held_out` are the out-of-fold logits of the training cells, whose types are `codes`; `test`
    the logits of the test cells, whose types are `truth`; `shift` is what was measured on the test
    cells, and `unknown` the share of them that the status of this name is given, all known ones.
    """

    held_out: Floats
    codes: Codes
    test: Floats
    truth: Codes
    labels: npt.NDArray[np.str_]
    shift: float
    unknown: float
    commit: str


def fits_of(tasks: list[Task], folds: list[int]) -> Iterator[tuple[Task, int, HeldOut]]:
    """Yield each task and fold with its fit; a task of one fold has that one only."""
    for task in tasks:
        for fold in folds if task.n_folds > 1 else [0]:
            yield task, fold, cached_fit(task, fold)


def cached_fit(task: Task, fold: int) -> HeldOut:
    """Return the fit of a task and fold, from the cache or anew."""
    path = cache_folder() / "trust" / f"{task.name}-{fold}.npz"
    if not path.exists():
        write(path, fit(task, fold))
    with np.load(path, allow_pickle=False) as arrays:
        values = {name: arrays[name] for name in arrays}
    numbers = {name: float(values[name]) for name in ("shift", "unknown")}
    return HeldOut(**values | numbers | {"commit": str(values["commit"])})


def write(path: Path, made: HeldOut) -> None:
    """Write an .npz, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, **asdict(made))
    temporary.replace(path)


def fit(task: Task, fold: int) -> HeldOut:
    """Fit the default as it comes."""
    split = task.split(fold)
    kept: dict[str, Any] = {}

    def keeping(examples: Any, *arguments: Any) -> Any:  # noqa: ANN401  (as the function's own)
        kept["stacked"], kept["codes"] = train_by_stacking(examples, *arguments), examples.codes
        return kept["stacked"]

    with patch.object(trainer, "train_by_stacking", keeping):
        classifier, size_key = default_of(split)
    logits, shift = logits_of(classifier, split.test, size_key)
    named = classifier.classify(split.test, library_size_key=size_key, trust=TrustSettings())
    assert named.trust is not None  # noqa: S101
    labels = list(classifier.manifest_.label_space.labels)
    truth = [labels.index(label) for label in split.test.obs[LABELS_KEY].astype(str)]
    return HeldOut(
        kept["stacked"].out_of_fold,
        kept["codes"][kept["stacked"].known].astype(np.int64),
        logits,
        np.array(truth, dtype=np.int64),
        np.array(labels, dtype=str),
        shift,
        float((named.trust.statuses == "unknown").mean()),
        measured_commit(),
    )


def default_of(split: Split) -> tuple[cc.CellTypeClassifier, str | None]:
    """Return the default, fitted on the training cells, and where library sizes are, if known."""
    size_key = LIBRARY_SIZE_KEY if LIBRARY_SIZE_KEY in split.training.obs else None
    fitted = cc.CellTypeClassifier(seed=SEED).fit(
        split.training, labels_key=LABELS_KEY, library_size_key=size_key
    )
    return fitted, size_key


def logits_of(
    classifier: cc.CellTypeClassifier, cells: Cells, size_key: str | None
) -> tuple[Floats, float]:
    """Return the logits of cells, (n_cells, n_types), and the shift that they were named for."""
    raw = cc.find_counts(cells, library_size_key=size_key)
    view = ModelView.of(classifier.manifest_, raw, map_orthologs=False)
    adapted = adapt(view, classifier.predictor(), None)
    return adapted.predict(raw, n_cores()).logits, float(adapted.shift or 0.0)
