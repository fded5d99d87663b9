"""Files that are not what they seem, and work that is cut off: what is said, and what is kept."""

import os
import re
import shutil
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from streamed_cells import (
    N_GENES,
    Interrupting,
    check_same,
    drawn,
    in_blocks_of,
    log_normalised,
    outside_the_sample,
    write,
    write_with_broken_chunk,
)

from cellclassifier.classifier.sampling import sample_runs
from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.data import read_cells, read_predictions
from cellclassifier.data.streaming import KeptBlocks, SettledCounts, open_cells
from cellclassifier.errors import (
    CountsError,
    FileFormatError,
    InputError,
    InputWarning,
    OutputError,
)

PARTIAL = "named.h5ad.partial"

# --- blocks that are not what the sample was

CONTRADICTIONS = {
    "fraction": (0.5, CountsError, ["not whole", "[0.5]", "raw counts in X"]),
    "negative": (-1.0, CountsError, ["negative values down to -1"]),
    "nan": (np.nan, CountsError, ["1 values that are NaN"]),
    "infinite": (np.inf, CountsError, ["1 values that are NaN or infinite"]),
    "too-large": (2.0**25, CountsError, ["too large for counts"]),
}


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_a_block_that_contradicts_the_sample_is_named(classifier, tmp_path, kind):
    value, error, told = CONTRADICTIONS[kind]
    cells = drawn(3_000, seed=5)
    odd = outside_the_sample(3_000)
    cells.X.data[cells.X.indptr[odd]] = value
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    with pytest.raises(error) as raised:
        annotate_file(classifier, path, out, streaming=in_blocks_of(100))
    first = odd // 100 * 100
    assert f"X of cells {first:,} to {first + 99:,} (counted from 0)" in str(raised.value)
    assert [words for words in told if words not in str(raised.value)] == []
    assert not out.exists()
    assert any((tmp_path / PARTIAL).glob("block_*.npz"))


def test_other_values_among_transformed_ones_are_named(classifier, tmp_path):
    cells = log_normalised(drawn(3_000, seed=5))
    odd = outside_the_sample(3_000)
    cells.X.data[cells.X.indptr[odd]] *= 1.01
    path = write(cells, tmp_path / "cells.h5ad")
    with pytest.raises(CountsError, match=r"undoing log1p does not give whole numbers.*per 10,000"):
        annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=in_blocks_of(100))


def test_an_empty_cell_is_named(classifier, tmp_path):
    cells = drawn(3_000, seed=5)
    odd = outside_the_sample(3_000)
    cells.X.data[cells.X.indptr[odd] : cells.X.indptr[odd + 1]] = 0
    path = write(cells, tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match=rf"1 cells have no counts.*cell{odd}"):
        annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=in_blocks_of(100))


# --- ends and other goings-on


def test_interrupted_work_goes_on(classifier, cells, tmp_path, monkeypatch):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    with pytest.raises(KeyboardInterrupt, match=r"\d+ of 600 cells are named and kept in .*parti"):
        annotate_file(
            classifier, path, out, streaming=in_blocks_of(50, watch=Interrupting(4), n_threads=1)
        )
    assert not out.exists()
    kept = sorted(file.name for file in (tmp_path / PARTIAL).glob("block_*.npz"))
    assert 3 <= len(kept) < 12
    times = {name: (tmp_path / PARTIAL / name).stat().st_mtime_ns for name in kept}
    made, save = [], KeptBlocks.save

    def noted(self, number, arrays):
        made.append(number)
        save(self, number, arrays)

    monkeypatch.setattr(KeptBlocks, "save", noted)
    annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    assert len(made) == 12 - len(times)
    check_same(out, classifier.classify(cells))
    assert not (tmp_path / PARTIAL).exists()


def test_a_kept_block_that_is_broken_is_made_again(classifier, cells, tmp_path):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    streaming = in_blocks_of(50, watch=Interrupting(4), n_threads=1)
    with pytest.raises(KeyboardInterrupt):
        annotate_file(classifier, path, out, streaming=streaming)
    block = sorted((tmp_path / PARTIAL).glob("block_*.npz"))[1]
    block.write_bytes(block.read_bytes()[:100])
    annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    check_same(out, classifier.classify(cells))


