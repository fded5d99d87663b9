"""What training from disk takes: seconds of each step, memory, and whether it is the same model.

    python benchmarks/scale/make_cells.py CELLS.h5ad
    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/train.py CELLS.h5ad --ways disk memory

Each way is a process of its own: "disk" trains from the file by `fit_file`; "memory" reads it and
trains; "resumed" is killed by SIGKILL in its second epoch, and goes on in another process. Seconds
are those of the work, without imports: of both passes over the file, of each epoch, of the rest
(linear heads, weights of the members, what is learned of trust), and of one plain scan of the
counts that are kept, cell by cell in the file's order, right after the last epoch. "model" is the
hash of the weights, "accuracy" that of cells held out in training. Rows go to
benchmarks/results/scale_train.jsonl.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from annotate import kind_of, size_of
from record import Row, provenance, save

RESULTS = "scale_train.jsonl"
WAYS = ("disk", "memory", "resumed")
KEYS = ("kind", "n_cells", "way", "network", "epochs")
MEASURE = """
import hashlib, json, os, re, signal, sys, time
from pathlib import Path
way, cells, labels_key, out, network, epochs = sys.argv[1:]
import cellclassifier as cc
from cellclassifier.classifier.settings import choose_settings
from cellclassifier.data.streaming.cache import CacheLayout, CountsCache
model = choose_settings(network, epochs=int(epochs) or None).classifier(seed=0)
marks, passes, ends, scan, kept = [time.perf_counter()], [], [], [], []
def watch_cells(n_done, n_cells):
    if n_done == n_cells:
        passes.append(time.perf_counter())
def scan_cache():
    folder = Path(out + ".partial")
    layout = CacheLayout(**json.loads((folder / "cache.json").read_text()))
    kept.append(layout.n_bytes)
    cache = CountsCache.open(folder, layout)
    begin = time.perf_counter()
    for start in range(0, layout.n_cells, 4096):
        cache[start : start + 4096]
    scan.append(time.perf_counter() - begin)
    cache.close()
def watch(epoch, n_epochs, scores):
    ends.append(time.perf_counter())
    if way == "killed" and epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "disk" and epoch == n_epochs:
        scan_cache()
files = cc.ReferenceFiles(from_disk=way != "memory", watch=watch, watch_cells=watch_cells)
cc.fit_file(model, cells, out, labels_key=labels_key, files=files)
end = time.perf_counter()
weights = b"".join(values.tobytes() for values in model.model_.get_weights())
steps = [*marks, *passes]
steps = [round(later - before, 1) for before, later in zip(steps, steps[1:])]
starts = [(passes or marks)[-1], *ends]
epochs = [round(later - before, 1) for before, later in zip(starts, starts[1:])]
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]
print(json.dumps({
    "seconds": round(end - marks[0] - sum(scan), 1), "pass_seconds": steps,
    "epoch_seconds": epochs, "rest_seconds": round(end - ends[-1] - sum(scan), 1),
    "scan_seconds": round(scan[0], 1) if scan else None,
    "kept_gigabytes": round(kept[0] / 1e9, 2) if kept else None,
    "peak_mb": round(int(peak) / 1024), "model": hashlib.sha256(weights).hexdigest()[:16],
    "accuracy": round(model.manifest_.training["validation"]["accuracy"], 4)}))
"""


def trained(way: str, cells: Path, args: argparse.Namespace) -> Row:
    """Train in a process of its own; return what it says."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir=args.folder) as folder:
        rest = [cells, args.labels_key, f"{folder}/m.keras", args.network, str(args.epochs)]
        if way == "resumed":
            killed = [sys.executable, "-c", MEASURE, "killed", *rest]
            subprocess.run(killed, check=False, stdout=subprocess.DEVNULL)
        command = [sys.executable, "-c", MEASURE, way, *rest]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def is_of(own: list[object], old: Row) -> bool:
    """Tell whether a row is of the same work."""
    return [old.get(key) for key in KEYS] == own


def main() -> None:
    """Train on some files; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=Path, nargs="+")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["disk"])
    parser.add_argument("--labels-key", default="cell_type")
    parser.add_argument("--network", default="wide-deep")
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where models and kept counts go")
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    for cells in args.cells:
        facts = {"kind": kind_of(cells), **size_of(cells)}
        asked = {"network": args.network, "epochs": args.epochs or None}
        for way in args.ways:
            row = {**facts, "way": way, **asked, **trained(way, cells, args)}
            row["load_average"] = round(os.getloadavg()[1], 1)
            print(json.dumps(row), flush=True)
            if not args.no_save:
                # the files are too large to hash; this says what made them
                made_by = provenance(Path(__file__).with_name("make_cells.py"))
                own = [row[key] for key in KEYS]
                save(RESULTS, [row | made_by | {"data": cells.name}], partial(is_of, own))


if __name__ == "__main__":
    main()
