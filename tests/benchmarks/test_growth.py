"""What is measured as cells grow: the files, each part of the work, and a run that goes on."""

import json
import subprocess

import growth
import numpy as np
import pandas as pd
import pytest
from growth import Point, Run, key_of, points
from growth_inputs import BLOCK_CELLS, TRAINING, TYPES, Inputs, labels_key_of, write_cells
from growth_work import WORK, Task

import cellclassifier as cc
from cellclassifier.classifier.streaming import Streaming
from cellclassifier.data.streaming import open_cells

# cells of a file, and those that it is made from
N_CELLS, N_STORED = 300, 120
SAID = {"seconds": 2.0, "cpu_seconds": 1.0, "peak_mb": 500.0}


@pytest.fixture(scope="module")
def store(tmp_path_factory, _toy_reference_made):
    cells = _toy_reference_made.copy()
    for n_types in TYPES:
        codes = np.arange(N_STORED) % n_types
        names = pd.Index([f"type {number}" for number in range(n_types)])
        cells.obs[labels_key_of(n_types)] = pd.Categorical.from_codes(codes, names)
    path = tmp_path_factory.mktemp("store") / "store.h5ad"
    cells.write_h5ad(path)
    return open_cells(path)


@pytest.fixture(scope="module")
def file(store, tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    write_cells(path, store, N_CELLS)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory, _toy_reference_made):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    classifier = cc.CellTypeClassifier(training=TRAINING)
    classifier.fit(_toy_reference_made, labels_key="cell_type").save(path)
    return path


def test_a_file_repeats_the_rows_of_the_store(store, file):
    cells, numbers = cc.read_cells(file), np.arange(N_CELLS) % N_STORED
    assert (cells.X[:] != store.rows("X", 0, N_STORED)[numbers]).nnz == 0
    assert cells.obs_names.is_unique
    assert cells.var_names.tolist() == store.var.index.tolist()
    for key in map(labels_key_of, TYPES):
        expected = store.table.column(key).astype(str).to_numpy()[numbers]
        assert cells.obs[key].astype(str).tolist() == expected.tolist()


@pytest.mark.parametrize("n_cells", [N_STORED - 20, N_STORED])
def test_a_file_of_no_more_cells_is_the_begin_of_the_store(store, tmp_path, n_cells):
    write_cells(tmp_path / "cells.h5ad", store, n_cells)
    found = open_cells(tmp_path / "cells.h5ad")
    assert found.n_cells == n_cells
    assert (found.rows("X", 0, n_cells) != store.rows("X", 0, n_cells)).nnz == 0


@pytest.mark.parametrize("part", [part for part in WORK if part != "name on dask"])
def test_a_part_of_the_work_tells_what_it_took(part, file, model, tmp_path):
    out = tmp_path / ("model.keras" if part == "train" else "named.csv")
    row = WORK[part](Task(part, file, model, out, 2, labels_key_of(10), "all"))
    assert all(value > 0 for key, value in row.items() if key.endswith("seconds"))
    if part == "name":
        assert len(pd.read_csv(out)) == N_CELLS
        steps = [row[f"{step}_seconds"] for step in ("settling", "blocks", "table")]
        assert sum(steps) == pytest.approx(row["seconds"])
    if part == "train":
        trained = cc.CellTypeClassifier.load(out)
        assert len(trained.classes_) == 10
        steps = [row[f"{step}_seconds"] for step in ("rank", "keep", "epoch", "rest")]
        assert sum(steps) == pytest.approx(row["seconds"])


def test_the_steps_of_naming_are_all_there_is(file, model, tmp_path):
    """The loop that is timed step by step names cells as `annotate_file` does."""
    saved = []
    task = Task("stages", file, model, tmp_path / "kept", 1, "", "all")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "cellclassifier.data.streaming.KeptBlocks.save",
            lambda _, number, arrays: saved.append((number, arrays)),
        )
        WORK["stages"](task)
    named = cc.annotate_file(cc.CellTypeClassifier.load(model), file, tmp_path / "named.csv")
    ((number, arrays),) = saved
    assert number == 0
    assert arrays["predicted_cell_type_novelty"].tolist() == named.novelty.tolist()
    assert arrays["predicted_cell_type_confidence"].tolist() == named.confidence.tolist()


