"""What the default would reach abroad, were the shift fixed beforehand, or the scores' temperature.

    PYTHONPATH=src python benchmarks/accuracy/forced_shift.py [--tasks pbmc3k_to_3prime]

On each task of tasks.py that is called abroad the default is fitted once, and the test cells are
named with the shift that it measures and with others, each of which stands for one of its last
layers or a mixture of two. A row for each is written to benchmarks/results/forced_shift.jsonl,
with the temperature that the test's own labels would ask for. Printed is how many points of
accuracy each would have gained, task by task and in the mean, and the temperatures: what nobody
can know beforehand, and so a bound for what choosing them better could bring. Some five minutes.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from ours import as_anndata
from record import RESULTS, Row
from rows import Rows, files_of, problem_of
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, SEED, TASKS, Task

import cellclassifier as cc
from cellclassifier.data import read_labels
from cellclassifier.trust import calibrate_temperature

RESULTS_FILE = RESULTS / "forced_shift.jsonl"
# layer 0, a mixture, layer 1, a mixture, layer 2: see docs/decisions/0021
SHIFTS = (0.0, 0.1, 0.165, 0.25, 0.4)
MEASURED = "measured"


def main() -> None:
    """Measure what is asked for, then print the tables of what stands."""
    abroad = [task.name for task in TASKS.values() if task.group == "abroad"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="*", default=abroad, choices=abroad)
    rows = Rows(RESULTS_FILE)
    for name in parser.parse_args().tasks:
        task = TASKS[name]
        origin = files_of(task)[0] | {"data": list(task.data)}
        for row in measured(task):
            rows.append(origin | row)
        print(name, flush=True)
    frame = newest(rows.read())
    print(gains(frame).round(2).to_string())
    print(temperatures(frame).round(3).to_string())


def measured(task: Task) -> Iterator[Row]:
    """Yield a row for each shift."""
    split = task.split(0)
    # as run.py hands cells over, with one name a gene and nothing else: training with Ensembl ids
    # and symbols is training on the same counts, and yet not the same to the last cell
    problem = problem_of(split, {})
    training, test = as_anndata(problem.training), as_anndata(problem.test)
    classifier = cc.CellTypeClassifier(seed=SEED).fit(
        training, labels_key=LABELS_KEY, library_size_key=LIBRARY_SIZE_KEY
    )
    truth = read_labels(split.test, LABELS_KEY)
    depth = None  # measured first, and the same for every shift
    for shift in (None, *SHIFTS):
        named = classifier.classify(
            test, shift=shift, depth=depth, library_size_key=LIBRARY_SIZE_KEY
        )
        depth = depth or named.calibrated_depth or 1.0
        scores = cc.evaluate(truth, named).to_json()
        logits = np.log(np.maximum(named.probabilities, 1e-12))
        codes = pd.Index(named.label_space.labels).get_indexer(pd.Index(truth))
        yield {
            "task": task.name,
            "seed": SEED,
            "asked": MEASURED if shift is None else shift,
            "shift": named.shift,
            **{key: scores[key] for key in ("accuracy", "macro_f1", "log_loss", "ece")},
            "best_temperature": calibrate_temperature(logits, codes),
        }


def newest(rows: list[Row]) -> pd.DataFrame:
    """Return the newest row of each task and shift."""
    # one that was measured again keeps its place
    return pd.DataFrame({(row["task"], row["asked"]): row for row in rows}.values())


def gains(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how many points of accuracy each shift has more than the one that is measured."""
    wide: pd.DataFrame = 100 * by_shift(frame, "accuracy")
    table: pd.DataFrame = wide.sub(wide[MEASURED], axis=0)[list(SHIFTS)]
    table.insert(0, "shift", by_shift(frame, "shift")[MEASURED])
    table.insert(1, "accuracy", wide[MEASURED])
    table.loc["mean"] = table.mean()
    return table


def temperatures(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what the labels would ask for at the measured shift: above 1, scores are too sure."""
    columns = ["shift", "log_loss", "ece", "best_temperature"]
    own: pd.DataFrame = frame[frame["asked"] == MEASURED].set_index("task")[columns]
    return own.sort_values("shift")


def text(frame: pd.DataFrame) -> str:
    """Return both as one Markdown table."""
    points, asked_for = gains(frame), dict(temperatures(frame)["best_temperature"])
    shifts = " | ".join(f"{shift:g}" for shift in SHIFTS)
    lines = [
        f"| task | shift | accuracy | {shifts} | temperature |",
        f"|---|---|---|{'---|' * len(SHIFTS)}---|",
    ]
    for task, values in points.iterrows():
        row = dict(values)
        more = " | ".join(f"{row[shift]:+.1f}" for shift in SHIFTS)
        temperature = f"{asked_for[task]:.2f}" if task in asked_for else ""
        lines.append(
            f"| {task} | {row['shift']:.2f} | {row['accuracy']:.1f} | {more} | {temperature} |"
        )
    return "\n".join(lines) + "\n"


def by_shift(frame: pd.DataFrame, column: str) -> Any:  # noqa: ANN401  (a frame)
    """Return a value with a row for each task and a column for each shift."""
    return frame.pivot_table(
        index="task", columns="asked", values=column, aggfunc="last", sort=False
    )


if __name__ == "__main__":
    main()
