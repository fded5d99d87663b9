"""Which criterion chooses the panel, by folds inside training data.

    python benchmarks/accuracy/panel_criteria.py

Of each data set four fifths (fold 0 of five stratified ones, seed 0) are training data; the last
fifth is not looked at. Panels of 30, 100 and 300 genes are chosen from the 4,000 most divergent
ones by each criterion, and scored by the linear classifier on five stratified folds inside the
training data. One JSON line a set, criterion, size and fold is written to
benchmarks/results/panel_criteria.jsonl, and the means are printed.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from criteria import Columns, in_turn, information, mrmr
from designs import LABELS_KEY, SEED, folds, training_part
from record import Row, provenance, save, shared_data

import cellclassifier as cc
from cellclassifier.classifier.panel_scores import score_panel
from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.data import AlignedCounts, read_labels

DATA = ("zheng_sorted_facs.h5ad", "baron_pancreas.h5ad")
SIZES = (30, 100, 300)
CANDIDATES = 4000
NOISES = (0.0, 0.003, 0.01, 0.03, 0.1)


def main() -> None:
    """Score every criterion on both sets, print and save."""
    rows: list[Row] = []
    for data in DATA:
        rows += scored(data)
    save("panel_criteria.jsonl", rows, lambda _: True)
    means = pd.DataFrame(rows).pivot_table(
        index="criterion", columns=["data", "n_genes"], values="accuracy", sort=False
    )
    print(means.round(4).to_string())


def scored(data: str) -> list[Row]:
    """Return one row a criterion, size and inner fold."""
    reference = training_part(data)
    raw = cc.find_counts(reference)
    labels = read_labels(reference, LABELS_KEY)
    codes = cc.LabelSpace.of(labels).encode(labels)
    normalisation = find_recipe("linear").normalisation
    expression = normalisation.apply(AlignedCounts(raw.counts, raw.library_size, 1.0))
    source, rows = provenance(shared_data(data)), []
    for fold, (training, test) in enumerate(folds(labels)):
        for criterion, choose in criteria(raw[training], codes[training]):
            started = time.process_time()
            columns = choose()
            seconds = round(time.process_time() - started, 2)
            for size in SIZES:
                scores = score_panel(
                    expression[:, columns[:size]], codes, training, test, seed=SEED
                )
                rows.append(
                    {
                        "criterion": criterion,
                        "n_genes": size,
                        "inner_fold": fold,
                        **scores,
                        "choose_cpu_seconds": seconds,
                        "split": "inner folds of the training part of fold 0",
                        "seed": SEED,
                        **source,
                    }
                )
            print(f"{data} fold {fold} {criterion}: {seconds} s", file=sys.stderr)
    return rows


def criteria(raw: cc.RawCounts, codes: Columns) -> Iterator[tuple[str, Callable[[], Columns]]]:
    """Yield name and function of each criterion; the function returns columns, best first."""
    pool = cc.rank_genes(raw.counts, codes, raw.genes).detected[:CANDIDATES]
    counts, most = raw.counts[:, pool], SIZES[-1]
    normalisation = find_recipe("linear").normalisation
    expression = normalisation.apply(AlignedCounts(counts, raw.library_size, 1.0))
    yield "most divergent", lambda: pool[:most]
    yield "in turn by type", lambda: pool[in_turn(counts, codes, most)]
    for scheme in ("FCD", "FCQ"):
        yield (
            f"mRMR {scheme}",
            partial(lambda name: pool[mrmr(expression, codes, most, name)], scheme),
        )
    for scheme in ("JMI", "CMIM"):
        yield scheme, partial(lambda name: pool[information(counts, codes, most, name)], scheme)
    for noise in NOISES:
        yield f"canonical, noise {noise:g}", partial(chosen_columns, raw, codes, noise)


def chosen_columns(raw: cc.RawCounts, codes: Columns, noise: float) -> Columns:
    """Choose by forward selection on canonical correlation."""
    choice = cc.choose_genes(raw, codes, SIZES[-1], candidates=CANDIDATES, noise=noise)
    return np.asarray(choice.columns)


if __name__ == "__main__":
    main()
