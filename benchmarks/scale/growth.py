"""What each part of the work takes as cells, genes and types grow: seconds and memory.

    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/run.py
    PYTHONPATH=benchmarks/accuracy python benchmarks/scale/scaling.py

The first measures, writes rows into benchmarks/results/scale.jsonl, and has the second make the
tables of docs/scaling.md and its plot, which it also does alone. Not every number of cells is
measured with every number of genes and types:

- cells, from 10,000 to a million, with a model of 2,000 genes and 10 types;
- genes of the model, 500, 2,000 and all, and types, 10, 100 and 500, at 100,000 cells;
- one core and two, at 100,000 cells, and two processes of Dask, there and at 300,000;
- training, from disk; for genes, and 100 types, at 10,000 cells.

Each measurement is a process of its own (growth_work.py), bound to so many cores, so that its peak
memory is its own; those of one file take turns. Small files are measured more often. A file is read
once before, so that the system has it in its cache where it fits; a million cells are 11 GB. What
is done is kept in a folder, so that a run which was ended goes on; rows are saved when all is
measured, and the folder is removed then.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import scaling
from growth_inputs import Inputs, labels_key_of
from make_cells import SOURCE
from record import Row, provenance, save, shared_data

RESULTS, BENCHMARK = "scale.jsonl", "growth"
WORK = Path(__file__).with_name("growth_work.py")
CELLS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
TRAINED_CELLS, DASK_CELLS = CELLS, (100_000, 300_000)
# where genes, types and cores differ
USUAL_CELLS, USUAL_TRAINED = 100_000, 10_000
USUAL_GENES, USUAL_TYPES, CORES = 2000, 10, 2
# models: genes, types
OTHER_MODELS: tuple[tuple[int | str, int], ...] = ((500, 10), ("all", 10), (2000, 100), (2000, 500))
# with hundreds of types, linear heads alone take longer than all else here
MAX_TRAINED_TYPES = 100
# times that a file of so many cells, or more, is measured
REPEATS = ((300_000, 1), (100_000, 3), (0, 5))
ONCE, WITHOUT_MODEL = ("stages", "train", "name on dask"), ("read", "train")


@dataclass(frozen=True)
class Point:
    """One thing to measure.

    Parameters
    ----------
    n_cells
        Of the file.
    part
        Of the work: one of `growth_work.PARTS`.
    genes, n_types
        Of the model, or of the training; None where there is none.
    cores
        That the process may use.
    """

    n_cells: int
    part: str
    genes: int | str | None = USUAL_GENES
    n_types: int | None = USUAL_TYPES
    cores: int = CORES

    @property
    def repeats(self) -> int:
        """How often it is measured."""
        if self.part in ONCE:
            return 1
        return next(times for least, times in REPEATS if self.n_cells >= least)


def points(cells: Sequence[int]) -> list[Point]:
    """Return what is measured on files of these sizes, file by file, the small ones first.

    >>> points([10_000])[0]
    Point(n_cells=10000, part='read', genes=None, n_types=None, cores=1)
    """
    found = []
    for n_cells in sorted(cells):
        found += [Point(n_cells, "read", None, None, 1), Point(n_cells, "align", cores=1)]
        found += [Point(n_cells, "name")]
        if n_cells == USUAL_CELLS:
            found += _of_models(n_cells, ("align", "name", "stages"))
            found += [Point(n_cells, "stages", cores=1), Point(n_cells, "name", cores=1)]
        if n_cells in DASK_CELLS:
            found += [Point(n_cells, "name on dask")]
        if n_cells in TRAINED_CELLS:
            found += [Point(n_cells, "train")]
        if n_cells == USUAL_TRAINED:
            trained = _of_models(n_cells, ("train",))
            found += [point for point in trained if (point.n_types or 0) <= MAX_TRAINED_TYPES]
    return found


def _of_models(n_cells: int, parts: Iterable[str]) -> list[Point]:
    """Return parts of the work with each of the other models."""
    return [
        Point(n_cells, part, genes, n_types, CORES if part in ("name", "train") else 1)
        for part in parts
        for genes, n_types in OTHER_MODELS
    ]


@dataclass(frozen=True)
class Run:
    """A run in a folder, which can be ended and gone on with.

    Parameters
    ----------
    folder
        Holds the files of cells, the models, and what each measurement told.
    most
        Times that a point is measured at most.
    """

    folder: Path
    most: int = REPEATS[-1][1]

    def measure(self, wanted: Sequence[Point]) -> list[Row]:
        """Measure what is not done yet; return the rows of all points."""
        origin = self._origin()
        for n_cells in dict.fromkeys(point.n_cells for point in wanted):
            left = self._left([point for point in wanted if point.n_cells == n_cells])
            if left:
                self._measure_file(n_cells, left)
        told = self._told()
        return [row_of(point, told[key_of(asdict(point))]) | origin for point in wanted]

    def _origin(self) -> Row:
        """Return what is needed to repeat rows, the same in all parts of a run.

        Raises
        ------
        SystemExit
            The folder was begun by another version.
        """
        path, origin = self.folder / "origin.json", provenance(shared_data(SOURCE))
        if not path.exists():
            path.write_text(json.dumps(origin))
        begun: Row = json.loads(path.read_text())
        if any(begun[key] != origin[key] for key in ("commit", "versions")):
            raise SystemExit(
                f"'{self.folder}' was begun by {begun['commit']}, and this is {origin['commit']}: "
                "remove it, or name another --folder"
            )
        return begun

    def _left(self, wanted: Sequence[Point]) -> list[Point]:
        """Return what is still to be measured, in turn, as often as it has to be."""
        told = self._told()
        return [
            point
            for number in range(self.most)
            for point in wanted
            if len(told.get(key_of(asdict(point)), ())) <= number < point.repeats
        ]

    def _told(self) -> dict[str, list[Row]]:
        """Return what measurements told, by the points."""
        told: dict[str, list[Row]] = {}
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                key, row = json.loads(line)
                told.setdefault(key, []).append(row)
        return told

    @property
    def _path(self) -> Path:
        return self.folder / "told.jsonl"

    def _measure_file(self, n_cells: int, left: Sequence[Point]) -> None:
        inputs = Inputs(self.folder)
        cells = inputs.cells(n_cells)
        size = {"file_mb": round(cells.stat().st_size / 1e6, 1)}
        self._done(inputs, cells, Point(n_cells, "read", None, None, 1))  # into the cache
        for point in left:
            row = self._done(inputs, cells, point) | size
            row["load_average"] = round(os.getloadavg()[0], 1)
            with self._path.open("a") as stream:
                stream.write(json.dumps([key_of(asdict(point)), row]) + "\n")
            shown = {key: row[key] for key in SHOWN if key in row}
            print(json.dumps(asdict(point) | shown), flush=True)
        inputs.remove(n_cells)

    def _done(self, inputs: Inputs, cells: Path, point: Point) -> Row:
        """Do it once, in a process of its own."""
        has_model = point.part not in WITHOUT_MODEL
        model = inputs.model(point.genes or "all", point.n_types or 0) if has_model else None
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            out = Path(folder, "out.keras" if point.part == "train" else "out.csv")
            command = [sys.executable, str(WORK), point.part, str(cells), "--out", str(out)]
            command += ["--cores", str(point.cores)]
            command += ["--model", str(model)] if model else []
            if point.part == "train":
                command += ["--labels-key", labels_key_of(point.n_types or 0)]
                command += ["--genes", str(point.genes)]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        row: Row = json.loads(said.splitlines()[-1])
        return row


SHOWN = ("seconds", "cpu_seconds", "peak_mb", "load_average")


def key_of(row: Row) -> str:
    """Return what tells the row of one point from those of others."""
    return json.dumps([row[key] for key in ("n_cells", "part", "genes", "n_types", "cores")])


def row_of(point: Point, runs: Sequence[Row]) -> Row:
    """Return the medians of what was measured, and each of the seconds.

    >>> runs = [{"seconds": 1.0}, {"seconds": 5.0}, {"seconds": 2.0}]
    >>> row_of(Point(10, "read"), runs)["seconds"]
    2.0
    """
    medians = {key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}
    each = {
        f"{key}_each": [round(run[key], 4) for run in runs]
        for key in ("seconds", "cpu_seconds")
        if key in runs[0]
    }
    return {"benchmark": BENCHMARK, **asdict(point), "repeats": len(runs), **medians, **each}


def main() -> None:
    """Measure all; save the rows, remove the folder, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS)
    parser.add_argument("--repeats", type=int, default=REPEATS[-1][1], help="at most")
    parser.add_argument("--folder", type=Path, help="on a disk with 14 GB free; kept if it ends")
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.gettempdir(), "cellclassifier-growth")
    folder.mkdir(parents=True, exist_ok=True)
    rows = Run(folder, args.repeats).measure(points(args.cells))
    if not args.no_save:
        keys = {key_of(row) for row in rows}
        save(RESULTS, rows, lambda old: old.get("benchmark") == BENCHMARK and key_of(old) in keys)
        shutil.rmtree(folder)
        scaling.main()


if __name__ == "__main__":
    main()