def test_points_are_measured_once_each():
    wanted = points(growth.CELLS)
    keys = [key_of(vars(point)) for point in wanted]
    assert len(set(keys)) == len(keys)
    assert {point.part for point in wanted} == set(WORK)
    sizes = [point.n_cells for point in wanted if point.part == "name" and point.cores == 2]
    assert set(sizes) == set(growth.CELLS)
    models = {(p.genes, p.n_types) for p in wanted if p.n_cells == 100_000 and p.part == "name"}
    assert models == {(2000, 10), *growth.OTHER_MODELS}


@pytest.fixture
def workers(monkeypatch):
    """Workers that answer at once, but for the one whose number is in `end`."""

    def run(command, **_):
        commands.append(command)
        if len(commands) in end:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(command, 0, stdout=json.dumps(SAID))

    commands, end = [], []
    monkeypatch.setattr("growth.subprocess.run", run)
    monkeypatch.setattr("growth.provenance", lambda _: {"commit": "abc", "versions": {}})
    monkeypatch.setattr("growth.shared_data", lambda name: name)
    monkeypatch.setattr("growth_inputs.Inputs.model", lambda *_: "model.keras")
    return commands, end


def write_files(folder, *sizes):
    for n_cells in sizes:
        (folder / f"cells_{n_cells}.h5ad").write_bytes(b"x" * 2_000_000)


def test_a_run_that_ended_goes_on_where_it_was(tmp_path, workers):
    commands, end = workers
    wanted = [Point(n_cells, part) for n_cells in (40, 50) for part in ("align", "name")]
    write_files(tmp_path, 40, 50)
    repeats = wanted[0].repeats
    # of each file one more worker reads it into the system's cache
    end.append(2 * (1 + 2 * repeats) - 2)
    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path).measure(wanted)
    assert not (tmp_path / "cells_40.h5ad").exists()
    commands.clear()
    end.clear()
    rows = Run(tmp_path).measure(wanted)
    assert len(commands) == 1 + 3
    told = [(row["n_cells"], row["part"]) for row in rows]
    assert told == [(point.n_cells, point.part) for point in wanted]
    assert all(row["commit"] == "abc" and row["file_mb"] == 2.0 for row in rows)
    assert [len(row["seconds_each"]) for row in rows] == [repeats] * 4
    commands.clear()
    assert Run(tmp_path).measure(wanted) == rows
    assert commands == []


def test_measurements_of_one_file_take_turns(tmp_path, workers):
    commands, _ = workers
    write_files(tmp_path, 40)
    Run(tmp_path, most=2).measure([Point(40, "align"), Point(40, "name"), Point(40, "train")])
    parts = [command[2] for command in commands]
    assert parts == ["read", "align", "name", "train", "align", "name"]


@pytest.mark.usefixtures("workers")
def test_a_folder_of_another_version_is_refused(tmp_path, monkeypatch):
    write_files(tmp_path, 40)
    Run(tmp_path).measure([Point(40, "align")])
    monkeypatch.setattr("growth.provenance", lambda _: {"commit": "def", "versions": {}})
    with pytest.raises(SystemExit, match="begun by abc, and this is def"):
        Run(tmp_path).measure([Point(40, "align")])


def test_a_disk_without_room_is_said(tmp_path, store, monkeypatch):
    inputs = Inputs(tmp_path)
    monkeypatch.setattr("growth_inputs.Inputs._store", lambda _: store)
    with pytest.raises(SystemExit, match=r"10,000,000,000 cells need [\d,]+ GB in"):
        inputs.cells(10_000_000_000)
    assert list(tmp_path.iterdir()) == []


def test_blocks_are_those_of_the_streaming():
    assert Streaming().step == BLOCK_CELLS
