"""The folder of finished work: whose it is, who works in it, and what of it is gone on with."""

import json
import os
import shutil
import warnings

import h5py
import numpy as np
import pytest
from streamed_cells import (
    KEY,
    Interrupting,
    check_same,
    drawn,
    in_blocks_of,
    outside_the_sample,
    write,
)

import cellclassifier as cc
from cellclassifier.classifier.sampling import sample_runs
from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.classifier.trusting import TrustSettings
from cellclassifier.data.streaming import KeptBlocks, identity
from cellclassifier.errors import InputError, InputWarning, OutputError

PARTIAL = "named.csv.partial"


def interrupted(classifier, path, out, n_cells=50, n_blocks=4, **options):
    """Name some blocks, and end."""
    steps = in_blocks_of(n_cells, watch=Interrupting(n_blocks), n_threads=1)
    with pytest.raises(KeyboardInterrupt):
        annotate_file(classifier, path, out, streaming=steps, **options)
    return sorted((out.parent / f"{out.name}.partial").glob("block_*.npz"))


def whole(classifier, path, folder, **options):
    """Return what is written where nothing ends the work."""
    folder.mkdir()
    annotate_file(classifier, path, folder / "named.csv", streaming=in_blocks_of(64), **options)
    return (folder / "named.csv").read_bytes()


@pytest.fixture
def path(cells, tmp_path):
    return write(cells, tmp_path / "cells.h5ad")


# --- who works in it, and with what


def test_a_late_block_that_was_made_otherwise_is_not_taken(classifier, path, tmp_path, monkeypatch):
    out, saved, save = tmp_path / "named.csv", {}, KeptBlocks.save

    def noted(self, number, arrays):
        saved[number] = (self, arrays)
        save(self, number, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(KeptBlocks, "save", noted)
        interrupted(classifier, path, out)

    def late(n_done, _):  # a worker of a cluster that nobody could stop
        if not n_done:
            for number, (kept, arrays) in saved.items():
                save(kept, number, arrays)

    fewer = {"trust": TrustSettings(coverage=0.5)}
    steps = in_blocks_of(50, watch=late)
    with pytest.warns(InputWarning, match=r"settings changed \(coverage from 0\.9 to 0\.5\)"):
        annotate_file(classifier, path, out, streaming=steps, **fewer)
    assert out.read_bytes() == whole(classifier, path, tmp_path / "clean", **fewer)
    assert not (tmp_path / PARTIAL).exists()


@pytest.mark.parametrize("name", ["named.csv", "named.h5ad", "cells.h5ad"])
def test_a_second_command_for_one_output_is_refused(classifier, cells, path, tmp_path, name):
    out, refused = tmp_path / name, []

    def second(n_done, _):
        if n_done == 100:
            with pytest.raises(OutputError, match=r"another command is writing .*wait until") as it:
                annotate_file(classifier, path, out, shift=0.0)
            refused.append(it.value)

    annotate_file(classifier, path, out, streaming=in_blocks_of(50, watch=second))
    assert len(refused) == 1
    if name.endswith(".h5ad"):
        check_same(out, classifier.classify(cells))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted({"cells.h5ad", name})


def test_a_lock_that_nobody_holds_is_taken(classifier, path, tmp_path):
    (tmp_path / PARTIAL).mkdir()
    (tmp_path / PARTIAL / ".lock").touch()
    annotate_file(classifier, path, tmp_path / "named.csv")
    assert not (tmp_path / PARTIAL).exists()


@pytest.mark.parametrize(("number", "is_told"), [(28, True), (27, True), (5, False), (13, False)])
def test_room_is_asked_for_where_it_lacks(classifier, path, tmp_path, monkeypatch, number, is_told):
    left, savez = [3], np.savez

    def fails(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))
        savez(*args, **kwargs)

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OutputError, match=r"run the same command again, and it goes on") as raised:
        annotate_file(classifier, path, tmp_path / "named.csv", streaming=in_blocks_of(50))
    assert ("make room" in str(raised.value)) == is_told


# --- whose it is


def test_a_folder_of_somebody_else_is_left_alone(classifier, path, tmp_path):
    thesis = tmp_path / PARTIAL / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("precious")
    with pytest.raises(OutputError, match=r"there is 'thesis\.txt', and no 'manifest\.json'"):
        annotate_file(classifier, path, tmp_path / "named.csv")
    assert list(thesis.parent.iterdir()) == [thesis]
    shutil.copytree(thesis.parent, tmp_path / "model.keras.partial")
    files = cc.ReferenceFiles(from_disk=True)
    fresh = cc.CellTypeClassifier("linear", genes=40)
    with pytest.raises(OutputError, match="was not made by this package"):
        cc.fit_file(fresh, path, tmp_path / "model.keras", labels_key=KEY, files=files)
    assert (tmp_path / "model.keras.partial" / "thesis.txt").read_text() == "precious"


