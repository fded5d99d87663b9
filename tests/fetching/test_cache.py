"""What is kept, what is refused later, and what is used offline."""

import json

import pytest
from archive_server import archive_of
from filelock import FileLock

from cellclassifier.errors import DownloadError, InputError, OutputError
from cellclassifier.fetching import Downloads

NAME = "toy-set/nk_cells.tar.gz"


@pytest.fixture
def fetched(fetch, server):
    """The toy set has been fetched once; requests count from here."""
    fetch()
    server.requests.clear()


def lock_of(cache_folder):
    return json.loads((cache_folder / "lock.json").read_text())["files"]


@pytest.mark.usefixtures("fetched")
def test_the_first_download_is_recorded(server, cache_folder):
    record = lock_of(cache_folder)[NAME]
    assert record["address"] == f"{server.base}/nk_cells.tar.gz"
    assert record["n_bytes"] == len(server.files["nk_cells.tar.gz"])
    assert len(record["sha256"]) == 64


@pytest.mark.usefixtures("fetched")
def test_another_file_at_the_same_address_is_refused(fetch, server, cache_folder):
    recorded = lock_of(cache_folder)
    (cache_folder / NAME).unlink()
    server.files["nk_cells.tar.gz"] = archive_of(12, seed=99)
    with pytest.raises(DownloadError, match=r"is not the file it was.*--accept-change") as refused:
        fetch()
    assert recorded[NAME]["sha256"] in str(refused.value)
    assert not (cache_folder / NAME).exists()
    assert lock_of(cache_folder) == recorded


@pytest.mark.usefixtures("fetched")
def test_a_change_is_accepted_on_demand(fetch, server, cache_folder):
    recorded = lock_of(cache_folder)
    (cache_folder / NAME).unlink()
    server.files["nk_cells.tar.gz"] = archive_of(12, seed=99)
    fetch(accept_change=True)
    assert lock_of(cache_folder)[NAME]["sha256"] != recorded[NAME]["sha256"]
    assert server.paths == ["nk_cells.tar.gz"]
    fetch()
    assert server.paths == ["nk_cells.tar.gz"]


@pytest.mark.usefixtures("fetched")
def test_accepting_changes_keeps_what_is_whole(fetch, server):
    fetch(accept_change=True)
    assert server.requests == []


@pytest.mark.usefixtures("fetched")
def test_a_cached_file_that_was_spoilt_is_downloaded_again(fetch, server, cache_folder):
    (cache_folder / NAME).write_bytes(b"spoilt")
    fetch()
    assert server.paths == ["nk_cells.tar.gz"]
    assert (cache_folder / NAME).read_bytes() == server.files["nk_cells.tar.gz"]


def test_the_hash_of_the_catalogue_comes_before_the_first_download(fetch, server, tmp_path):
    catalogue = server.write_catalogue(tmp_path / "pinned.toml", {"nk_cells": "NK"})
    catalogue.write_text(f'{catalogue.read_text()}sha256 = "{"0" * 64}"\n')
    with pytest.raises(DownloadError, match=r"the catalogue says 0000.*correct its sha256"):
        fetch(catalogue=catalogue, accept_change=True)


@pytest.mark.usefixtures("fetched")
def test_a_mirror_has_to_serve_the_same_file(fetch, server, cache_folder, tmp_path):
    (cache_folder / NAME).unlink()
    server.files["mirror/nk_cells.tar.gz"] = server.files["nk_cells.tar.gz"]
    catalogue = server.write_catalogue(tmp_path / "mirror.toml", {"nk_cells": "NK"})
    catalogue.write_text(catalogue.read_text().replace(server.base, f"{server.base}/mirror"))
    fetch(catalogue=catalogue)
    assert server.paths == ["mirror/nk_cells.tar.gz"]


@pytest.mark.usefixtures("fetched")
def test_offline_uses_the_cache(fetch, server):
    assert fetch(offline=True).n_cells["NK"] == 12
    assert server.requests == []


def test_offline_without_a_cache_says_what_is_missing(fetch, server, cache_folder, tmp_path):
    with pytest.raises(
        DownloadError, match=r"'toy-set' is not at hand: 3 of 3 files are missing.*b_cells\.tar\.gz"
    ):
        fetch(offline=True)
    assert server.requests == []
    assert not cache_folder.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("fetched")
def test_offline_refuses_a_spoilt_file(fetch, cache_folder):
    (cache_folder / NAME).write_bytes(b"spoilt")
    with pytest.raises(DownloadError, match="is not the file that was downloaded"):
        fetch(offline=True)


@pytest.mark.usefixtures("fetched")
def test_offline_writes_nothing_to_a_cache_that_others_may_own(fetch, cache_folder):
    (cache_folder / ".busy").unlink(missing_ok=True)
    times = {path: path.stat().st_mtime_ns for path in cache_folder.rglob("*")}
    fetch(offline=True)
    assert {path: path.stat().st_mtime_ns for path in cache_folder.rglob("*")} == times


def test_a_cache_that_another_process_fills_is_left_alone(fetch, cache_folder, server):
    cache_folder.mkdir()
    with (
        FileLock(cache_folder / ".busy", timeout=0),
        pytest.raises(DownloadError, match="another fetch is filling the cache"),
    ):
        fetch()
    assert server.requests == []


def test_a_cache_that_cannot_be_made_is_an_output_error(fetch, cache_folder):
    cache_folder.write_text("a file")
    with pytest.raises(OutputError, match=r"cannot write to the cache.*CELLCLASSIFIER_CACHE"):
        fetch()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 1}', '{"format": 1, "files": {"a": {"b": 1}}}']
)
def test_a_broken_lock_file_is_refused(fetch, server, cache_folder, content):
    cache_folder.mkdir()
    (cache_folder / "lock.json").write_text(content)
    with pytest.raises(InputError, match=r"lock file '.*lock\.json' is broken"):
        fetch()
    assert server.requests == []


def test_a_lock_file_of_a_later_format_is_refused(fetch, cache_folder):
    cache_folder.mkdir()
    (cache_folder / "lock.json").write_text('{"format": 2, "files": {}}')
    with pytest.raises(InputError, match="has format 2, but this version knows format 1"):
        fetch()


def test_the_cache_is_where_the_caller_then_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.delenv("CELLCLASSIFIER_CACHE", raising=False)
    assert Downloads().cache_folder.name == "cellclassifier"
    monkeypatch.setenv("CELLCLASSIFIER_CACHE", str(tmp_path / "variable"))
    assert Downloads().cache_folder == tmp_path / "variable"
    assert Downloads(tmp_path / "own").cache_folder == tmp_path / "own"
