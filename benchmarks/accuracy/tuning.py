"""Whether memory grows with the number of trials.

    python benchmarks/accuracy/tuning.py
    python benchmarks/accuracy/tuning.py --keep

A search of the perceptron over 25 trials on 770 blood cells, once as it is and once without freeing
memory between trials; one process each. One JSON line a run is written to
benchmarks/results/tuning.jsonl: what was found, and the resident memory last seen while so many
trials had ended (but for the last, that is in the middle of the next one).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import psutil
from record import provenance, save, shared_data

import cellclassifier as cc
from cellclassifier.tuning import search

DATA = "pbmc_10x_3prime.h5ad"
N_TRIALS = 25


def main() -> None:
    """Run one search and record it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="free nothing between trials")
    keep = parser.parse_args().keep
    if keep:
        vars(search)["free_memory"] = lambda: None
    row = {"memory": "kept" if keep else "freed", **run(shared_data(DATA))}
    print(row)
    save("tuning.jsonl", [row], lambda old: old["memory"] == row["memory"])


def run(data: Path) -> dict[str, object]:
    """Return what one search used and found."""
    resident: dict[int, int] = {}
    process = psutil.Process()

    def watch(epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:  # noqa: ARG001
        resident[epoch] = process.memory_info().rss // 2**20

    tuning = cc.tune(
        cc.read_cells(data),
        labels_key="cell_type",
        library_size_key="n_counts_all_genes",
        plan=cc.TuningPlan("mlp", n_trials=N_TRIALS),
        watch=watch,
    )
    return {
        "resident_mb": [resident[n_done] for n_done in range(1, N_TRIALS + 1)],
        "n_pruned": sum(trial.pruned for trial in tuning.trials),
        "default_log_loss": tuning.trials[0].log_loss,
        "best": tuning.best.to_json(),
        **provenance(data),
    }


if __name__ == "__main__":
    main()
