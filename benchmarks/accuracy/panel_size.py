"""Accuracy against the number of genes: the minimal gene set, and what redundancy costs.

    python benchmarks/accuracy/panel_size.py [--draw | --repeat]

Five stratified folds (seed 0) of each set, types with fewer than ten cells dropped; genes are
chosen and the linear classifier is trained on the other four folds. One JSON line a set, method,
size and fold is written to benchmarks/results/panel_size.jsonl, a table is printed, and
docs/images/panel_size.png is drawn; --draw does the last two from the results at hand.

--repeat scores 300 genes on the folds of four more seeds, into
benchmarks/results/panel_repeats.jsonl.
"""

import argparse
import json

import pandas as pd
from designs import LABELS_KEY, MIN_CELLS_PER_TYPE, N_FOLDS, SEED, folds
from matplotlib.figure import Figure
from record import RESULTS, ROOT, Row, provenance, save, shared_data

import cellclassifier as cc
from cellclassifier.classifier.panel_scores import METHODS, score_panel, summarise_folds
from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.data import AlignedCounts, read_labels
from cellclassifier.data.ranking import MIN_CELLS
from cellclassifier.reporting import plots
from cellclassifier.reporting.gene_plots import draw_curves
from cellclassifier.training import progress_bar

DATA = {
    "zheng_sorted_facs.h5ad": "sorted blood, ten types",
    "baron_pancreas.h5ad": "pancreas, eleven types",
}
SIZES = (10, 30, 100, 300, 1000, 3000)
REPEATED, REPEATED_SEEDS = 300, (1, 2, 3, 4)
RESULTS_FILE = "panel_size.jsonl"
PICTURE = ROOT / "docs" / "images" / "panel_size.png"


def main() -> None:
    """Score, save, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--repeat", action="store_true")
    arguments = parser.parse_args()
    if arguments.repeat:
        repeat()
        return
    if not arguments.draw:
        save(RESULTS_FILE, [row for data in DATA for row in scored(data)], lambda _: True)
    results = pd.read_json(RESULTS / RESULTS_FILE, lines=True)
    for data in DATA:
        own = results[results["data"] == data]
        print(f"\n{data}\n{summarise_folds(own).round(4).to_string(index=False)}")
        print(differences(own).round(4).to_string())
    draw(results)


def scored(data: str) -> list[Row]:
    """Return one row a method, size and fold; all genes count for both methods."""
    raw, labels = counts_and_labels(data)
    with progress_bar(data) as watch:
        curve = cc.panel_curve(raw, labels, sizes=SIZES, seed=SEED, watch=watch)
    rows: list[Row] = json.loads(curve.scores.to_json(orient="records"))
    codes = cc.LabelSpace.of(labels).encode(labels)
    normalisation = find_recipe("linear").normalisation
    expression = normalisation.apply(AlignedCounts(raw.counts, raw.library_size, 1.0))
    detected = raw.counts.getnnz(axis=0) >= MIN_CELLS
    for fold, (training, test) in enumerate(folds(labels)):
        scores = score_panel(expression[:, detected], codes, training, test, seed=SEED)
        n_genes = int(detected.sum())
        rows += [{"method": name, "n_genes": n_genes, "fold": fold, **scores} for name in METHODS]
    split = f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={SEED})"
    source = provenance(shared_data(data))
    return [{**row, "split": split, "seed": SEED, **source} for row in rows]


def repeat() -> None:
    """Score one size on other folds, save, and print the gain of each seed."""
    rows: list[Row] = []
    for data in DATA:
        raw, labels = counts_and_labels(data)
        source = provenance(shared_data(data))
        for seed in REPEATED_SEEDS:
            with progress_bar(f"{data}, seed {seed}") as watch:
                curve = cc.panel_curve(raw, labels, sizes=[REPEATED], seed=seed, watch=watch)
            split = f"StratifiedKFold({N_FOLDS}, shuffle=True, random_state={seed})"
            scores = json.loads(curve.scores.to_json(orient="records"))
            rows += [{**row, "split": split, "seed": seed, **source} for row in scores]
            print(data, seed, differences(curve.scores).round(4).to_string(header=False))
    save("panel_repeats.jsonl", rows, lambda _: True)


def counts_and_labels(data: str) -> tuple[cc.RawCounts, list[str]]:
    """Return counts and labels of the types with ten cells or more."""
    cells = cc.read_cells(shared_data(data))
    sizes = cells.obs[LABELS_KEY].value_counts()
    cells = cells[cells.obs[LABELS_KEY].isin(sizes.index[sizes >= MIN_CELLS_PER_TYPE])].copy()
    return cc.find_counts(cells), read_labels(cells, LABELS_KEY).tolist()


def differences(scores: pd.DataFrame) -> pd.DataFrame:
    """Return what redundancy-awareness gains, fold by fold: mean, interval's half, folds won."""
    table = scores.pivot_table(index=["n_genes", "fold"], columns="method", values="accuracy")
    gain = (table["redundancy_aware"] - table["most_divergent"]).groupby("n_genes")
    half = 2.776 * gain.std() / N_FOLDS**0.5  # Student's t of four degrees of freedom
    won = gain.apply(lambda folds_: int((folds_ > 0).sum()))
    return pd.DataFrame({"gain": gain.mean(), "half_interval": half, "folds_won": won})


def draw(results: pd.DataFrame) -> None:
    """Draw accuracy against size, one picture a set, side by side."""
    figure = Figure(figsize=(10.5, 4.0), layout="constrained")
    for ax, (data, title) in zip(figure.subplots(1, len(DATA)), DATA.items(), strict=True):
        draw_curves(ax, summarise_folds(results[results["data"] == data]), "accuracy")
        ax.set_title(title, fontsize=11)
    PICTURE.parent.mkdir(exist_ok=True)
    plots.save_figure(figure, PICTURE)


if __name__ == "__main__":
    main()
