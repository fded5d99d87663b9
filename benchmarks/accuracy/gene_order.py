"""Whether the order of the genes matters to the convolutional network.

    python benchmarks/accuracy/gene_order.py [--orders native divergence spread]

The original convolutional network by its low-level twin on all genes of zheng_sorted_facs, five
stratified folds (seed 0), the genes in five orders, each computed on the training cells of its
fold. One row a fold goes to benchmarks/results/gene_order.jsonl; printed are means, and the paired
differences from the native order with their 95 % intervals (Student's t over the folds).
"""

import argparse
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
from folds import N_FOLDS, Task, in_own_process
from record import Row, save, shared_data
from scipy import stats

DATA = "zheng_sorted_facs.h5ad"
ORDERS = ("native", "divergence", "correlation", "clustering", "spread")


def main() -> None:
    """Run the orders asked for, and print what each brings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", nargs="+", default=list(ORDERS), choices=ORDERS)
    orders = parser.parse_args().orders
    task = Task("original-cnn", str(shared_data(DATA)), 0, "lowlevel")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for order in orders:
            for fold in range(N_FOLDS):
                own = in_own_process(
                    replace(task, order=order, fold=fold), Path(folder) / "predictions.npz"
                )
                rows.append({"order": order, **own})
    save("gene_order.jsonl", rows, partial(is_of, orders))
    if "native" in orders:
        print_table(rows)


def is_of(orders: list[str], row: Row) -> bool:
    """Tell whether a row is of one of these orders."""
    return row["order"] in orders


def print_table(rows: list[Row]) -> None:
    """Print each order's means, and how far it is from the native one."""
    scores = pd.DataFrame(rows).pivot_table(index="fold", columns="order", values="accuracy")
    for order in dict.fromkeys(row["order"] for row in rows):
        line = f"{order:12} accuracy {scores[order].mean():.4f}"
        if order != "native":
            lift = 100 * (scores[order] - scores["native"])
            reach = stats.t.ppf(0.975, len(lift) - 1) * lift.sem()
            line += f", {lift.mean():+.2f} +- {reach:.2f} points"
        print(line)


if __name__ == "__main__":
    main()
