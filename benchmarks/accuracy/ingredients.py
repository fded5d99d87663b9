"""What each ingredient of the default network brings: the default, and without one at a time.

    PYTHONPATH=src python benchmarks/accuracy/ingredients.py [--tasks paul15] [--folds 0]
        [--variants full linear] [--again] [--draw]

On zheng_sorted_facs, baron_pancreas and paul15: three of five stratified folds inside four fifths
of the cells, as in designs.py, so that the last fifth is not looked at; and on facs_to_mudan and
merged_to_3prime of tasks.py, which cross selections and protocols. A row is written to
benchmarks/results/ingredients.jsonl as soon as it is measured, and what stands there for the same
cells and code is not measured again. Printed is what each variant has more than the full default on
the same cells, with a 95 % bootstrap interval over cells, paired, within folds; and
docs/images/ingredients.png is drawn. --draw measures nothing. About a quarter of an hour on two
quiet cores.

"without towers" trains the perceptrons for one epoch only and gives them no weight, so that its
time says nothing; "shift 0" is the full network again, each cell named for itself.
"""

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from designs import folds, training_part
from environments import OWN
from leaderboard import Difference, difference, newest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from methods import Method
from record import RESULTS, ROOT, Row, measured_commit, provenance, shared_data
from rows import Rows, as_text, packed
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, TASKS

import cellclassifier as cc
from cellclassifier.classifier.recipes import DEFAULT_NETWORK, find_recipe
from cellclassifier.data import read_labels
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.reporting import plots
from cellclassifier.training.stacking import layers, opinions, stacked
from cellclassifier.training.stacking.mapping import LogitMap
from cellclassifier.training.stacking.paths import Head
from cellclassifier.training.stacking.weights import stacking_weights

HOME = ("zheng_sorted_facs", "baron_pancreas", "paul15")
ABROAD = ("facs_to_mudan", "merged_to_3prime")
# three of the five inner folds hold enough cells, and leave the time within bounds
USUAL_FOLDS = (0, 1, 2)
FULL = "full"
PICTURE = ROOT / "docs" / "images" / "ingredients.png"
COLOUR = "#1b6ca8"

Cells = Any  # AnnData has no types
Heads = list[Head]
# as the module itself names them
usual_heads: Callable[..., Heads] = vars(stacked)["_heads"]


def last_only(heads: Heads) -> Heads:
    """Return the heads without the earlier points of their paths."""
    return [replace(head, checkpoints=head.checkpoints[-1:]) for head in heads]


def per_300_only(heads: Heads) -> Heads:
    """Return the heads that look at counts per 300."""
    return [head for head in heads if head.view == layers.NEAR]


def not_nearest(heads: Heads) -> Heads:
    """Return the heads but those that look at counts per 30."""
    return [head for head in heads if head.view != layers.NEAREST]


