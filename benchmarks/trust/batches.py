"""What a batch key brings: cells of a batch that training did not see, named with it and without.

    PYTHONPATH=benchmarks/accuracy:src python benchmarks/trust/batches.py [--problems pooled]
        [--variants key weights]

A batch is left out and named by what the others teach. "merged": zheng_sorted_merged without one
of its three selections, ten types, some of which one selection alone has; "novel": the same
without NK cells, which the selection left out then holds as a type that nobody knows; "pooled":
five coarse types of zheng_sorted_merged, pbmc3k and pbmc_10x_3prime on the genes that all three
measured, six batches of three sources; "to": three batches of zheng_sorted_merged, all of another
file to name. Variants: "none" has no key; "key" has one; "weights" has one, and cells of a type
count by one over the root of how many their batch has of it; "map" has one, but what is said of
held-out cells comes from maps of the logits that have seen other cells of their batch. "linear" and
"linear key" are that network without and with a key. `said` is what the model file says of itself,
`expected` what `check` expects of the test cells. One row a fit goes to
benchmarks/results/batches.jsonl as soon as it is measured. About half an hour of one core.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import anndata as ad
import numpy as np
import pandas as pd
from labels import DROP
from record import Row, provenance, save, shared_data
from sklearn.metrics import roc_auc_score
from tasks import (
    LABELS_KEY,
    LIBRARY_SIZE_KEY,
    SEED,
    TASKS,
    checked,
    of_known_types,
    read_counted,
    relabelled,
    shared_genes,
)

import cellclassifier as cc
from cellclassifier.errors import InputWarning
from cellclassifier.training import trainer
from cellclassifier.training.examples import Examples
from cellclassifier.training.stacking import opinions, train_by_stacking
from cellclassifier.training.stacking.opinions import map_of_logits

Cells = Any  # AnnData has no types
BATCH_KEY = "batch"
NOVEL = "CD56+ NK"
MERGED, PBMC3K, THREE_PRIME = (
    "zheng_sorted_merged.h5ad",
    "pbmc3k.h5ad",
    "pbmc_10x_3prime.h5ad",
)
UPSTREAMS = ("facs", "mudan", "same")


@dataclass(frozen=True, eq=False)
class Problem:
    """Cells to learn from, and cells of another batch; some of these may be of a novel type."""

    name: str
    data: tuple[str, ...]
    training: Cells
    test: Cells
    novel: Cells | None = None


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=PROBLEMS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    arguments = parser.parse_args()
    # types that one batch alone has are what these problems are about
    warnings.simplefilter("ignore", InputWarning)
    rows = []
    for name in arguments.problems:
        for problem in PROBLEMS[name]():
            for variant in arguments.variants:
                row = measured(problem, variant)
                save("batches.jsonl", [row], partial(is_of, row["problem"], row["variant"]))
                rows.append(row)
                print(
                    problem.name,
                    variant,
                    f"{row['accuracy']:.3f}",
                    f"{row['said']['accuracy']:.3f}",
                    flush=True,
                )
    print(pd.DataFrame(map(short, rows)).to_string(index=False))


def is_of(problem: str, variant: str, row: Row) -> bool:
    """Tell whether a row is that of a fit."""
    return (row["problem"], row["variant"]) == (problem, variant)


def merged() -> Iterator[Problem]:
    """Yield the sorted cells without a selection, and that."""
    for value in UPSTREAMS:
        split = TASKS[f"merged_without_{value}"].split(0)
        training = with_batches(split.training, "upstream")
        yield Problem(f"merged_without_{value}", (MERGED,), training, split.test)


def novel() -> Iterator[Problem]:
    """Yield the same without natural killers, which the selection left out holds."""
    for problem in merged():
        known, other = (
            cells.obs[LABELS_KEY] == NOVEL for cells in (problem.training, problem.test)
        )
        yield Problem(
            f"{problem.name}_nor_nk",
            problem.data,
            problem.training[~known.to_numpy()].copy(),
            problem.test[~other.to_numpy()].copy(),
            problem.test[other.to_numpy()].copy(),
        )


def pooled() -> Iterator[Problem]:
    """Yield three sources of blood without one of their six batches, and that."""
    cells = pool()
    for value in cells.obs[BATCH_KEY].unique():
        apart = (cells.obs[BATCH_KEY] == value).to_numpy()
        split = checked(of_known_types(cells[~apart], cells[apart]))
        data = (MERGED, PBMC3K, THREE_PRIME)
        name = f"pooled_without_{str(value).replace(' ', '_')}"
        yield Problem(name, data, split.training, split.test)


def pool() -> Cells:
    """Return the coarse types of three files, on the genes that all of them measured."""
    first, *others = (
        relabelled(read_counted(name), label_map)
        for name, label_map in (
            (MERGED, "merged_coarse"),
            (PBMC3K, "pbmc3k_coarse"),
            (THREE_PRIME, "pbmc_10x_3prime_coarse"),
        )
    )
    parts = [first]
    for other in others:
        columns, own = shared_genes(first.var, other.var)
        names = first.var_names[columns]
        part = other[:, own].copy()
        part.var_names = names
        parts.append(part)
    batches = (first.obs["upstream"], "pbmc3k", others[1].obs["protocol"])
    for number, (part, batch) in enumerate(zip(parts, batches, strict=True)):
        part.obs[BATCH_KEY] = batch if isinstance(batch, str) else batch.astype(str)
        part.obs_names = [f"{number} {name}" for name in part.obs_names]
    columns_of_obs = [LABELS_KEY, LIBRARY_SIZE_KEY, BATCH_KEY]
    for part in parts:
        part.obs = part.obs[columns_of_obs]
    joined = ad.concat(parts, join="inner", merge="first")
    joined.var = first.var.loc[joined.var_names]
    joined.uns["file"] = "pooled"
    return joined[(joined.obs[LABELS_KEY] != DROP).to_numpy()].copy()


def to_others() -> Iterator[Problem]:
    """Yield all sorted cells, and another file."""
    for name in ("merged_to_pbmc3k", "merged_to_3prime"):
        task = TASKS[name]
        split = task.split(0)
        yield Problem(name, task.data, with_batches(split.training, "upstream"), split.test)


def with_batches(cells: Cells, key: str) -> Cells:
    """Return cells with the column of batches."""
    cells.obs[BATCH_KEY] = cells.obs[key].astype(str)
    return cells


PROBLEMS: dict[str, Callable[[], Iterator[Problem]]] = {
    "merged": merged,
    "pooled": pooled,
    "to": to_others,
    "novel": novel,
}


def by_root_of_batches(examples: Examples, *others: Any) -> Any:  # noqa: ANN401  (the function's own)
    """Train with cells of a type weighed by the roots of its batches, its total as it was."""
    batch_codes = np.asarray(examples.batch_codes)
    cells = examples.codes.astype(np.intp) * (int(batch_codes.max()) + 1) + batch_codes
    weights = examples.cell_weights / np.sqrt(np.bincount(cells)[cells])
    before, after = (
        np.bincount(examples.codes, values) for values in (examples.cell_weights, weights)
    )
    weights *= (before / np.maximum(after, np.finfo(float).tiny))[examples.codes]
    return train_by_stacking(replace(examples, cell_weights=weights.astype(np.float32)), *others)


def by_cells(logits: Any, codes: Any, sample: Any, rng: Any, _: Any) -> Any:  # noqa: ANN401  (arrays)
    """Learn maps of the logits without some cells, and not without whole batches."""
    return map_of_logits(logits, codes, sample, rng)


# network, whether it has the key, and what is changed meanwhile
VARIANTS: dict[str, tuple[str, bool, Callable[[], AbstractContextManager[Any]]]] = {
    "none": ("wide-deep", False, nullcontext),
    "key": ("wide-deep", True, nullcontext),
    "weights": (
        "wide-deep",
        True,
        lambda: patch.object(trainer, "train_by_stacking", by_root_of_batches),
    ),
    "map": ("wide-deep", True, lambda: patch.object(opinions, "map_of_logits", by_cells)),
    "linear": ("linear", False, nullcontext),
    "linear key": ("linear", True, nullcontext),
}


def measured(problem: Problem, variant: str) -> Row:
    """Return the row of a fit."""
    network, has_key, changed = VARIANTS[variant]
    classifier = cc.CellTypeClassifier(network, seed=SEED)
    begin = time.process_time()
    with changed():
        classifier.fit(
            problem.training,
            labels_key=LABELS_KEY,
            batch_key=BATCH_KEY if has_key else None,
            library_size_key=LIBRARY_SIZE_KEY,
        )
    seconds = time.process_time() - begin
    training = classifier.manifest_.training
    files = [provenance(shared_data(name)) for name in problem.data]
    said = {name: training["validation"][name] for name in ("accuracy", "log_loss", "ece")}
    return files[0] | {
        "data": list(problem.data),
        "data_sha256": [file["data_sha256"] for file in files],
        "problem": problem.name,
        "variant": variant,
        "network": network,
        "seed": SEED,
        "n_training_cells": problem.training.n_obs,
        "n_training_batches": int(problem.training.obs[BATCH_KEY].nunique()),
        "n_types": len(classifier.classes_),
        "said": said,
        "batches": training.get("batches"),
        "fit_cpu_s": round(seconds, 1),
        **scores(classifier, problem),
    }


def scores(classifier: cc.CellTypeClassifier, problem: Problem) -> Row:
    """Return how test cells are named, and what is said of them."""
    sizes: Any = {"library_size_key": LIBRARY_SIZE_KEY}
    truth = problem.test.obs[LABELS_KEY].astype(str)
    predictions = classifier.classify(problem.test, **sizes)
    alone = classifier.classify(problem.test, shift=0, **sizes)
    found, unshifted = cc.evaluate(truth, predictions), cc.evaluate(truth, alone)
    expected = cc.check(problem.test, classifier, **sizes).model
    row = {
        "n_cells": found.n_cells,
        "shift": predictions.shift,
        "accuracy": found.accuracy,
        "log_loss": found.log_loss,
        "ece": found.ece,
        "coverage": found.sets.coverage if found.sets else None,
        "set_size": found.sets.mean_size if found.sets else None,
        "unshifted": {
            "accuracy": unshifted.accuracy,
            "log_loss": unshifted.log_loss,
            "ece": unshifted.ece,
            "coverage": unshifted.sets.coverage if unshifted.sets else None,
        },
        "expected": expected.expected.accuracy if expected and expected.expected else None,
        "called_unknown": called_unknown(predictions),
    }
    if problem.novel is None or predictions.trust is None:
        return row
    # all in one go: the shift is that of the whole query
    both = ad.concat([problem.test, problem.novel], merge="first")
    together = classifier.classify(both, **sizes)
    is_novel = np.arange(both.n_obs) >= problem.test.n_obs
    novelty = together.trust.novelty if together.trust else np.zeros(both.n_obs)
    return row | {
        "n_novel": int(is_novel.sum()),
        "novelty_auroc": float(roc_auc_score(is_novel, novelty)),
        "known_called_unknown": called_unknown(together, ~is_novel),
        "novel_called_unknown": called_unknown(together, is_novel),
    }


def called_unknown(predictions: cc.Predictions, rows: Any = slice(None)) -> float | None:  # noqa: ANN401
    """Return the share of some cells that have the status unknown."""
    if predictions.trust is None:
        return None
    return float((predictions.trust.statuses[rows] == "unknown").mean())


def short(row: Row) -> Row:
    """Return what is printed of a row."""
    names = ("problem", "variant", "accuracy", "log_loss", "ece", "coverage", "called_unknown")
    said = {f"said {name}": value for name, value in row["said"].items()}
    numbers = {name: row[name] for name in names} | said | {"auroc": row.get("novelty_auroc")}
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in numbers.items()}


if __name__ == "__main__":
    main()
