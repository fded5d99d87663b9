"""The accuracy benchmark: our classifiers and tuned peers on the same cells.

    python benchmarks/accuracy/run.py --tasks home,abroad,missing --methods ours,peers
        [--folds 0,1] [--threads 1] [--again]

Tasks: a group (home, abroad, missing) or names, see tasks.py. Methods: ours, ours-NETWORK (mlp,
linear...), peers, or names, see methods.py. Each row is written to
benchmarks/results/accuracy.jsonl as soon as it is measured; what stands there already, for the
same task, fold, method, settings, data and code, is not measured again, so that a run that was
cut off goes on where it was. What all this means is in benchmarks/protocol.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from exchange import Named
from methods import Method, choose_methods
from record import RESULTS, measured_commit
from rows import Rows, key_of, make_row, problem_of
from tasks import Split, Task, choose_tasks

RESULTS_FILE = RESULTS / "accuracy.jsonl"


def main() -> None:
    """Measure what is asked for and does not stand."""
    arguments = parse_arguments()
    bound_cores(arguments.threads)
    run(
        choose_tasks(arguments.tasks),
        choose_methods(arguments.methods),
        Rows(RESULTS_FILE),
        folds=arguments.folds,
        threads=arguments.threads,
        again=arguments.again,
    )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default="home,abroad,missing")
    parser.add_argument("--methods", default="ours,peers")
    parser.add_argument("--folds", type=lambda words: [int(word) for word in words.split(",")])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="measure what stands as well")
    return parser.parse_args()


def bound_cores(threads: int) -> None:
    """Bind this process, and with it all that it starts, to as many cores as there are threads."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[-threads:])


def run(
    tasks: list[Task],
    methods: list[Method],
    rows: Rows,
    *,
    folds: list[int] | None,
    threads: int,
    again: bool,
) -> None:
    """Measure all pairs, fold by fold; one that fails is reported, and the rest goes on."""
    # before the first row is written, which changes the working tree
    commit = measured_commit()
    failed = []
    for task, fold, method in asked(tasks, methods, folds):
        split = task.split(fold)
        key = key_of(task, fold, method, split, threads)
        if not again and rows.stand(key):
            continue
        try:
            named, report = in_own_process(method, task, split, threads)
        except subprocess.CalledProcessError as error:
            failed.append(f"{task.name} fold {fold} {method.name}: exit status {error.returncode}")
            print(f"FAILED {failed[-1]}", file=sys.stderr, flush=True)
            continue
        row = make_row(key, method, split, named, report) | {"commit": commit}
        rows.append(row)
        print(
            f"{task.name} fold {fold} {method.name}: accuracy {row['accuracy']:.4f}, macro-F1 "
            f"{row['macro_f1']:.4f}, fit {row['fit_cpu_seconds']:.1f} CPU s, "
            f"{row['peak_memory_mb']} MB",
            flush=True,
        )
    if failed:
        raise SystemExit("\n".join(["these failed:", *failed]))


def asked(
    tasks: list[Task], methods: list[Method], folds: list[int] | None
) -> Iterator[tuple[Task, int, Method]]:
    """Yield what is to be measured: methods take part in some groups of tasks only."""
    for task in tasks:
        for fold in range(task.n_folds):
            if folds is not None and fold not in folds:
                continue
            yield from ((task, fold, method) for method in methods if task.group in method.groups)


def in_own_process(
    method: Method, task: Task, split: Split, threads: int
) -> tuple[Named, dict[str, object]]:
    """Have a method answer in its own environment, and return what it says."""
    python = method.environment.python()
    problem = problem_of(split, method.settings_for(task))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem.save(folder)
        command = [python, method.script, folder]
        variables = method.variables(threads)
        subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return Named.load(folder).in_order_of(problem.types), report


if __name__ == "__main__":
    main()