def test_a_strange_file_among_ours_outlasts_them(classifier, path, tmp_path):
    out = tmp_path / "named.csv"
    interrupted(classifier, path, out)
    (tmp_path / PARTIAL / "notes.txt").write_text("mine")
    with pytest.warns(InputWarning, match="began anew"):
        annotate_file(classifier, path, out, shift=0.0)
    assert [file.name for file in (tmp_path / PARTIAL).iterdir()] == ["notes.txt"]


def test_a_folder_of_another_kind_is_no_store_to_be_replaced(classifier, path, tmp_path):
    thesis = tmp_path / "mine.zarr" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("precious")
    with pytest.raises(OutputError, match="no store of zarr"):
        annotate_file(classifier, path, tmp_path / "mine.zarr")
    assert thesis.read_text() == "precious"


def test_a_store_that_was_being_replaced_comes_back(classifier, cells, tmp_path):
    path, partial = write(cells, tmp_path / "cells.zarr"), tmp_path / "cells.zarr.partial"
    partial.mkdir()
    (partial / "manifest.json").write_text("{}")
    path.rename(partial / "replaced.zarr")  # and there it ended
    with pytest.warns(InputWarning, match="began anew"):
        annotate_file(classifier, path, path)
    check_same(path, classifier.classify(cells))
    assert [file.name for file in tmp_path.iterdir()] == ["cells.zarr"]


def test_work_of_an_earlier_format_is_begun_anew(classifier, path, tmp_path):
    out = tmp_path / "named.csv"
    interrupted(classifier, path, out)
    manifest = json.loads((tmp_path / PARTIAL / "manifest.json").read_text())
    del manifest["format"]
    (tmp_path / PARTIAL / "manifest.json").write_text(json.dumps(manifest))
    with pytest.warns(InputWarning, match=r"the format changed \(from not given to 2\)"):
        annotate_file(classifier, path, out)


# --- what of it is gone on with


