"""One part of the work, in a process of its own: prints what it took, as JSON; see growth.py.

    python benchmarks/scale/growth_work.py PART CELLS --model M.keras --out OUT --cores 2

Seconds are those of the work alone, without imports and the loading of the model, which are the
same for any number of cells; `cpu_seconds` are those of all cores together. Peak memory is that of
the process, all it has imported included.
"""

import argparse
import json
import os
import re
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

Row = dict[str, Any]
PARTS = ("read", "align", "name", "name on dask", "stages", "train")
# as any more than 1.5 million cells are trained on: in batches of 256, seen once
EPOCHS, BATCH_CELLS = 1, 256


@dataclass(frozen=True)
class Task:
    """What is asked: a part of the work, on some cells, with a model or with its size."""

    part: str
    cells: Path
    model: Path
    out: Path
    cores: int
    labels_key: str
    genes: int | Literal["all"]


class Clock:
    """Seconds and processor seconds between marks; those of processes that ended count, too."""

    def __init__(self) -> None:
        self.marks: dict[str, tuple[float, float]] = {}

    def mark(self, name: str) -> None:
        """Set a mark."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = time.process_time() + ended.ru_utime + ended.ru_stime
        self.marks[name] = (time.perf_counter(), cpu)

    def between(self, first: str, last: str, name: str = "") -> Row:
        """Return what lies between two marks, under names that begin with `name`."""
        (begin, begin_cpu), (end, end_cpu) = self.marks[first], self.marks[last]
        prefix = f"{name}_" if name else ""
        return {f"{prefix}seconds": end - begin, f"{prefix}cpu_seconds": end_cpu - begin_cpu}


def peak_mb() -> float:
    """Return the peak memory of this process in MB of 10^6 bytes.

    Not `ru_maxrss`, which begins with that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) * 1024 / 1e6


def read(task: Task) -> Row:
    """Go through all blocks, and do nothing with them."""
    from cellclassifier.classifier.streaming import Streaming
    from cellclassifier.data.streaming import open_cells

    stored, clock = open_cells(task.cells), Clock()
    before = peak_mb()
    clock.mark("begin")
    for start, stop in Streaming().bounds(stored.n_cells):
        stored.rows("X", start, stop)
    clock.mark("end")
    return {**clock.between("begin", "end"), "peak_mb_before": before}


def align(task: Task) -> Row:
    """Go through all blocks, prove their counts, and make expression of them."""
    from cellclassifier.classifier.streaming import Streaming

    annotator, clock = annotator_of(task), Clock()
    normalisation = annotator.view.manifest.normalisation
    before = peak_mb()
    clock.mark("begin")
    for start, stop in Streaming().bounds(len(annotator.settled)):
        normalisation.apply(annotator.view.aligned(annotator.settled.block(start, stop)))
    clock.mark("end")
    return {**clock.between("begin", "end"), "peak_mb_before": before}


def name(task: Task) -> Row:
    """Name all cells, and write a table of the annotations."""
    import cellclassifier as cc

    classifier, clock = cc.CellTypeClassifier.load(task.model), Clock()

    def watch(n_done: int, n_cells: int) -> None:
        if "settled" not in clock.marks:
            clock.mark("settled")
        if n_done == n_cells:
            clock.mark("named")

    dask = f"local:{task.cores}" if task.part == "name on dask" else None
    streaming = cc.Streaming(watch=watch, dask=dask)
    before = peak_mb()
    clock.mark("begin")
    cc.annotate_file(classifier, task.cells, task.out, streaming=streaming)
    clock.mark("end")
    return {
        **clock.between("begin", "end"),
        **clock.between("begin", "settled", "settling"),
        **clock.between("settled", "named", "blocks"),
        **clock.between("named", "end", "table"),
        "table_mb": task.out.stat().st_size / 1e6,
        "peak_mb_before": before,
    }


def stages(task: Task) -> Row:
    """Name all cells on one thread, and tell what each step of it takes."""
    from threadpoolctl import threadpool_limits

    from cellclassifier.classifier.streaming import Streaming
    from cellclassifier.data.streaming import KeptBlocks, to_arrays

    annotator = annotator_of(task)
    bounds = Streaming().bounds(len(annotator.settled))
    kept, _ = KeptBlocks.begin(task.out, {}, bounds)
    reading = Stopwatch()
    cells = annotator.settled.cells
    # what reads is given a watch; all else is as it is
    object.__setattr__(cells, "rows", reading.around(cells.rows))
    proving, aligning, predicting, judging, keeping = (Stopwatch() for _ in range(5))
    prove, align_block = proving.around(annotator.settled.block), aligning.around(_expression)
    predict, judge = predicting.around(annotator.shifted.predict), judging.around(annotator.judge)
    save = keeping.around(lambda number, named: kept.save(number, to_arrays(named)))
    with threadpool_limits(1, user_api="blas"):
        for number, (start, stop) in enumerate(bounds):
            block = prove(start, stop)
            align_block(annotator, block)
            save(number, judge(block, predict(block, 1), 1))
    kept.remove()
    return {
        "read_cpu_seconds": reading.seconds,
        "prove_cpu_seconds": proving.seconds - reading.seconds,
        "align_cpu_seconds": aligning.seconds,
        "network_cpu_seconds": predicting.seconds,
        "trust_cpu_seconds": judging.seconds,
        "keep_cpu_seconds": keeping.seconds,
    }


