"""The original study's networks, and today's linear default, on the sorted blood cells.

    python benchmarks/accuracy/original.py [--networks linear original-mlp original-cnn]
    python benchmarks/accuracy/original.py --full [--fetched DIR/zheng-sorted.h5ad]

Five stratified folds (seed 0) of the ten bead-sorted populations of Zheng et al. 2017; the
convolutional network on fold 0 only, generalised to all 16,791 genes. Each fold is fitted in a
process of its own, so that its peak memory is its own. One JSON line a fold is written to
benchmarks/results/original.jsonl, and a table is printed.

With --full: every fold of every network, the convolutional one by its low-level twin, on
zheng_sorted_facs, on zheng_sorted_merged and, where it is named, on the original study's 20,000
cells as ``cellclassifier fetch zheng-sorted`` writes them. Each cell is named once, by a network
that has not seen it; over all of them the table that the original README had is printed (precision
and recall of each type, loss, accuracy). Rows go to benchmarks/results/original_full.jsonl,
confusion plots to docs/images.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from folds import N_FOLDS, Task, in_own_process
from record import ROOT, Row, provenance, save, shared_data

if TYPE_CHECKING:
    import cellclassifier as cc

FOLDS = {"original-cnn": (0,)}
MARKS = {"linear": 0.92, "original-mlp": 0.84, "original-cnn": 0.82}
SETS = ("zheng_sorted_facs.h5ad", "zheng_sorted_merged.h5ad")
IMAGES = ROOT / "docs" / "images"


def main() -> None:
    """Run what is asked for, fold by fold, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(MARKS), choices=list(MARKS))
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--fetched", type=Path)
    arguments = parser.parse_args()
    if arguments.full:
        run_full(arguments.networks, arguments.fetched)
    else:
        run_short(arguments.networks)


def run_short(networks: list[str]) -> None:
    """Run the folds that the README's table has."""
    data = str(shared_data(SETS[0]))
    tasks = [
        Task(network, data, fold)
        for network in networks
        for fold in FOLDS.get(network, range(N_FOLDS))
    ]
    with tempfile.TemporaryDirectory() as folder:
        rows = [in_own_process(task, Path(folder) / "predictions.npz") for task in tasks]
    save("original.jsonl", rows, lambda row: row["network"] in networks)
    print_table(rows)


def run_full(networks: list[str], fetched: Path | None) -> None:
    """Run all folds of each set, and print each network's table of types."""
    files = [shared_data(name) for name in SETS] + ([fetched] if fetched else [])
    for path in files:
        rows = []
        for network in networks:
            own, evaluation = all_folds(network, path)
            rows += own
            print_types(f"{network} on {path.stem}", evaluation)
            draw_confusion(evaluation, IMAGES / f"confusion_{path.stem}_{network}.png")
        save("original_full.jsonl", rows, partial(is_of, networks, path.name))
        print_table([row for row in rows if row["fold"] is not None])


def is_of(networks: list[str], data: str, row: Row) -> bool:
    """Tell whether a row is of one of these networks on this file."""
    return row["network"] in networks and row["data"] == data


def all_folds(network: str, path: Path) -> tuple[list[Row], "cc.Evaluation"]:
    """Return the rows of the folds, one more of all folds together, and the latter's scores."""
    engine: Literal["keras", "lowlevel"] = "lowlevel" if network == "original-cnn" else "keras"
    rows, parts = [], []
    with tempfile.TemporaryDirectory() as folder:
        for fold in range(N_FOLDS):
            part = Path(folder) / f"{fold}.npz"
            rows.append(in_own_process(Task(network, str(path), fold, engine), part))
            parts.append(part)
        evaluation = pooled(parts)
    scores = evaluation.to_json()
    scores.pop("about")
    # what belongs to one fold only is left out of the row of all of them
    shared = {key: rows[0][key] for key in ("network", "engine", "normalisation", "training")}
    shared |= {key: rows[0][key] for key in ("split", "seed", "threads", *provenance(path))}
    return [*rows, {**shared, "fold": None, **scores}], evaluation


def pooled(parts: list[Path]) -> "cc.Evaluation":
    """Score the predictions of all folds together."""
    import numpy as np
    import pandas as pd

    import cellclassifier as cc

    arrays = [np.load(part, allow_pickle=False) for part in parts]
    truth = np.concatenate([part["truth"] for part in arrays])
    probabilities = np.concatenate([part["probabilities"] for part in arrays])
    space = cc.LabelSpace(tuple(map(str, arrays[0]["labels"])))
    names = pd.Index([str(number) for number in range(len(truth))])
    return cc.evaluate(truth, cc.Predictions(space, probabilities, names))


def print_types(title: str, evaluation: "cc.Evaluation") -> None:
    """Print precision and recall of each type, then loss and accuracy over all folds."""
    print(f"\n{title}\n{'':32}precision  recall     F1   cells")
    for label, scores in evaluation.per_type.items():
        print(
            f"{label:32}{scores.precision:9.3f}  {scores.recall:6.3f}  {scores.f1:5.3f}  "
            f"{scores.n_cells:6,}"
        )
    print(f"loss {evaluation.log_loss:.4f}  accuracy {evaluation.accuracy:.4f}")


def draw_confusion(evaluation: "cc.Evaluation", path: Path) -> None:
    """Draw the confusion matrix over all folds."""
    from cellclassifier.reporting import plots

    plots.save_figure(plots.confusion(evaluation), path)
    print(f"drew {path.relative_to(ROOT)}")


def print_table(rows: list[Row]) -> None:
    """Print the mean over folds of each network, beside its mark."""
    print(f"{'network':14} folds  accuracy (mark)  macro-F1  log-loss    ECE   fit s  peak MB")
    for network in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == network]
        mean = {
            key: sum(row[key] for row in own) / len(own)
            for key in ("accuracy", "macro_f1", "log_loss", "ece", "fit_seconds")
        }
        peak = max(row["peak_memory_mb"] for row in own)
        print(
            f"{network:14} {len(own):5}  {mean['accuracy']:.4f}   ({MARKS[network]:.2f})  "
            f"{mean['macro_f1']:.4f}    {mean['log_loss']:.4f}  {mean['ece']:.4f}  "
            f"{mean['fit_seconds']:6.1f}  {peak:7}"
        )


if __name__ == "__main__":
    main()
