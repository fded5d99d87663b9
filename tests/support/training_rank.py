"""Networks trained by one process or by one of several, as a function and as a program.

    training_rank.py HOST:PORT NUMBER COUNT FOLDER

writes what the process was told of each epoch, and the weights, into the folder.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from streamed_cells import KEY, QUICK, drawn

from cellclassifier import TrainingConfig
from cellclassifier.networks import build_mlp
from cellclassifier.training import (
    NO_UPKEEP,
    Checkpoints,
    Meeting,
    OthersDone,
    Ranks,
    Upkeep,
    train_network,
)
from cellclassifier.training.examples import Examples
from cellclassifier.training.stacking.towers import train_towers

# 3 divides neither the batches nor what is left for the last one; few sizes are quick to compile
N_CELLS = 211
ADAM = TrainingConfig(epochs=3, batch_size=95, refit=True, class_weights="sqrt")
TOWERS = replace(QUICK, epochs=2, batch_size=31)
N_TOWERS, N_UNITS = 4, 13  # 3 does not divide them: these are shared by cells


def examples():
    cells = drawn(N_CELLS, seed=3)
    codes = cells.obs[KEY].cat.codes.to_numpy().astype(np.int32)
    return Examples(cells.X.log1p().tocsr(), codes, ADAM.cell_weights(codes, 3))


def trained(upkeep=NO_UPKEEP):
    """Return the epochs and the weights of two trainings, by name."""
    cells, epochs = examples(), {"mlp": [], "towers": []}
    # shared by units, which 3 divides; with a penalty in the loss
    model = build_mlp(cells.n_genes, 3, hidden=(96, 7), l2=0.01)
    try:
        train_network(
            model,
            cells.expression,
            cells.codes,
            ADAM,
            upkeep=upkeep,
            watch=lambda *epoch: epochs["mlp"].append(epoch),
        )
    except OthersDone:  # the first one goes on: it divides the logits by the temperature
        assert not upkeep.ranks.is_first
    seen = np.arange(N_CELLS)[:, None] % N_TOWERS != np.arange(N_TOWERS)
    rng = np.random.default_rng(0)
    told = lambda *epoch: epochs["towers"].append(epoch)  # noqa: E731
    towers = train_towers(cells, seen, 3, N_UNITS, TOWERS, rng, told, upkeep)
    # the projection alone is settled up to the sign of its columns only
    first = towers.projection @ towers.kernel
    of_towers = [first, towers.bias, towers.head_kernel, towers.head_bias]
    return epochs, {"mlp": model.get_weights(), "towers": of_towers}


def main() -> None:
    coordinator, number, count, folder = sys.argv[1:]
    ranks = Meeting(coordinator, Ranks(int(number), int(count))).join()
    kept = Path(folder)
    epochs, weights = trained(Upkeep(Checkpoints(kept), ranks))
    ranks.disband()
    (kept / f"told_{number}.json").write_text(json.dumps(epochs), encoding="utf-8")
    for name, arrays in weights.items():
        np.savez(kept / f"{name}_{number}.npz", *arrays)


if __name__ == "__main__":
    main()
