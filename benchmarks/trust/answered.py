"""What refusing buys: accuracy over the surest cells, by how many are answered, on each task.

    PYTHONPATH=benchmarks/accuracy python benchmarks/trust/answered.py

From the rows of sets.py (benchmarks/results/trust_sets.jsonl) it writes the table of
docs/how-to/choose-a-threshold.md, and draws docs/images/answered.png.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from peer_table import write_between_markers
from record import RESULTS, ROOT, Row

PAGE = ROOT / "docs" / "how-to" / "choose-a-threshold.md"
PLOT = ROOT / "docs" / "images" / "answered.png"
MARKER = "<!-- table of benchmarks/trust/answered.py -->"
SHOWN = ("1.00", "0.95", "0.90", "0.80", "0.70", "0.50")
STYLES = ("-", "--", ":")


def main() -> None:
    """Write the table and draw the plot."""
    rows = read_rows()
    write_between_markers(PAGE, table(over_folds(rows)), MARKER)
    draw(over_folds(rows), {row["task"]: row["group"] for row in rows}, PLOT)
    print(f"wrote the table of {PAGE.relative_to(ROOT)}, and {PLOT.relative_to(ROOT)}")


def read_rows() -> list[Row]:
    """Return the rows of all tasks and folds."""
    lines = (RESULTS / "trust_sets.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def over_folds(rows: list[Row]) -> pd.DataFrame:
    """Return mean accuracies: a row a task, in their order, a column a share of the cells."""
    found = pd.DataFrame([{"task": row["task"], **row["accuracy_at"]} for row in rows])
    means: pd.DataFrame = found.groupby("task", sort=False).mean()
    return means


def table(accuracies: pd.DataFrame) -> str:
    """Return the Markdown table of some shares."""
    shares = " | ".join(f"{float(share):.0%}".replace("%", " %") for share in SHOWN)
    lines = [f"| task | {shares} |", "|---" * (len(SHOWN) + 1) + "|"]
    for task, row in accuracies.iterrows():
        lines.append(f"| {task} | {' | '.join(f'{row[share]:.3f}' for share in SHOWN)} |")
    return "\n".join(lines) + "\n"


def draw(accuracies: pd.DataFrame, group_of: dict[str, str], path: Path) -> None:
    """Draw accuracy over the share answered, tasks of a group side by side, and save the plot."""
    groups = list(dict.fromkeys(group_of.values()))
    figure, all_axes = plt.subplots(
        1, len(groups), figsize=(5.5 * len(groups), 6.5), sharey=True, layout="constrained"
    )
    shares = 100 * accuracies.columns.astype(float)
    for axes, group in zip(all_axes, groups, strict=True):
        own = accuracies.loc[[task for task in accuracies.index if group_of[task] == group]]
        for number, (task, row) in enumerate(own.iterrows()):
            axes.plot(shares, row, STYLES[number % len(STYLES)], color=f"C{number}", label=task)
        axes.set_title(group)
        axes.set_xlabel("cells answered, the surest, %")
        axes.set_xlim(100, 50)
        axes.grid(alpha=0.3)
        # below, where no line can run through it
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncol=2, frameon=False)
    all_axes[0].set_ylabel("accuracy (mean over folds)")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