@pytest.mark.parametrize("n_cells", [7, 20, 64, 1_000])
def test_blocks_of_another_size_go_on_with_those_that_are_kept(classifier, path, tmp_path, n_cells):
    out, done = tmp_path / "named.csv", []
    kept = interrupted(classifier, path, out)
    kept.pop(1).unlink()  # a gap between them
    steps = in_blocks_of(n_cells, watch=lambda *n: done.append(n[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotate_file(classifier, path, out, streaming=steps)
    assert done[0] == 50 * len(kept)
    assert max(np.diff(done)) <= n_cells
    assert out.read_bytes() == whole(classifier, path, tmp_path / "clean")


class Touching:
    """Gives a file another time of change once some cells are named."""

    def __init__(self, path, n_cells, change=None):
        self.path, self.n_cells, self.change, self.done = path, n_cells, change, []

    def __call__(self, n_done, _):
        self.done.append(n_done)
        if n_done == self.n_cells:
            if self.change is not None:
                self.change(self.path)
            os.utime(self.path)


@pytest.fixture
def touched(classifier, path, tmp_path, monkeypatch):
    """Return the blocks that are kept when the file was touched meanwhile."""
    monkeypatch.setattr(identity, "PAUSE", 0.0)
    monkeypatch.setattr(identity, "PAUSE_TIMES", 0.0)
    touching = Touching(path, 200)
    steps = in_blocks_of(50, watch=touching, n_threads=1)
    with pytest.raises(InputError, match=r"changed .* time of change alone.*kept in") as raised:
        annotate_file(classifier, path, tmp_path / "named.csv", streaming=steps)
    assert touching.done[-1] == 200  # it is told at once
    assert "those of the same counts stay" in str(raised.value)
    kept = sorted((tmp_path / PARTIAL).glob("block_*.npz"))
    assert len(kept) >= 4
    return kept


def test_a_file_that_was_touched_is_gone_on_with(classifier, path, tmp_path, touched):
    done, out = [], tmp_path / "named.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps = in_blocks_of(20, watch=lambda *n: done.append(n[0]))
        annotate_file(classifier, path, out, streaming=steps)
    assert done[0] == 50 * len(touched)
    assert out.read_bytes() == whole(classifier, path, tmp_path / "clean")


def test_blocks_that_are_no_more_what_they_were_made_of_are_made_anew(
    classifier, tmp_path, monkeypatch
):
    monkeypatch.setattr("cellclassifier.classifier.sampling.N_RUNS", 5)
    monkeypatch.setattr("cellclassifier.classifier.sampling.SAMPLE_CELLS", 250)
    cells, done, out = drawn(3_000, seed=5), [], tmp_path / "named.csv"
    path = write(cells, tmp_path / "cells.h5ad")
    kept = interrupted(classifier, path, out, 100, 30)
    row = outside_the_sample(2_800)
    assert any(f"-{row // 100 * 100 + 100:010d}-" in file.name for file in kept)
    with h5py.File(path, "r+") as file:
        file["X/data"][cells.X.indptr[row]] += 1
    steps = in_blocks_of(100, watch=lambda *n: done.append(n[0]))
    annotate_file(classifier, path, out, streaming=steps)
    assert done[0] == 100 * (len(kept) - 1)
    assert out.read_bytes() == whole(classifier, path, tmp_path / "clean")


def test_blocks_of_a_file_that_was_another_for_a_while_are_made_anew(
    classifier, tmp_path, monkeypatch
):
    monkeypatch.setattr("cellclassifier.classifier.sampling.N_RUNS", 5)
    monkeypatch.setattr("cellclassifier.classifier.sampling.SAMPLE_CELLS", 250)
    monkeypatch.setattr(identity, "PAUSE", 60.0)  # it is noticed in the end only
    cells, out, done = drawn(3_000, seed=5), tmp_path / "named.csv", []
    path, backup = write(cells, tmp_path / "cells.h5ad"), tmp_path / "backup.h5ad"
    shutil.copy2(path, backup)
    row = next(row for row in range(1_500, 3_000) if row not in _sampled(3_000))
    with h5py.File(path) as file:
        chunk, rest = divmod(int(cells.X.indptr[row]), file["X/data"].chunks[0])
        place = file["X/data"].id.get_chunk_info(chunk).byte_offset + 4 * rest

    def change(n_done, _):
        if n_done == 100:
            with path.open("r+b") as stream:
                stream.seek(place)
                stream.write(np.float32(99).tobytes())
            os.utime(path)

    steps = in_blocks_of(100, watch=change, n_threads=1)
    with pytest.raises(InputError, match="time of change alone"):
        annotate_file(classifier, path, out, streaming=steps)
    shutil.copy2(backup, path)  # of the same size and time as in the beginning
    steps = in_blocks_of(100, watch=lambda *n: done.append(n[0]))
    annotate_file(classifier, path, out, streaming=steps)
    assert done[0] == 2_900
    assert out.read_bytes() == whole(classifier, path, tmp_path / "clean")


def _sampled(n_cells):
    return {row for run in sample_runs(n_cells) for row in range(run.start, run.stop)}


def test_a_file_that_is_gone_for_a_while_loses_nothing(classifier, path, tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "PAUSE", 0.0)
    monkeypatch.setattr(identity, "PAUSE_TIMES", 0.0)
    away, out, done = tmp_path / "away.h5ad", tmp_path / "named.csv", []

    def move(n_done, _):
        if n_done == 200:
            path.rename(away)

    steps = in_blocks_of(50, watch=move, n_threads=1)
    with pytest.raises(InputError, match=r"is gone while it was read.*kept in"):
        annotate_file(classifier, path, out, streaming=steps)
    away.rename(path)
    steps = in_blocks_of(50, watch=lambda *n: done.append(n[0]))
    annotate_file(classifier, path, out, streaming=steps)
    assert done[0] >= 200
    assert out.read_bytes() == whole(classifier, path, tmp_path / "clean")


@pytest.mark.parametrize("name", ["none.h5ad", "none/cells.h5ad"])
def test_no_file_to_write_into_is_said_as_such(classifier, tmp_path, name):
    with pytest.raises(InputError, match="there is no file"):
        annotate_file(classifier, tmp_path / name, None)
    assert list(tmp_path.iterdir()) == []


def test_other_cells_in_a_file_of_the_same_size_are_named_anew(classifier, path, tmp_path):
    out = tmp_path / "named.csv"
    interrupted(classifier, path, out)
    with h5py.File(path, "r+") as file:  # the same sums and numbers of each cell
        file["X/indices"][:] = 119 - file["X/indices"][:]
    with pytest.warns(InputWarning, match="time of change alone.*and the sample changed"):
        annotate_file(classifier, path, out)
