"""The plot of the leaderboard: a row a task, a point a method."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

# of equal length, so that a method keeps its sign across plots
MARKERS = "osD^v<>PXpd*h"
INCHES_PER_TASK = 0.42


def draw(accuracies: pd.DataFrame, path: Path) -> None:
    """Draw mean accuracies, methods in rows and tasks in columns, and save the plot."""
    tasks = list(accuracies.columns)[::-1]
    figure, axes = plt.subplots(
        figsize=(9, 1.6 + INCHES_PER_TASK * len(tasks)), layout="constrained"
    )
    for number, method in enumerate(
        sorted(accuracies.index, key=lambda name: (name != "ours", name))
    ):
        values = accuracies.loc[method, tasks]
        ours = method.startswith("ours")
        colour = "black" if method == "ours" else f"C{number % 10}"
        axes.scatter(
            values,
            range(len(tasks)),
            label=method,
            marker=MARKERS[number % len(MARKERS)],
            s=140 if ours else 36,
            # a ring, so that a peer with the same score is seen inside it
            facecolors="none" if ours else colour,
            edgecolors=colour,
            linewidths=1.8 if ours else 0.5,
            zorder=3 if ours else 2,
        )
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_xlabel("accuracy (mean over folds)")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
