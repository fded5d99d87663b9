"""What is lost when ranked genes are zeroed: the original study's ablation.

    python benchmarks/accuracy/ablation.py [--draw]

The genes detected in three cells or more of the training folds are ranked there by divergence.
Windows of ranks are set to zero in all cells, one window at a time, or all ranks up to a bound at
once; the linear classifier is trained again on what is left of the 4,000 best and scored on the
held-out fold (five stratified folds, seed 0). One JSON line a set, ablation and fold is written to
benchmarks/results/ablation.jsonl, a table is printed, and docs/images/ablation.png is drawn.
"""

import argparse
from itertools import pairwise

import numpy as np
import pandas as pd
from designs import N_FOLDS, SEED, folds
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from panel_size import DATA, counts_and_labels
from record import RESULTS, ROOT, Row, provenance, save, shared_data
from scipy import sparse, stats

import cellclassifier as cc
from cellclassifier.classifier.panel_scores import score_panel
from cellclassifier.classifier.recipes import PANEL_GENES, find_recipe
from cellclassifier.data import AlignedCounts
from cellclassifier.reporting import plots
from cellclassifier.training import progress_bar

BOUNDS = (0, 10, 30, 100, 300, 1000, 3000)
# name -> the ranks that are zeroed, from 0, the last one excluded
WINDOWS = {f"{low + 1}-{high}": (low, high) for low, high in pairwise(BOUNDS)}
FROM_THE_TOP = {f"1-{high}": (0, high) for high in BOUNDS[2:]}
NOTHING = "none"
ABLATIONS = {NOTHING: (0, 0)} | WINDOWS | FROM_THE_TOP
RESULTS_FILE = "ablation.jsonl"
PICTURE = ROOT / "docs" / "images" / "ablation.png"
COLOURS = ("#1b6ca8", "#c0653a")


def main() -> None:
    """Score, save, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true")
    if not parser.parse_args().draw:
        save(RESULTS_FILE, [row for data in DATA for row in scored(data)], lambda _: True)
    results = pd.read_json(RESULTS / RESULTS_FILE, lines=True)
    losses = pd.concat([lost(results[results["data"] == data]) for data in DATA], keys=DATA)
    print((100 * losses).round(2).to_string())
    draw(losses)


def scored(data: str) -> list[Row]:
    """Return one row an ablation and fold."""
    raw, labels = counts_and_labels(data)
    codes = cc.LabelSpace.of(labels).encode(labels)
    normalisation = find_recipe("linear").normalisation
    expression = normalisation.apply(AlignedCounts(raw.counts, raw.library_size, 1.0))
    rows, source = [], provenance(shared_data(data))
    with progress_bar(f"ablation of {data}") as watch:
        for fold, (training, test) in enumerate(folds(labels)):
            ranking = cc.rank_genes(raw.counts[training], codes[training], raw.genes)
            ranked = expression[:, ranking.detected[:PANEL_GENES]]
            for name, (low, high) in ABLATIONS.items():
                scores = score_panel(zeroed(ranked, low, high), codes, training, test, seed=SEED)
                rows.append(
                    {
                        "zeroed": name,
                        "fold": fold,
                        **scores,
                        "n_genes": PANEL_GENES,
                        "split": f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={SEED})",
                        "seed": SEED,
                        **source,
                    }
                )
                watch(len(rows), N_FOLDS * len(ABLATIONS), scores)
    return rows


def zeroed(expression: sparse.csr_matrix, low: int, high: int) -> sparse.csr_matrix:
    """Return expression with the columns from `low` to `high` set to zero."""
    kept = np.ones(expression.shape[1], dtype=np.float32)
    kept[low:high] = 0
    left = sparse.csr_matrix(expression @ sparse.diags(kept, dtype=np.float32))
    left.eliminate_zeros()
    return left


def lost(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy lost by each ablation: mean over folds and half its 95 % interval."""
    table = scores.pivot_table(index="fold", columns="zeroed", values="accuracy")
    loss = (-table.sub(table[NOTHING], axis=0)).drop(columns=NOTHING)
    half = stats.t.ppf(0.975, N_FOLDS - 1) * loss.std() / N_FOLDS**0.5
    return pd.DataFrame({"loss": loss.mean(), "half_interval": half}).loc[list(ABLATIONS)[1:]]


def draw(losses: pd.DataFrame) -> None:
    """Draw the loss by window, and by bound from the top, for each set."""
    figure = Figure(figsize=(10.5, 4.0), layout="constrained")
    windows, top = figure.subplots(1, 2)  # of scales of their own: a window costs little
    draw_losses(windows, losses, list(WINDOWS))
    windows.set_title("one window of ranks zeroed", fontsize=11)
    draw_losses(top, losses, ["1-10", *FROM_THE_TOP])
    top.set_title("all ranks up to a bound zeroed", fontsize=11)
    top.legend(frameon=False, loc="upper left", title="mean, 95 % interval of five folds")
    PICTURE.parent.mkdir(exist_ok=True)
    plots.save_figure(figure, PICTURE)


def draw_losses(ax: Axes, losses: pd.DataFrame, names: list[str]) -> None:
    """Draw one group of bars an ablation, one bar a set."""
    width = 0.38
    for number, (data, title) in enumerate(DATA.items()):
        own = 100 * losses.loc[data].loc[names]
        place = np.arange(len(names)) + (number - 0.5) * width
        ax.bar(place, own["loss"], width, color=COLOURS[number], label=title)
        ax.errorbar(
            place, own["loss"], own["half_interval"], fmt="none", ecolor="0.25", capsize=2, lw=1
        )
    ax.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=9)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.set_xlabel("ranks zeroed, by divergence")
    ax.set_ylabel("points of accuracy lost")
    ax.grid(axis="y", color="0.9", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
