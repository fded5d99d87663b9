"""Ends in the midst of writing into the file of the cells: what becomes of it, and what is kept."""

import os
import shutil
import signal
import warnings

import pytest
from filelock import FileLock
from streamed_cells import check_same, drawn, in_blocks_of, write

from cellclassifier import read_cells
from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.data.streaming import (
    finish_changes,
    in_place,
    in_store,
    last_step,
    open_cells,
    patching,
)
from cellclassifier.data.streaming.before import Before
from cellclassifier.errors import FileFormatError, InputWarning, OutputError

KINDS = pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
FULL = OSError(28, "No space left on device")


class Killed(BaseException):
    """The process ends here, and cleans nothing up."""


def die(*_):
    raise Killed


def cut_off_in_the_last_step(classifier, path, monkeypatch):
    """Annotate in place, and end when all is written down and nothing is carried out."""
    with monkeypatch.context() as patch:
        patch.setattr(patching, "_carry_out", die)
        patch.setattr(in_store, "_move_all", die)
        with pytest.raises(Killed):
            annotate_file(classifier, path, None, streaming=in_blocks_of(50))


def files_of(path):
    """Return what is in a file, or in those of a folder, and their times."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files if file.is_file()}


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


# --- the last step


@KINDS
@pytest.mark.parametrize("how", ["annotated", "opened", "read"])
def test_a_last_step_that_was_cut_off_is_finished(
    classifier, cells, tmp_path, monkeypatch, kind, how
):
    path = write(cells, tmp_path / f"cells{kind}")
    cut_off_in_the_last_step(classifier, path, monkeypatch)
    read = {
        "annotated": lambda: annotate_file(classifier, path, tmp_path / "named.csv"),
        "opened": lambda: open_cells(path),
        "read": lambda: read_cells(path),
    }
    with pytest.warns(InputWarning, match="finished writing annotations into '.*cells"):
        read[how]()
    check_same(path, classifier.classify(cells))
    shutil.rmtree(tmp_path / f"cells{kind}.partial")
    assert names_in(tmp_path) in ([path.name], [path.name, "named.csv"])


@KINDS
def test_a_last_step_that_was_half_done_is_finished(classifier, cells, tmp_path, monkeypatch, kind):
    path = write(cells, tmp_path / f"cells{kind}")
    annotate_file(classifier, path, None, shift=0.0)  # nodes that have to go
    left, write_at, move = [3], last_step.write_at, in_store._move

    def some(do):
        def counted(*arguments):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            do(*arguments)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(last_step, "write_at", some(write_at))
        patch.setattr(in_store, "_move", some(move))
        with pytest.raises(Killed):
            annotate_file(classifier, path, None)
    with pytest.warns(InputWarning, match="finished writing"):
        read_cells(path)
    check_same(path, classifier.classify(cells))


@KINDS
@pytest.mark.parametrize("other", ["the-backup", "other-cells"])
def test_a_last_step_is_not_done_to_a_file_that_was_put_in_place_of_it(
    classifier, cells, tmp_path, monkeypatch, kind, other
):
    path = write(cells, tmp_path / f"cells{kind}")
    new = cells if other == "the-backup" else drawn(600, seed=8)
    backup = write(new, tmp_path / f"backup{kind}")
    cut_off_in_the_last_step(classifier, path, monkeypatch)
    if kind == ".zarr":
        shutil.rmtree(path)
        shutil.copytree(backup, path)
    else:
        shutil.copyfile(backup, path)
    before = files_of(path)
    with pytest.warns(InputWarning, match=r"not the same any more.*set aside as '.*not-applied'"):
        annotate_file(classifier, path, tmp_path / "named.csv")
    assert files_of(path) == before
    assert len([name for name in names_in(tmp_path) if name.endswith(".not-applied")]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        read_cells(path)


def test_a_last_step_is_not_done_to_a_file_of_that_size_with_other_pages(
    classifier, cells, tmp_path, monkeypatch
):
    path = write(cells, tmp_path / "cells.h5ad")
    cut_off_in_the_last_step(classifier, path, monkeypatch)
    with path.open("r+b") as file:  # the superblock, which is among what changes
        file.seek(60)
        file.write(b"\xfe\xfe")
    before = path.read_bytes()
    with pytest.warns(InputWarning, match="not the same any more"):
        finish_changes(path)
    assert path.read_bytes() == before


@KINDS
def test_a_last_step_that_fails_says_who_finishes_it(
    classifier, cells, tmp_path, monkeypatch, kind
):
    path = write(cells, tmp_path / f"cells{kind}")

    def full(*_):
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(last_step, "write_at", full)
        patch.setattr(in_store, "_move", full)
        with pytest.raises(OutputError, match=r"was cut off \(No space.*the next command"):
            annotate_file(classifier, path, None)
        with pytest.raises(OutputError, match=r"cannot be finished now: No space left"):
            read_cells(path)
    with pytest.warns(InputWarning, match="finished writing"):
        check_same(path, classifier.classify(cells))


def test_notes_of_a_file_that_is_gone_disturb_nobody(classifier, cells, tmp_path, monkeypatch):
    path = write(cells, tmp_path / "cells.h5ad")
    cut_off_in_the_last_step(classifier, path, monkeypatch)
    path.unlink()
    with pytest.raises(FileFormatError, match="there is no file"):
        annotate_file(classifier, path, tmp_path / "named.csv")


# --- before the last step


def full_beyond(n_bytes):
    """Return what writes to a disk that is full after some bytes."""
    left = [n_bytes]

    def write_at(file, place, content):
        left[0] -= len(content)
        if left[0] < 0:
            raise FULL
        os.pwrite(file.fileno(), content, place)

    return write_at


@pytest.mark.parametrize("n_bytes", [0, 100, 3_000, 6_000, 10_000])
def test_a_full_disk_leaves_the_file_as_it_was_and_the_work_goes_on(
    classifier, cells, tmp_path, monkeypatch, n_bytes
):
    path = write(cells, tmp_path / "cells.h5ad")
    before = files_of(path)
    with monkeypatch.context() as patch:
        patch.setattr(patching, "write_at", full_beyond(n_bytes))
        said = r"which is as it was: No space left.* 600 of 600 cells are named and kept"
        with pytest.raises(OutputError, match=said):
            annotate_file(classifier, path, None, streaming=in_blocks_of(50))
    assert files_of(path) == before
    assert names_in(tmp_path) == ["cells.h5ad", "cells.h5ad.partial"]
    check_goes_on(classifier, cells, path)


def test_what_others_left_beyond_the_end_of_a_file_does_no_harm(
    classifier, cells, tmp_path, monkeypatch
):
    path = write(cells, tmp_path / "cells.h5ad")
    with path.open("ab") as file:
        file.write(b"x" * 10_000)
    before = path.stat()
    with monkeypatch.context() as patch:
        patch.setattr(patching, "write_at", full_beyond(3_000))
        with pytest.raises(OutputError, match="No space left"):
            annotate_file(classifier, path, None, streaming=in_blocks_of(50))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    check_goes_on(classifier, cells, path)


def test_a_full_disk_leaves_a_store_as_it_was(classifier, cells, tmp_path, monkeypatch):
    path = write(cells, tmp_path / "cells.zarr")
    before = files_of(path)

    def full(*_):
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr("cellclassifier.data.streaming.filling.new_array", full)
        with pytest.raises(OutputError, match="which is as it was: No space left"):
            annotate_file(classifier, path, None, streaming=in_blocks_of(50))
    assert files_of(path) == before
    assert names_in(tmp_path) == ["cells.zarr", "cells.zarr.partial"]
    check_goes_on(classifier, cells, path)


def check_goes_on(classifier, cells, path):
    done = []
    streaming = in_blocks_of(50, watch=lambda *n: done.append(n))
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        annotate_file(classifier, path, None, streaming=streaming)
    assert done == [(600, 600)]
    check_same(path, classifier.classify(cells))


@KINDS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_who_asks_to_end_while_the_file_is_written_is_heard(
    classifier, cells, tmp_path, monkeypatch, kind, number
):
    path = write(cells, tmp_path / f"cells{kind}")
    before = files_of(path)
    place, name = (in_place, "fill") if kind == ".h5ad" else (in_store, "fill_slots")
    fill = getattr(place, name)

    def asked(*arguments):
        written = fill(*arguments)
        signal.raise_signal(number)
        return written

    def end(*_):
        raise KeyboardInterrupt

    old = signal.signal(number, end)
    monkeypatch.setattr(place, name, asked)
    try:
        with pytest.raises(KeyboardInterrupt, match="600 of 600 cells are named and kept"):
            annotate_file(classifier, path, None, streaming=in_blocks_of(50))
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, old)
    monkeypatch.undo()
    assert files_of(path) == before
    check_goes_on(classifier, cells, path)


def test_who_asks_to_end_in_the_last_step_asks_too_late(classifier, cells, tmp_path, monkeypatch):
    path, carry_out = write(cells, tmp_path / "cells.h5ad"), patching._carry_out

    def asked(*arguments):
        signal.raise_signal(signal.SIGINT)
        carry_out(*arguments)

    monkeypatch.setattr(patching, "_carry_out", asked)
    annotate_file(classifier, path, None)
    check_same(path, classifier.classify(cells))
    assert names_in(tmp_path) == ["cells.h5ad"]


def killed_while_the_file_is_written(classifier, path, monkeypatch):
    """Annotate in place, and end when all that is new is written, and nothing of the old."""
    fill = in_place.fill

    def killed(*arguments):
        fill(*arguments)
        arguments[0].flush()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(in_place, "fill", killed)
        patch.setattr(Before, "put_back", die)
        with pytest.raises(Killed):
            annotate_file(classifier, path, None, streaming=in_blocks_of(50))


def test_work_goes_on_where_the_command_was_killed_while_it_wrote(
    classifier, cells, tmp_path, monkeypatch
):
    path = write(cells, tmp_path / "cells.h5ad")
    before = path.stat()
    killed_while_the_file_is_written(classifier, path, monkeypatch)
    assert path.stat().st_size > before.st_size
    read_cells(path)
    check_goes_on(classifier, cells, path)
    assert names_in(tmp_path) == ["cells.h5ad"]


@pytest.mark.parametrize("n_cells", [600, 900])
def test_another_file_in_place_of_that_one_stays_as_it_is(
    classifier, cells, tmp_path, monkeypatch, n_cells
):
    path = write(cells, tmp_path / "cells.h5ad")
    killed_while_the_file_is_written(classifier, path, monkeypatch)
    shutil.copyfile(write(drawn(n_cells, seed=8), tmp_path / "new.h5ad"), path)
    before, out = files_of(path), tmp_path / "named.csv"
    annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    assert files_of(path) == before
    with pytest.warns(InputWarning, match=r"began anew.*the input changed"):
        annotate_file(classifier, path, None, streaming=in_blocks_of(50))


# --- two at once


@KINDS
def test_a_second_writer_is_told_of_the_first(classifier, cells, tmp_path, kind):
    path = write(cells, tmp_path / f"cells{kind}")
    before = files_of(path)
    lock = FileLock(tmp_path / f".cells{kind}.lock")
    with lock, pytest.raises(OutputError, match=r"another command is writing into '.*cells"):
        annotate_file(classifier, path, None)
    assert files_of(path) == before