@pytest.mark.parametrize("what", ["input", "settings"])
def test_what_was_made_otherwise_is_made_anew(classifier, cells, tmp_path, what):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    streaming = in_blocks_of(50, watch=Interrupting(4), n_threads=1)
    with pytest.raises(KeyboardInterrupt):
        annotate_file(classifier, path, out, streaming=streaming)
    options = {}
    if what == "input":
        cells = drawn(600, seed=9)
        write(cells, path)
    else:
        options = {"shift": 0.0}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", InputWarning)
        annotate_file(classifier, path, out, streaming=in_blocks_of(50), **options)
    told = [str(one.message) for one in seen if one.category is InputWarning]
    assert len(told) == 1
    assert "began anew" in told[0]
    assert f"the {what} changed (" in told[0]
    detail = "in its size, from " if what == "input" else "(shift from not given to 0.0)"
    assert detail in told[0]
    check_same(out, classifier.classify(cells, **options))


def test_a_full_disk_keeps_what_is_done(classifier, cells, tmp_path, monkeypatch):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    left, savez = [5], np.savez

    def full(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        savez(*args, **kwargs)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match=r"No space left on device.*kept in .*make room"):
        annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    assert not out.exists()
    assert len(list((tmp_path / PARTIAL).glob("block_*.npz"))) == 5
    assert not list((tmp_path / PARTIAL).glob(".part*"))
    monkeypatch.undo()
    annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    check_same(out, classifier.classify(cells))


def test_a_disk_full_at_the_end_keeps_what_is_done(classifier, cells, tmp_path, monkeypatch):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cellclassifier.data.streaming.output.fill", full)
    said = (
        r"No space left on device\. 600 of 600 cells are named and kept in '.*partial': make room"
    )
    with pytest.raises(OutputError, match=said):
        annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    assert not out.exists()
    assert len(list((tmp_path / PARTIAL).glob("block_*.npz"))) == 12
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cells.h5ad", PARTIAL]
    monkeypatch.undo()
    done = []
    annotate_file(
        classifier, path, out, streaming=in_blocks_of(50, watch=lambda *n: done.append(n))
    )
    assert done == [(600, 600)]
    check_same(out, classifier.classify(cells))


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_no_room_for_a_copy_is_said_before_it_is_begun(
    classifier, cells, tmp_path, monkeypatch, kind
):
    path, free = write(cells, tmp_path / f"cells{kind}"), SimpleNamespace(free=2**26)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with pytest.raises(
        OutputError, match=r"no room in .* for a copy .* 0\.07 GB are free"
    ) as raised:
        annotate_file(classifier, path, tmp_path / f"named{kind}", streaming=in_blocks_of(50))
    assert "--out NAMED.csv" in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    annotate_file(classifier, path, tmp_path / "named.csv", streaming=in_blocks_of(50))


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_a_file_that_changes_meanwhile_is_refused(classifier, cells, tmp_path, kind):
    path, out = write(cells, tmp_path / f"cells{kind}"), tmp_path / "named.h5ad"

    def touch(n_done, _):
        if n_done == 300:
            file = path if path.is_file() else path / "obs" / ".zattrs"
            file.write_bytes(file.read_bytes() + b" ")

    with pytest.raises(InputError, match=r"changed while it was read.*nothing was written"):
        annotate_file(classifier, path, out, streaming=in_blocks_of(50, watch=touch))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_file_that_is_cut_off_meanwhile_has_changed_and_is_not_broken(
    classifier, cells, tmp_path
):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"

    def cut_off(n_done, _):
        if n_done == 50:
            os.truncate(path, 100)

    with pytest.raises(InputError, match=r"changed while it was read.*nothing was written"):
        annotate_file(classifier, path, out, streaming=in_blocks_of(50, watch=cut_off))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_broken_chunk_is_named(classifier, tmp_path):
    cells = drawn(3_000, seed=5)
    path, out = tmp_path / "cells.h5ad", tmp_path / "named.h5ad"
    wanted = write_with_broken_chunk(cells, path)
    with pytest.raises(FileFormatError, match=rf"chunk {wanted:,} of '/X/data', of cells .*again"):
        annotate_file(classifier, path, out, streaming=in_blocks_of(100))
    assert not out.exists()


