"""What a catalogue may say, and how the sets are shown."""

import re
from pathlib import Path

import pytest

from cellclassifier.errors import InputError
from cellclassifier.fetching import Downloads, describe_sets, read_catalogue

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "fetch.md"
HEAD = """
title = "Toy"
citation = "Nobody"
licence = "CC0"
base = "https://example.org/cells/"
folder = "mex/hg19"
"""
FILE = '[[toy.files]]\nname = "b"\npath = "b/b.tar.gz"\n'
GOOD = f"[toy]{HEAD}{FILE}"


@pytest.fixture
def read(tmp_path):
    def call(text):
        path = tmp_path / "sets.toml"
        path.write_text(text, encoding="utf-8")
        return read_catalogue(path)

    return call


def test_the_shipped_labels_are_those_of_the_original_task(shared_data):
    import anndata as ad

    cells = ad.read_h5ad(shared_data("zheng_sorted_facs.h5ad"), backed="r")
    labels = {source.label for source in read_catalogue()["zheng-sorted"].files}
    assert labels == set(cells.obs["cell_type"])
    cells.file.close()


def test_the_shipped_addresses_are_encrypted_and_distinct():
    addresses = [
        source.address for cell_set in read_catalogue().values() for source in cell_set.files
    ]
    assert len(set(addresses)) == len(addresses) == 11
    assert all(address.startswith("https://cf.10xgenomics.com/samples/") for address in addresses)
    assert all(
        address.split("/")[-1] == f"{address.split('/')[-2]}_filtered_gene_bc_matrices.tar.gz"
        for address in addresses
    )


def test_a_set_of_ones_own_is_added(read):
    sets = read(GOOD)
    assert set(sets) == {"toy", "zheng-sorted", "fresh-68k-pbmc-donor-a"}
    assert sets["toy"].files[0].address == "https://example.org/cells/b/b.tar.gz"
    assert not sets["toy"].is_labelled


def test_the_catalogue_of_the_document_is_one(read):
    (text,) = re.findall(r"```toml\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    cell_set = read(text.replace("…", "0" * 64))["my-lab-blood"]
    assert cell_set.files[0].address == "https://example.org/cells/b_cells.tar.gz"
    assert (cell_set.n_genes, cell_set.cells_per_type) == (32738, 2000)


def test_a_set_of_ones_own_takes_the_place_of_the_shipped_one(read):
    sets = read(GOOD.replace("toy", "zheng-sorted"))
    assert len(sets["zheng-sorted"].files) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[toy", r"the catalogue '.*sets\.toml' is not TOML"),
        ("toy = 1", r"\[toy\] is 1, not a table"),
        (GOOD.replace("title", "titel"), r"\[toy\] has unknown keys \['titel'\]; known are"),
        (GOOD.replace('licence = "CC0"', ""), r"\[toy\] lacks \['licence'\]"),
        (GOOD.replace('"Toy"', "3"), "title is 3, not a text"),
        (GOOD.replace('"Toy"', '""'), "title is '', not a text"),
        (f"[toy]{HEAD}n_genes = true\n{FILE}", "n_genes is True, not a positive whole number"),
        (f"[toy]{HEAD}n_genes = 0\n{FILE}", "n_genes is 0, not a positive whole number"),
        (GOOD.replace("https://", "file:///"), "must begin with https:// or http://"),
        (GOOD.replace("mex/hg19", "../hg19"), "folder is '../hg19', but it must be relative"),
        (GOOD.replace("b/b.tar", "/b.tar"), "path is '/b.tar.gz', but it must be relative"),
        (GOOD.replace('"b"', '"../b"'), "'../b' is no name"),
        (GOOD.replace("toy", "Toy Set", 1), "not TOML|is no name"),
        (GOOD.replace("[toy]", '["../x"]').replace("[[toy", '[["../x"'), "'../x' is no name"),
        (f"[toy]{HEAD}files = []", r"has no files; give one \[\[toy\.files\]\]"),
        (GOOD + FILE, r"the names \['b'\] stand more than once"),
        (f'{GOOD}label = "B"\n{FILE.replace("b", "c")}label = "B"', r"the labels \['B'\] stand"),
        (f'{GOOD}label = "B"\n{FILE.replace("b", "c")}', "1 of 2 files have a label"),
        (f'{GOOD}sha256 = "12ab"', "sha256 is '12ab', not 64 hexadecimal digits"),
        (f"[toy]{HEAD}cells_per_type = 5\n{FILE}", "cells_per_type needs files with a label"),
    ],
    ids=[
        "no_toml", "no_table", "unknown_key", "missing_key", "wrong_type", "empty", "boolean",
        "zero", "scheme", "parent_folder", "absolute_path", "unsafe_file_name", "no_name",
        "unsafe_set_name", "no_files", "name_twice", "label_twice", "label_missing", "no_hash",
        "no_labels",
    ],
)  # fmt: skip
def test_a_wrong_catalogue_is_refused_with_set_and_key(read, text, expected):
    with pytest.raises(InputError, match=expected) as refused:
        read(text)
    assert "\n" not in str(refused.value)


def test_a_missing_catalogue_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no\.toml' cannot be read: No such file"):
        read_catalogue(tmp_path / "no.toml")


def test_a_catalogue_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "sets.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is not a UTF-8 text"):
        read_catalogue(tmp_path / "sets.toml")


def test_the_list_says_what_is_at_hand(fetch, server, catalogue, cache_folder):
    def listed():
        text = describe_sets(catalogue, Downloads(cache_folder))
        return next(part for part in text.split("\n\n") if part.startswith("toy-set"))

    assert "at hand    no" in listed()
    assert "size       not stated, in 3 files" in listed()
    server.files["t_cells.tar.gz"], archive = b"", server.files["t_cells.tar.gz"]
    with pytest.raises(ValueError, match="cannot be unpacked"):
        fetch()
    assert "at hand    2 of 3 files, in " in listed()
    server.files["t_cells.tar.gz"] = archive
    fetch()
    assert f"at hand    yes, in {cache_folder / 'toy-set'}" in listed()
    assert "size       0.0 MB in 3 files" in listed()
    n_requests = len(server.requests)
    assert "licence    CC0" in listed()
    assert "citation   Nobody 2024" in listed()
    assert len(server.requests) == n_requests
