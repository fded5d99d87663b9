import json

import numpy as np
import pytest
from archive_server import GENES, archive_of, counts_of, packed, tenx_files

from cellclassifier import find_counts, read_cells
from cellclassifier.errors import DownloadError, FileFormatError, InputError, OutputError
from cellclassifier.fetching import fetch_cells

FILES = ["b_cells.tar.gz", "nk_cells.tar.gz", "t_cells.tar.gz"]


def leftovers(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_one_file_with_labels_genes_and_source(fetch, server):
    fetched = fetch()
    cells = read_cells(fetched.path)
    assert fetched.path.name == "toy-set.h5ad"
    assert cells.obs["cell_type"].value_counts().to_dict() == {"B": 20, "NK": 12, "T": 20}
    assert cells.var_names.tolist() == [ensembl_id for ensembl_id, _ in GENES]
    assert cells.var["ensembl_id"].tolist() == cells.var_names.tolist()
    assert cells.var["gene_symbol"].tolist() == [symbol for _, symbol in GENES]
    assert cells.obs_names.is_unique
    source = cells.uns["source"]
    assert (source["citation"], source["licence"]) == ("Nobody 2024", "CC0")
    assert source["addresses"].tolist() == [f"{server.base}/{name}" for name in FILES]
    assert source["n_available"].tolist() == [30, 12, 25]
    assert leftovers(fetched.path.parent) == ["toy-set.h5ad"]


def test_counts_are_those_of_the_archive(fetch):
    cells = read_cells(fetch(cells_per_type="all").path)
    nk = cells[cells.obs["cell_type"] == "NK"]
    expected = counts_of(tenx_files(12, seed=12))
    np.testing.assert_array_equal(nk.X.toarray(), expected)
    assert nk.obs["barcode"].tolist() == [f"CELL{number:04d}-1" for number in range(12)]
    assert nk.obs_names[0] == "nk_cells_CELL0000-1"
    assert find_counts(cells).evidence == "raw counts in X"


def test_a_draw_takes_rows_as_they_are(fetch):
    cells = read_cells(fetch(cells_per_type=5).path)
    drawn = cells[cells.obs["cell_type"] == "B"]
    rows = [int(barcode[4:8]) for barcode in drawn.obs["barcode"]]
    assert rows == sorted(set(rows))
    np.testing.assert_array_equal(drawn.X.toarray(), counts_of(tenx_files(30, seed=30))[rows])


def test_populations_with_too_few_cells_are_named(fetch):
    fetched = fetch()
    assert fetched.n_cells == {"B": 20, "NK": 12, "T": 20}
    assert fetched.too_few == ("NK",)
    assert "all 12 cells of NK were taken: there are no more" in str(fetched)
    assert "52 cells of 3 types, 30 genes" in str(fetched)


def test_the_seed_decides_the_draw(fetch, tmp_path):
    same, again, other = (
        read_cells(fetch(seed=seed, out=tmp_path / name).path)
        for seed, name in ((1, "a"), (1, "b"), (2, "c"))
    )
    assert same.obs_names.tolist() == again.obs_names.tolist()
    assert same.obs_names.tolist() != other.obs_names.tolist()


def test_a_draw_does_not_depend_on_the_other_populations(fetch, server, tmp_path):
    alone = server.write_catalogue(tmp_path / "alone.toml", {"t_cells": "T"}, cells_per_type=20)
    together = read_cells(fetch(out=tmp_path / "together").path)
    barcodes = together.obs["barcode"][together.obs["cell_type"] == "T"].tolist()
    assert read_cells(fetch(catalogue=alone).path).obs["barcode"].tolist() == barcodes


def test_a_set_without_labels_is_one_download_of_all_cells(fetch, server, tmp_path):
    catalogue = server.write_catalogue(tmp_path / "plain.toml", {"t_cells": None})
    fetched = fetch(catalogue=catalogue)
    cells = read_cells(fetched.path)
    assert cells.n_obs == 25
    assert "cell_type" not in cells.obs
    assert cells.obs_names[0] == "CELL0000-1"
    assert str(fetched) == "25 cells, 30 genes"
    assert server.paths == ["t_cells.tar.gz"]


def test_a_second_call_downloads_nothing(fetch, server, tmp_path):
    first = read_cells(fetch().path)
    assert server.paths == FILES
    second = read_cells(fetch(out=tmp_path / "again").path)
    assert server.paths == FILES
    assert first.obs_names.tolist() == second.obs_names.tolist()


def test_a_fetch_interrupted_between_populations_goes_on(fetch, server):
    third = server.files.pop("t_cells.tar.gz")
    with pytest.raises(DownloadError, match="404"):
        fetch()
    server.files["t_cells.tar.gz"] = third
    server.requests.clear()
    assert fetch().n_cells["T"] == 20
    assert server.paths == ["t_cells.tar.gz"]


def test_nothing_is_written_when_a_population_is_missing(fetch, server, tmp_path):
    del server.files["t_cells.tar.gz"]
    with pytest.raises(DownloadError, match=r"t_cells\.tar\.gz': the server answers 404"):
        fetch()
    assert leftovers(tmp_path / "out") == []


def test_gene_lists_that_differ_are_refused_with_the_place(fetch, server, tmp_path):
    genes = [*GENES[:7], ("ENSG00000009999", "OTHER"), *GENES[8:]]
    server.files["nk_cells.tar.gz"] = archive_of(12, seed=12, genes=genes)
    with pytest.raises(
        FileFormatError, match=r"'nk_cells' lists other genes than 'b_cells'.*at number 8: \['ENSG"
    ):
        fetch()
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize("n_genes", [29, 31])
def test_another_number_of_genes_than_the_catalogue_says_is_refused(
    fetch, server, n_genes, cache_folder
):
    genes = [(f"ENSG{number:011d}", f"GENE{number}") for number in range(1, n_genes + 1)]
    server.files["b_cells.tar.gz"] = archive_of(10, seed=1, genes=genes)
    with pytest.raises(FileFormatError, match=f"has {n_genes} genes, but the catalogue says 30"):
        fetch()
    assert "b_cells.tar.gz" not in leftovers(cache_folder)


def test_a_page_in_place_of_an_archive_is_not_kept(fetch, server, cache_folder):
    archive = server.files["b_cells.tar.gz"]
    server.files["b_cells.tar.gz"] = b"<html>please log in</html>"
    with pytest.raises(FileFormatError, match=r"cannot be unpacked.*was not kept"):
        fetch()
    assert "b_cells.tar.gz" not in leftovers(cache_folder)
    server.files["b_cells.tar.gz"] = archive
    assert fetch().n_cells["B"] == 20


def test_a_truncated_archive_is_not_kept(fetch, server, cache_folder):
    server.files["b_cells.tar.gz"] = server.files["b_cells.tar.gz"][:-200]
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        fetch()
    assert "b_cells.tar.gz" not in leftovers(cache_folder)


def test_tables_that_do_not_fit_are_refused_without_a_temporary_name(fetch, server):
    files = tenx_files(30, seed=30)
    name = next(name for name in files if name.endswith("barcodes.tsv"))
    files[name] = files[name].replace(b"CELL0007-1\n", b"")
    server.files["b_cells.tar.gz"] = packed(files)
    with pytest.raises(FileFormatError, match=r"'matrix\.mtx' is 30 x 30, but there are 30 genes"):
        fetch()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cells_per_type": 0}, "at least one cell of each type is needed, not 0"),
        ({"seed": -1}, "a seed is a whole number from 0 on"),
    ],
    ids=["no_cells", "negative_seed"],
)
def test_wrong_numbers_are_refused_before_any_download(fetch, server, options, expected):
    with pytest.raises(InputError, match=expected):
        fetch(**options)
    assert server.requests == []


def test_cells_per_type_needs_labels(fetch, server, tmp_path):
    catalogue = server.write_catalogue(tmp_path / "plain.toml", {"t_cells": None})
    with pytest.raises(InputError, match="'toy-set' has no labels"):
        fetch(catalogue=catalogue, cells_per_type=5)


def test_an_unknown_set_is_refused_with_the_known_ones(catalogue, tmp_path):
    with pytest.raises(InputError, match=r"no set 'zheng'; known are .*'toy-set', 'zheng-sorted'"):
        fetch_cells("zheng", tmp_path, catalogue=catalogue)


def test_a_folder_that_cannot_be_made_is_said_before_any_download(fetch, server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="cannot make the folder"):
        fetch(out=tmp_path / "taken" / "out")
    assert server.requests == []


def test_hashes_in_the_file_are_those_of_the_lock(fetch, cache_folder):
    source = read_cells(fetch().path).uns["source"]
    lock = json.loads((cache_folder / "lock.json").read_text())
    assert lock["format"] == 1
    expected = [lock["files"][f"toy-set/{name}"]["sha256"] for name in FILES]
    assert source["sha256"].tolist() == expected