@pytest.fixture(params=[".h5ad", ".zarr"])
def broken(request, classifier, tmp_path, monkeypatch):
    """Cells, their file with a broken chunk at the end, and the error that names it."""
    # a sample of 250 cells leaves chunks of a small file unread
    monkeypatch.setattr("cellclassifier.classifier.sampling.N_RUNS", 5)
    monkeypatch.setattr("cellclassifier.classifier.sampling.SAMPLE_CELLS", 250)
    cells, path = drawn(3_000, seed=5), tmp_path / f"cells{request.param}"
    number = write_with_broken_chunk(cells, path)
    streaming = in_blocks_of(100, n_threads=1)
    with pytest.raises(FileFormatError) as raised:
        annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=streaming)
    return cells, path, number, str(raised.value)


def repaired(cells, path):
    """Write the cells again, whole, at another time."""
    if path.is_dir():
        shutil.rmtree(path)
        return write(cells, path)
    new = path.with_name("new.h5ad")
    cells.write_h5ad(new, compression="gzip")
    return new.replace(path)


def test_a_broken_chunk_is_named_and_what_was_done_is_kept(broken, tmp_path):
    _, path, number, told = broken
    assert f"'{path}' is broken: chunk {number:,} of '/X/data', of cells " in told
    n_kept = len(list((tmp_path / PARTIAL).glob("block_*.npz")))
    assert n_kept > 2
    assert f"{n_kept * 100:,} of 3,000 cells are named and kept in '{tmp_path / PARTIAL}'" in told


def test_work_goes_on_when_a_broken_file_is_repaired(broken, classifier, tmp_path):
    cells, path, _, _ = broken
    repaired(cells, path)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / PARTIAL).glob("block_*.npz")}
    done, out = [], tmp_path / "named.h5ad"
    annotate_file(
        classifier, path, out, streaming=in_blocks_of(100, watch=lambda *n: done.append(n))
    )
    assert done[0] == (100 * len(kept), 3_000)
    unbroken = tmp_path / "unbroken.h5ad"
    annotate_file(classifier, path, unbroken, streaming=in_blocks_of(100))
    check_same(out, read_predictions(read_cells(unbroken)))


def test_blocks_of_cells_that_a_repair_changed_are_made_anew(broken, classifier, tmp_path):
    cells, path, _, _ = broken
    # a cell of the second block, which no sample looks at
    seen = {row for run in sample_runs(3_000) for row in range(run.start, run.stop)}
    changed = next(row for row in range(100, 200) if row not in seen)
    cells.X.data[cells.X.indptr[changed] : cells.X.indptr[changed + 1]] += 3
    repaired(cells, path)
    n_kept = len(list((tmp_path / PARTIAL).glob("block_*.npz")))
    done, out = [], tmp_path / "named.h5ad"
    annotate_file(
        classifier, path, out, streaming=in_blocks_of(100, watch=lambda *n: done.append(n))
    )
    assert done[0] == (100 * (n_kept - 1), 3_000)
    unbroken = tmp_path / "unbroken.h5ad"
    annotate_file(classifier, path, unbroken, streaming=in_blocks_of(100))
    check_same(out, read_predictions(read_cells(unbroken)))


def test_another_file_in_place_of_a_broken_one_is_named_anew(broken, classifier, tmp_path):
    _, path, _, _ = broken
    repaired(drawn(3_000, seed=6), path)
    with pytest.warns(InputWarning, match="began anew.*the input changed"):
        annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=in_blocks_of(100))


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_a_chunk_that_breaks_the_sample_is_named_with_its_cells(tmp_path, kind):
    cells, path = drawn(6_000, seed=5), tmp_path / f"cells{kind}"
    number = write_with_broken_chunk(cells, path)
    with pytest.raises(FileFormatError, match="is broken") as raised:
        SettledCounts.of(open_cells(path), [slice(0, 50), slice(2_950, 6_000)])
    told = re.search(
        r"chunk ([\d,]+) of '/X/data', of cells ([\d,]+) to ([\d,]+)", str(raised.value)
    )
    found, first, last = (int(group.replace(",", "")) for group in told.groups())
    assert found == number
    assert last - first < 1_000
    assert first <= outside_the_sample(6_000) <= last


def test_columns_that_do_not_exist_are_told(classifier, tmp_path):
    cells = drawn(3_000, seed=5)
    cells.X.indices[cells.X.indptr[outside_the_sample(3_000) + 1] - 1] = N_GENES + 5
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    with pytest.raises(FileFormatError, match=r"values at columns 0 to 125 of X, which has 120"):
        annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=in_blocks_of(100))
