from pathlib import Path

import pytest

from cellclassifier.errors import OutputError
from cellclassifier.files import check_writable, replacing


def make_folder(path, content):
    path.mkdir()
    (path / "zarr.json").touch()
    (path / "part").write_text(content)


def fail_half_way(path, write, error):
    with replacing(path) as temporary:
        write(temporary)
        raise error


def write_half_a_file(path):
    path.write_text("ha")


def write_half_a_folder(path):
    make_folder(path, "ha")


def test_a_file_written_takes_its_place(tmp_path):
    path = tmp_path / "table.csv"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_file_is_replaced(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "interruption", [RuntimeError, KeyboardInterrupt], ids=lambda e: e.__name__
)
def test_the_old_file_stays_when_writing_fails_half_way(tmp_path, interruption):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(interruption):
        fail_half_way(path, write_half_a_file, interruption())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_when_a_first_writing_fails(tmp_path):
    with pytest.raises(RuntimeError):
        fail_half_way(tmp_path / "cells.zarr", write_half_a_folder, RuntimeError())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_output_error(tmp_path):
    full = OSError(28, "No space left on device")
    with pytest.raises(OutputError, match=r"cannot write '.*table\.csv': No space left on device"):
        fail_half_way(tmp_path / "table.csv", write_half_a_file, full)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "cells.zarr"
    make_folder(path, "old")
    (path / "older part").write_text("old")
    with replacing(path) as temporary:
        make_folder(temporary, "new")
    assert (path / "part").read_text() == "new"
    assert not (path / "older part").exists()
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_folder_stays_when_writing_fails(tmp_path):
    path = tmp_path / "cells.zarr"
    make_folder(path, "old")
    with pytest.raises(RuntimeError):
        fail_half_way(path, write_half_a_folder, RuntimeError())
    assert (path / "part").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "cells.zarr"
    make_folder(path, "old")
    rename = Path.rename
    sources = []

    def fail_second(self, target):
        sources.append(self)
        if len(sources) == 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_second)
    with (
        pytest.raises(OutputError, match="Input/output error"),
        replacing(path) as temporary,
    ):
        make_folder(temporary, "new")
    assert (path / "part").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_name_keeps_the_suffix_and_the_folder(tmp_path):
    with replacing(tmp_path / "model.keras") as temporary:
        temporary.touch()
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path


def test_check_writable_leaves_nothing_behind(tmp_path):
    assert check_writable(str(tmp_path / "out.h5ad")) == tmp_path / "out.h5ad"
    assert list(tmp_path.iterdir()) == []


def test_a_bare_name_is_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_writable("out.h5ad") == Path("out.h5ad")


def test_a_missing_folder_is_said_before_any_work(tmp_path):
    with pytest.raises(OutputError, match=r"the folder '.*nowhere' does not exist; make it first"):
        check_writable(tmp_path / "nowhere" / "out.h5ad")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="does not exist; make it first"):
        check_writable(tmp_path / "file" / "out.h5ad")


def test_a_folder_is_no_file_name(tmp_path):
    with pytest.raises(OutputError, match="it is a folder; give the name of a file in it"):
        check_writable(tmp_path)


def test_a_plain_folder_is_no_store(tmp_path):
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="it is a folder with other things in it, and no store"):
        check_writable(tmp_path / "mine.zarr")
    assert (tmp_path / "mine.zarr" / "thesis.txt").read_text() == "precious"
    (tmp_path / "mine.zarr" / "thesis.txt").unlink()
    assert check_writable(tmp_path / "mine.zarr")  # nothing is lost with it


def test_a_name_that_is_given_is_written_to_first(tmp_path):
    path, place = tmp_path / "cells.zarr", tmp_path / "kept" / "copy.zarr"
    make_folder(path, "old")
    place.parent.mkdir()
    make_folder(place, "of an earlier call")
    with replacing(path, place) as temporary:
        assert temporary == place
        assert not place.exists()
        make_folder(place, "new")
    assert (path / "part").read_text() == "new"
    assert list(place.parent.iterdir()) == []


def test_a_name_too_long_for_the_file_system_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="File name too long"):
        check_writable(tmp_path / ("x" * 300 + ".h5ad"))


def test_the_block_does_not_run_where_nothing_can_be_written(tmp_path):
    with pytest.raises(OutputError), replacing(tmp_path / "nowhere" / "out.csv"):
        pytest.fail("the block ran")
