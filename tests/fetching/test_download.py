"""The line, the server, and what is kept between tries."""

import json

import pooch
import pytest

from cellclassifier.errors import DownloadError, OutputError
from cellclassifier.fetching.download import MAX_TRIES, ResumingDownloader
from cellclassifier.fetching.progress import watch_nothing

DATA = bytes(range(256)) * 40


@pytest.fixture
def download(server, tmp_path):
    server.files["data"] = DATA

    def call(path="data", watch=watch_nothing):
        downloader = ResumingDownloader(tmp_path / "file", wait_seconds=0, watch=watch)
        downloader(f"{server.base}/{path}", str(tmp_path / "file"), None)
        return (tmp_path / "file").read_bytes()

    return call


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_comes_in_one_request(download, server, tmp_path):
    assert download() == DATA
    assert server.requests == [("data", None)]
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_a_cut_line_goes_on_where_it_was_cut(download, server, tmp_path, validator):
    server.validator = validator
    server.cuts = [3000, 2000]
    assert download() == DATA
    assert server.requests == [("data", None), ("data", "bytes=3000-"), ("data", "bytes=5000-")]
    assert names_in(tmp_path) == ["file"]


def test_another_process_goes_on_where_the_first_gave_up(download, server, tmp_path):
    server.cuts = [3000, *[0] * MAX_TRIES]
    with pytest.raises(DownloadError, match=r"cut after 3,000 bytes \(5 tries\); the same command"):
        download()
    assert names_in(tmp_path) == ["file.part", "file.part.json"]
    server.requests.clear()
    assert download() == DATA
    assert server.requests == [("data", "bytes=3000-")]


def test_a_part_that_is_already_whole_needs_no_request(download, server, tmp_path):
    server.cuts = [3000, *[0] * MAX_TRIES]
    with pytest.raises(DownloadError):
        download()
    (tmp_path / "file.part").write_bytes(DATA)
    server.requests.clear()
    assert download() == DATA
    assert server.requests == []


def test_a_file_that_changed_meanwhile_starts_afresh(download, server):
    server.cuts = [3000, *[0] * MAX_TRIES]
    with pytest.raises(DownloadError):
        download()
    server.files["data"] = DATA[::-1]
    assert download() == DATA[::-1]


@pytest.mark.parametrize("validator", ["none", "weak"])
def test_without_a_proof_that_the_file_is_the_same_it_starts_afresh(download, server, validator):
    server.validator = validator
    server.cuts = [3000]
    assert download() == DATA
    assert server.requests == [("data", None), ("data", None)]


def test_a_server_without_ranges_starts_afresh(download, server):
    server.knows_ranges = False
    server.cuts = [3000]
    assert download() == DATA
    assert server.requests == [("data", None), ("data", "bytes=3000-")]


def test_a_part_longer_than_the_file_starts_afresh(download, server, tmp_path):
    server.cuts = [3000, *[0] * MAX_TRIES]
    with pytest.raises(DownloadError):
        download()
    (tmp_path / "file.part").write_bytes(DATA * 2)
    assert download() == DATA


@pytest.mark.parametrize("record", ["", "{}", "[1]", '{"address": 1}'])
def test_a_broken_record_of_a_part_starts_afresh(download, server, tmp_path, record):
    (tmp_path / "file.part").write_bytes(b"something else")
    (tmp_path / "file.part.json").write_text(record)
    assert download() == DATA
    assert server.requests == [("data", None)]


def test_a_part_of_another_address_is_not_used(download, server):
    server.cuts = [3000, *[0] * MAX_TRIES]
    with pytest.raises(DownloadError):
        download()
    server.files["mirror"] = DATA
    server.requests.clear()
    assert download("mirror") == DATA
    assert server.requests == [("mirror", None)]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_server_is_asked_again(download, server, status):
    server.statuses = [status, status]
    assert download() == DATA
    assert len(server.requests) == 3


def test_a_server_that_stays_overloaded_is_given_up(download, server):
    server.statuses = [503] * (MAX_TRIES + 1)
    with pytest.raises(DownloadError, match="the server answers 503 Service Unavailable"):
        download()
    assert len(server.requests) == MAX_TRIES


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_asked_again(download, server, tmp_path, status):
    server.statuses = [status]
    with pytest.raises(DownloadError, match=f"data': the server answers {status}"):
        download()
    assert len(server.requests) == 1
    assert names_in(tmp_path) == []


def test_no_server_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    downloader = ResumingDownloader(tmp_path / "file", wait_seconds=0, watch=watch_nothing)
    with pytest.raises(DownloadError, match=r"cannot download 'http://127.0.0.1:9/x': no conn"):
        downloader("http://127.0.0.1:9/x", str(tmp_path / "file"), None)


def test_a_redirection_is_followed(download, server):
    server.redirects["old"] = f"{server.base}/data"
    assert download("old") == DATA
    assert server.paths == ["old", "data"]


def test_an_endless_redirection_is_a_download_error(download, server):
    server.redirects["round"] = f"{server.base}/round"
    with pytest.raises(DownloadError, match="redirects"):
        download("round")


def test_a_folder_that_is_gone_is_an_output_error(tmp_path, server):
    server.files["data"] = DATA
    path = tmp_path / "gone" / "file"
    with pytest.raises(OutputError, match="cannot write"):
        ResumingDownloader(path, wait_seconds=0, watch=watch_nothing)(
            f"{server.base}/data", str(path), None
        )


def test_progress_counts_what_was_here_before(download, server):
    seen = []
    server.cuts = [3000]
    download(watch=lambda *news: seen.append(news))
    assert seen == [("file", 3000, len(DATA)), ("file", len(DATA), len(DATA))]


def test_the_wait_doubles_and_ends(server, monkeypatch, tmp_path):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    server.statuses = [503] * MAX_TRIES
    downloader = ResumingDownloader(tmp_path / "file", wait_seconds=10.0, watch=watch_nothing)
    with pytest.raises(DownloadError):
        downloader(f"{server.base}/data", str(tmp_path / "file"), None)
    assert waits == [10.0, 20.0, 30.0, 30.0]


def test_the_hash_is_that_of_the_file(server, tmp_path):
    server.files["data"] = DATA
    server.cuts = [100]
    downloader = ResumingDownloader(tmp_path / "file", wait_seconds=0, watch=watch_nothing)
    downloader(f"{server.base}/data", str(tmp_path / "file"), None)
    assert downloader.sha256 == pooch.file_hash(str(tmp_path / "file"))
    assert not (tmp_path / "file.part.json").exists()


def test_the_record_of_a_part_is_plain_json(download, server, tmp_path):
    server.cuts = [3000, *[0] * MAX_TRIES]
    with pytest.raises(DownloadError):
        download()
    record = json.loads((tmp_path / "file.part.json").read_text())
    assert record["n_total"] == len(DATA)
    assert record["address"] == f"{server.base}/data"