class Stopwatch:
    """Adds up the processor seconds that calls take in this thread."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, watched."""

        def watched(*values: object) -> Any:  # noqa: ANN401  (what the function returns)
            begin = time.thread_time()
            try:
                return function(*values)
            finally:
                self.seconds += time.thread_time() - begin

        return watched


def train(task: Task) -> Row:
    """Train from the file."""
    import cellclassifier as cc
    from cellclassifier.classifier.settings import choose_settings

    settings = choose_settings("wide-deep", genes=task.genes, epochs=EPOCHS)
    training = replace(settings.training, batch_size=BATCH_CELLS)
    classifier, clock = replace(settings, training=training).classifier(seed=0), Clock()
    scanned: Row = {}
    passes = iter(("ranked", "kept"))

    def watch_cells(n_done: int, n_cells: int) -> None:
        if n_done == n_cells:
            clock.mark(next(passes))

    def watch(epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
        del epoch, n_epochs, scores  # there is one
        clock.mark("towers")
        scanned.update(scan(Path(f"{task.out}.partial")))
        clock.mark("scanned")

    files = cc.ReferenceFiles(from_disk=True, watch=watch, watch_cells=watch_cells)
    before = peak_mb()
    clock.mark("begin")
    cc.fit_file(classifier, task.cells, task.out, labels_key=task.labels_key, files=files)
    clock.mark("end")
    steps = {
        **clock.between("begin", "ranked", "rank"),
        **clock.between("ranked", "kept", "keep"),
        **clock.between("kept", "towers", "epoch"),
        **clock.between("scanned", "end", "rest"),
    }
    whole = clock.between("begin", "end")
    scanning = clock.between("towers", "scanned")
    return {
        **{key: value - scanning[key] for key, value in whole.items()},
        **steps,
        **scanned,
        "peak_mb_before": before,
    }


def scan(folder: Path) -> Row:
    """Read what training keeps, once, cell by cell in the file's order."""
    from cellclassifier.data.streaming.cache import CacheLayout, CountsCache

    layout = CacheLayout(**json.loads((folder / "cache.json").read_text(encoding="utf-8")))
    cache, clock = CountsCache.open(folder, layout), Clock()
    clock.mark("begin")
    for start in range(0, layout.n_cells, 4096):
        cache[start : start + 4096]
    clock.mark("end")
    cache.close()
    return {**clock.between("begin", "end", "scan"), "kept_mb": layout.n_bytes / 1e6}


def annotator_of(task: Task) -> Any:  # noqa: ANN401  (imported below, where it is needed)
    """Return what names blocks of the cells, all settled."""
    import cellclassifier as cc
    from cellclassifier.classifier.block_annotator import Asked, BlockAnnotator
    from cellclassifier.classifier.trusting import TrustSettings
    from cellclassifier.data.streaming import open_cells

    classifier = cc.CellTypeClassifier.load(task.model)
    asked = Asked(genes_in=None, map_orthologs=False, shift=None, trust=TrustSettings(), counts=())
    return BlockAnnotator.of(classifier, open_cells(task.cells), asked)


def _expression(annotator: Any, block: Any) -> Any:  # noqa: ANN401
    return annotator.view.manifest.normalisation.apply(annotator.view.aligned(block))


WORK: dict[str, Callable[[Task], Row]] = {
    "read": read,
    "align": align,
    "name": name,
    "name on dask": name,
    "stages": stages,
    "train": train,
}


def main() -> None:
    """Do one part, and print what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("cells", type=Path)
    parser.add_argument("--model", type=Path, default=Path())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--labels-key", default="")
    parser.add_argument("--genes", default="all")
    args = vars(parser.parse_args())
    args["genes"] = int(args["genes"]) if args["genes"].isdigit() else args["genes"]
    task = Task(**args)
    # before anything counts the cores
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task.cores])
    row = WORK[task.part](task)
    print(json.dumps({**row, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