@dataclass(frozen=True)
class Variant:
    """The default with one thing changed.

    `heads` turns the usual linear heads into others; `towers` says whether the perceptrons count,
    `mapped` whether the logits go through a map; `shift` is handed to `classify`.
    """

    name: str
    network: str = DEFAULT_NETWORK
    heads: Callable[[Heads], Heads] | None = None
    towers: bool = True
    mapped: bool = True
    shift: float | None = None

    @property
    def settings(self) -> Row:
        """What differs from the default, as a row says it."""
        heads = self.heads and self.heads.__name__
        own = {"network": self.network, "heads": heads, "shift": self.shift}
        return own | {"towers": self.towers, "mapped": self.mapped}

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Have the training of the default leave out what this variant leaves out."""
        with ExitStack() as changes:
            change = self.heads
            if change is not None:
                own = patch.object(stacked, "_heads", lambda config, /: change(usual_heads(config)))
                changes.enter_context(own)
            if not self.towers:
                changes.enter_context(patch.object(opinions, "stacking_weights", without_last))
            if not self.mapped:
                changes.enter_context(patch.object(opinions, "fit_map", no_map))
            yield

    def classifier(self) -> cc.CellTypeClassifier:
        """Return the classifier to be fitted."""
        training = find_recipe(self.network).training
        if not self.towers:
            training = replace(training, epochs=1)
        return cc.CellTypeClassifier(self.network, training=training, seed=SEED)


def without_last(members: Sequence[Any], codes: Any) -> Any:  # noqa: ANN401  (arrays)
    """Return stacking weights of which the last member's, the towers', is zero."""
    return np.append(stacking_weights(members[:-1], codes), 0.0)


def no_map(logits: Any, _: Any) -> LogitMap:  # noqa: ANN401  (arrays)
    """Return the map that leaves all as it is."""
    n_types = logits.shape[1]
    return LogitMap(np.eye(n_types), np.zeros(n_types))


# the variant that needs no fit of its own follows the one whose network it uses
VARIANTS = (
    Variant(FULL),
    Variant("shift 0", shift=0.0),
    Variant("without the paths", heads=last_only),
    Variant("without the map", mapped=False),
    Variant("without towers", towers=False),
    Variant("linear on per 300 only", heads=per_300_only),
    Variant("without per 30", heads=not_nearest),
    Variant("linear", network="linear"),
)


@dataclass(frozen=True, eq=False)
class Problem:
    """Cells to learn from and cells to name."""

    task: str
    fold: int
    training: Cells
    test: Cells
    library_size_key: str | None
    data: tuple[str, ...]
    split: str

    @property
    def truth(self) -> Any:  # noqa: ANN401  (an array)
        """The types of the cells to name."""
        return read_labels(self.test, LABELS_KEY)

    def key(self, variant: Variant, code_sha256: str) -> Row:
        """Return all that decides what a row measures."""
        files = [provenance(shared_data(name)) for name in self.data]
        truth = "\n".join(map(str, self.truth))
        return files[0] | {
            "data": list(self.data),
            "data_sha256": [file["data_sha256"] for file in files],
            "task": self.task,
            "split": self.split,
            "fold": self.fold,
            "seed": SEED,
            "method": variant.name,
            "settings": variant.settings,
            "truth_sha256": hashlib.sha256(truth.encode()).hexdigest(),
            "code_sha256": code_sha256,
            "threads": n_cores(),
        }


def main() -> None:
    """Measure what is asked for and does not stand, then print and draw."""
    arguments = parse_arguments()
    rows = Rows(RESULTS / "ingredients.jsonl")
    if not arguments.draw:
        variants = [variant for variant in VARIANTS if variant.name in arguments.variants]
        measure(rows, arguments.tasks, arguments.folds, variants, again=arguments.again)
    found = differences(newest(rows.read()))
    print(as_table(found).to_string(index=False))
    if found:
        draw(found)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--tasks", nargs="+", default=[*HOME, *ABROAD], choices=[*HOME, *ABROAD])
    parser.add_argument("--folds", nargs="+", type=int, default=list(USUAL_FOLDS))
    parser.add_argument("--variants", nargs="+", default=names, choices=names)
    parser.add_argument("--again", action="store_true", help="measure what stands as well")
    parser.add_argument("--draw", action="store_true", help="only print and draw what stands")
    return parser.parse_args()


def measure(
    rows: Rows, tasks: list[str], asked: list[int], variants: list[Variant], *, again: bool
) -> None:
    """Write the rows that are missing, one by one."""
    # before the first row is written, which changes the working tree
    commit, code = measured_commit(), this_code()
    for task in tasks:
        for fold in asked if task in HOME else [0]:
            problem = problem_of(task, fold)
            keys = {variant: problem.key(variant, code) for variant in variants}
            missing = [one for one in variants if again or not rows.stand(keys[one])]
            for variant, scores in scored(problem, missing):
                rows.append(keys[variant] | scores | {"commit": commit})
                print(
                    f"{task} fold {fold} {variant.name}: accuracy {scores['accuracy']:.4f}, "
                    f"log-loss {scores['log_loss']:.4f}, fit {scores['fit_cpu_seconds']:.1f} CPU s",
                    flush=True,
                )


def this_code() -> str:
    """Return a hash of the package, of this script and of the packages that both require."""
    return Method(
        "ingredients", ROOT / "benchmarks" / "accuracy" / "ingredients.py", OWN
    ).code_sha256


def problem_of(task: str, fold: int) -> Problem:
    """Return an inner fold at home, or a pair of files abroad."""
    if task in ABROAD:
        split, own = TASKS[task].split(fold), TASKS[task]
        return Problem(task, fold, split.training, split.test, LIBRARY_SIZE_KEY, own.data, own.how)
    data = f"{task}.h5ad"
    reference = read_training_part(data)
    training, test = list(folds(read_labels(reference, LABELS_KEY)))[fold]
    return Problem(
        task,
        fold,
        reference[training].copy(),
        reference[test].copy(),
        None,
        (data,),
        "inner folds of the training part of fold 0",
    )


@cache
def read_training_part(data: str) -> Cells:
    """Return four fifths of the cells of a file; not to be changed."""
    return training_part(data)


def scored(problem: Problem, variants: list[Variant]) -> Iterator[tuple[Variant, Row]]:
    """Yield what each variant reaches; variants that differ in the shift only share a fit."""
    fitted: tuple[Variant, cc.CellTypeClassifier, float] | None = None
    for variant in variants:
        trained_as = replace(variant, name=FULL, shift=None)
        if fitted is None or fitted[0] != trained_as:
            fitted = trained_as, *fit(variant, problem)
        _, classifier, fit_cpu_seconds = fitted
        predictions = classifier.classify(
            problem.test, shift=variant.shift, library_size_key=problem.library_size_key
        )
        truth = problem.truth
        evaluation = cc.evaluate(truth, predictions).to_json()
        types = list(predictions.label_space.labels)
        predicted = predictions.probabilities.argmax(axis=1).astype(np.uint8)
        right = np.array(predictions.labels) == truth
        yield (
            variant,
            {
                **{key: evaluation[key] for key in ("accuracy", "macro_f1", "log_loss", "ece")},
                "shift": predictions.shift,
                "n_cells": len(truth),
                "n_training_cells": problem.training.n_obs,
                "fit_cpu_seconds": round(fit_cpu_seconds, 2),
                "types": types,
                "predicted": as_text(packed(predicted)),
                "correct": as_text(packed(np.packbits(right))),
            },
        )


def fit(variant: Variant, problem: Problem) -> tuple[cc.CellTypeClassifier, float]:
    """Return the fitted classifier, and how many seconds of all processors that took."""
    started = time.process_time()
    with variant.in_force():
        classifier = variant.classifier().fit(
            problem.training, labels_key=LABELS_KEY, library_size_key=problem.library_size_key
        )
    return classifier, time.process_time() - started


def differences(rows: list[Row]) -> list[tuple[str, float, Difference]]:
    """Return for each variant by how much log-loss and accuracy exceed those of the full default.

    On the folds that both have; the variant's name comes first.
    """
    found = []
    for task in (*HOME, *ABROAD):
        own = {
            variant.name: {
                row["fold"]: row
                for row in rows
                if (row["task"], row["method"]) == (task, variant.name)
            }
            for variant in VARIANTS
        }
        for name, of_fold in own.items():
            both = sorted(of_fold.keys() & own[FULL].keys())
            if name != FULL and both:
                there, full = [of_fold[fold] for fold in both], [own[FULL][fold] for fold in both]
                losses = [a["log_loss"] - b["log_loss"] for a, b in zip(there, full, strict=True)]
                # of the variant less the full one
                found.append((name, float(np.mean(losses)), difference(task, FULL, there, full)))
    return found


def as_table(found: list[tuple[str, float, Difference]]) -> pd.DataFrame:
    """Return the table that is printed."""
    return pd.DataFrame(
        {
            "task": one.task,
            "variant": name,
            "folds": one.n_folds,
            "points of accuracy": f"{100 * one.mean:+.2f}",
            "95 % interval": f"{100 * one.low:+.2f} to {100 * one.high:+.2f}",
            "log-loss": f"{log_loss:+.4f}",
        }
        for name, log_loss, one in found
    )


def draw(found: list[tuple[str, float, Difference]]) -> None:
    """Draw what each variant changes, a panel a task."""
    tasks = list(dict.fromkeys(one.task for _, _, one in found))
    figure = Figure(figsize=(1.6 + 2.3 * len(tasks), 3.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(tasks), sharey=True))
    names = [variant.name for variant in VARIANTS[1:]][::-1]
    for panel, task in zip(panels, tasks, strict=True):
        draw_task(panel, names, {name: one for name, _, one in found if one.task == task})
        panel.set_title(task, fontsize=9)
    panels[0].set_yticks(range(len(names)), names, fontsize=9)
    figure.supxlabel("points of accuracy more than the full default (95 % interval)", fontsize=10)
    plots.save_figure(figure, PICTURE)


def draw_task(panel: Axes, names: list[str], found: dict[str, Difference]) -> None:
    """Draw the differences on one task, a line a variant."""
    places = [place for place, name in enumerate(names) if name in found]
    own = [found[names[place]] for place in places]
    means = 100 * np.array([one.mean for one in own])
    lows, highs = (100 * np.array([getattr(one, end) for one in own]) for end in ("low", "high"))
    reach = np.abs([lows - means, highs - means])
    panel.errorbar(means, places, xerr=reach, fmt="o", color=COLOUR, markersize=4, capsize=2, lw=1)
    panel.axvline(0, color="0.3", linewidth=0.8)
    panel.grid(axis="x", color="0.9", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
