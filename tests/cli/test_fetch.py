"""fetch from address to file, and each of its failures in one line."""

import tarfile

import pytest
from archive_server import archive_of, packed, serving, tenx_files

from cellclassifier import read_cells

LABELS = {"b_cells": "B", "nk_cells": "NK"}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as content:
        content.files = {
            "b_cells.tar.gz": archive_of(30, seed=1),
            "nk_cells.tar.gz": archive_of(8, seed=2),
        }
        yield content


@pytest.fixture
def options(server, tmp_path):
    catalogue = server.write_catalogue(tmp_path / "sets.toml", dict(LABELS), cells_per_type=10)
    return ["--catalogue", catalogue, "--cache", tmp_path / "cache"]


@pytest.fixture
def failing(command, capsys, tmp_path):
    """Run a command that has to fail; return its one line."""

    def run(*arguments, status=1):
        assert command(*arguments) == status
        shown = capsys.readouterr()
        lines = [line for line in shown.err.splitlines() if line.startswith("cellclassifier: ")]
        assert len(lines) == 1
        assert "Traceback" not in shown.err
        assert "internal error" not in shown.err
        out = tmp_path / "out"
        assert not out.exists() or list(out.iterdir()) == []
        return lines[0]

    return run


def test_fetch_writes_one_file_and_says_what_is_in_it(command, options, tmp_path, capsys):
    assert command("fetch", "toy-set", "--out", tmp_path / "out", *options) == 0
    shown = capsys.readouterr()
    path = tmp_path / "out" / "toy-set.h5ad"
    assert "all 8 cells of NK were taken: there are no more" in shown.out
    assert "18 cells of 2 types, 30 genes" in shown.out
    assert f"wrote {path}" in shown.out
    assert "b_cells.tar.gz" in shown.err
    assert "Downloading" not in shown.err
    assert read_cells(path).obs["cell_type"].value_counts().to_dict() == {"B": 10, "NK": 8}


@pytest.mark.parametrize(("asked", "n_b"), [("3", 3), ("all", 30)])
def test_cells_per_type(command, options, tmp_path, asked, n_b):
    out = ["--out", tmp_path / "out"]
    assert command("fetch", "toy-set", *out, "--cells-per-type", asked, *options) == 0
    cells = read_cells(tmp_path / "out" / "toy-set.h5ad")
    assert cells.obs["cell_type"].value_counts()["B"] == n_b


def test_what_fetch_writes_can_be_trained_on(command, options, tmp_path):
    assert command("fetch", "toy-set", "--out", tmp_path, "--seed", "3", *options) == 0
    reference, model = tmp_path / "toy-set.h5ad", tmp_path / "model.keras"
    train = ["--labels-key", "cell_type", "--network", "linear", "--out", model]
    assert command("train", reference, *train) == 0


def test_list_shows_the_sets_and_downloads_nothing(command, options, server, capsys):
    assert command("fetch", "--list", *options) == 0
    shown = capsys.readouterr().out
    for text in ("zheng-sorted", "fresh-68k-pbmc-donor-a", "toy-set", "CC BY 4.0", "at hand    no"):
        assert text in shown
    assert server.requests == []


def test_offline_after_a_fetch(command, options, server, tmp_path, capsys):
    assert command("fetch", "toy-set", "--out", tmp_path / "one", *options) == 0
    server.requests.clear()
    capsys.readouterr()
    assert command("fetch", "toy-set", "--out", tmp_path / "two", "--offline", *options) == 0
    assert server.requests == []
    assert "nk_cells.tar.gz" in capsys.readouterr().err


def test_the_cache_of_the_variable_is_used(command, options, tmp_path, monkeypatch):
    monkeypatch.setenv("CELLCLASSIFIER_CACHE", str(tmp_path / "by variable"))
    assert command("fetch", "toy-set", "--out", tmp_path / "out", *options[:2]) == 0
    assert (tmp_path / "by variable" / "toy-set" / "b_cells.tar.gz").is_file()


def test_a_change_is_refused_and_accepted(command, failing, options, server, tmp_path):
    assert command("fetch", "toy-set", "--out", tmp_path / "one", *options) == 0
    (tmp_path / "cache" / "toy-set" / "nk_cells.tar.gz").unlink()
    server.files["nk_cells.tar.gz"] = archive_of(8, seed=3)
    out = ["--out", tmp_path / "out"]
    assert "is not the file it was" in failing("fetch", "toy-set", *out, *options)
    assert command("fetch", "toy-set", *out, "--accept-change", *options) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fetch"], "fetch takes a name and a folder"),
        (["fetch", "toy-set"], "fetch takes a name and a folder"),
        (["fetch", "toy-set", "--list"], "fetch takes NAME --out DIR, or --list alone"),
        (["fetch", "zheng", "--out", "x"], "there is no set 'zheng'"),
        (["fetch", "toy-set", "--out", "x", "--cells-per-type", "0"], "at least one cell"),
        (["fetch", "toy-set", "--out", "x", "--seed", "-1"], "a seed is a whole number"),
        (["fetch", "toy-set", "--out", "x", "--offline"], "is not at hand: 2 of 2 files"),
    ],
    ids=["nothing", "no_folder", "list_and_name", "unknown", "no_cells", "seed", "offline"],
)
def test_wrong_arguments(failing, options, server, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    assert expected in failing(*arguments, *options)
    assert server.requests == []


def test_a_number_that_is_none_is_a_misuse(failing, options):
    arguments = ["fetch", "toy-set", "--out", "x", "--cells-per-type", "many"]
    assert "many" in failing(*arguments, *options, status=2)


def test_a_missing_catalogue(failing, tmp_path):
    assert "no.toml' cannot be read" in failing(
        "fetch", "--list", "--catalogue", tmp_path / "no.toml"
    )


def evil_parent():
    member = tarfile.TarInfo("../evil")
    member.size = 1
    return packed(tenx_files(8, seed=2), [member])


def evil_link():
    member = tarfile.TarInfo("link")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return packed(tenx_files(8, seed=2), [member])


def other_genes():
    return archive_of(8, seed=2, genes=[(f"ENSG{n:011d}", f"G{n}") for n in range(50, 80)])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (evil_parent, "'../evil' would be written outside the folder"),
        (evil_link, "'link' is a link or a device"),
        (other_genes, "'nk_cells' lists other genes than 'b_cells'"),
        (lambda: archive_of(8, seed=2)[:-99], "cannot be unpacked"),
        (lambda: b"<html>", "cannot be unpacked"),
        (lambda: None, "the server answers 404 Not Found"),
    ],
    ids=["parent", "symlink", "other_genes", "truncated", "page", "missing"],
)
def test_a_bad_download(failing, options, server, tmp_path, content, expected):
    server.files["nk_cells.tar.gz"] = content()
    if content() is None:
        del server.files["nk_cells.tar.gz"]
    assert expected in failing("fetch", "toy-set", "--out", tmp_path / "out", *options)
    assert not list(tmp_path.rglob("evil"))


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_interrupted_fetch_goes_on(command, failing, options, server, tmp_path, monkeypatch):
    monkeypatch.setattr("cellclassifier.fetching.assembly.write_cells", interrupt)
    arguments = ["fetch", "toy-set", "--out", tmp_path / "out", *options]
    assert "interrupted; nothing was written" in failing(*arguments, status=130)
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.requests.clear()
    assert command(*arguments) == 0
    assert server.requests == []
    assert (tmp_path / "out" / "toy-set.h5ad").is_file()
