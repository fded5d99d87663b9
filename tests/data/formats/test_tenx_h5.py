"""The .h5 files of Cell Ranger: several genomes, other features, and files of another kind."""

import h5py
import numpy as np
import pytest
import scanpy
from cell_files import (
    BARCODES,
    COUNTS,
    IDS,
    N_GENES,
    SYMBOLS,
    write_loom,
    write_tenx_v2,
    write_tenx_v3,
)

from cellclassifier import read_cells
from cellclassifier.data.formats import tenx_h5
from cellclassifier.errors import FileFormatError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.h5"


def refusal_of(path):
    with pytest.raises(FileFormatError) as refused:
        read_cells(path)
    message = str(refused.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("write", [write_tenx_v2, write_tenx_v3], ids=["v2", "v3"])
def test_scanpy_reads_the_same(path, write):
    ours, scanpys = read_cells(write(path)), scanpy.read_10x_h5(path)
    np.testing.assert_array_equal(ours.to_memory().X.toarray(), scanpys.X.toarray())
    assert ours.obs_names.tolist() == scanpys.obs_names.tolist()
    assert ours.var["gene_symbol"].tolist() == scanpys.var_names.tolist()
    assert ours.var["ensembl_id"].tolist() == scanpys.var["gene_ids"].tolist()


def test_other_features_are_left_out_and_named(path):
    cells = read_cells(write_tenx_v3(path, with_antibodies=True))
    settled = cells.uns["read_cells"]
    assert settled["format"] == "10x h5, Cell Ranger 3"
    assert settled["dropped_feature_types"].tolist() == ["Antibody Capture"]
    assert settled["n_dropped_features"].tolist() == [2]
    assert cells.var["gene_symbol"].tolist() == SYMBOLS


@pytest.mark.parametrize("entries", [1, 7, 10**6])
def test_blocks_do_not_change_the_counts(path, monkeypatch, entries):
    monkeypatch.setattr(tenx_h5, "BLOCK_ENTRIES", entries)
    cells = read_cells(write_tenx_v3(path, with_antibodies=True))
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)


def test_genes_of_all_genomes_of_version_3_are_kept(path):
    cells = read_cells(write_tenx_v3(path, genomes=("GRCh38", "mm10")))
    assert cells.n_vars == N_GENES
    assert cells.var["genome"].tolist()[:3] == ["GRCh38", "mm10", "GRCh38"]


def test_genomes_of_version_2_are_put_side_by_side(path):
    write_tenx_v2(path, {"hg19": slice(0, 4), "mm10": slice(4, None)})
    cells = read_cells(path)
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)
    assert cells.var_names.tolist() == IDS
    assert cells.var["genome"].tolist() == ["hg19"] * 4 + ["mm10"] * 3
    assert cells.uns["read_cells"]["genomes"].tolist() == ["hg19", "mm10"]
    assert cells.uns["read_cells"]["n_cells_not_in_every_genome"] == 0


def test_cells_that_a_genome_does_not_list_have_no_counts_of_its_genes(path):
    write_tenx_v2(path, {"hg19": slice(0, 4), "mm10": slice(4, None)})
    with h5py.File(path, "a") as file:
        group = file["mm10"]
        end = group["indptr"][9]
        parts = {
            "barcodes": group["barcodes"][:9], "indptr": group["indptr"][:10],
            "data": group["data"][:end], "indices": group["indices"][:end], "shape": [3, 9],
        }  # fmt: skip
        for name, values in parts.items():
            del group[name]
            group[name] = values
    cells = read_cells(path)
    expected = COUNTS.copy()
    expected[9:, 4:] = 0
    np.testing.assert_array_equal(cells.X.toarray(), expected)
    assert cells.obs_names.tolist() == BARCODES
    assert cells.uns["read_cells"]["n_cells_not_in_every_genome"] == 2


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("matrix/features/feature_type", lambda x: np.full(len(x), b"Peaks"), "no counts of 'Gene"),
        ("matrix/features/id", lambda x: np.append(x[:-1], x[0]), f"it names '{IDS[0]}' twice"),
        ("matrix/barcodes", lambda x: np.append(x[:-1], x[0]), f"the cell '{BARCODES[0]}' twice"),
        ("matrix/barcodes", lambda x: x[:-1], "but 10 barcodes and 7 features are named"),
        ("matrix/shape", lambda x: x[::-1], "starts of 7 lines"),
        ("matrix/indptr", lambda x: x[:-1], "starts of 11 lines"),
        ("matrix/data", lambda x: x[:-1], "are announced"),
    ],
    ids=["no_genes", "gene_twice", "cell_twice", "barcode_missing", "shape", "indptr", "data"],
)
def test_parts_that_do_not_fit_are_refused(path, name, change, expected):
    write_tenx_v3(path)
    with h5py.File(path, "a") as file:
        values = change(file[name][:])
        del file[name]
        file[name] = values
    assert expected in refusal_of(path)


@pytest.mark.parametrize("name", ["features", "data", "indptr", "shape", "features/id"])
def test_a_missing_part_is_refused(path, name):
    write_tenx_v3(path)
    with h5py.File(path, "a") as file:
        del file["matrix"][name]
    assert "cannot be read as a 10x file" in refusal_of(path)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_file_cut_off_is_refused(path, share):
    content = write_tenx_v3(path).read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut off" in refusal_of(path)


def test_a_network_of_keras_is_named_as_one(path):
    with h5py.File(path, "w") as file:
        file.create_group("model_weights")
        file.attrs["keras_version"] = "2.4.0"
    assert "a network of Keras, not cells" in refusal_of(path)


def test_another_hdf5_file_is_refused_with_what_it_has(path):
    with h5py.File(path, "w") as file:
        file["data"] = [1]
    assert "not of a kind that is known: it has ['data']" in refusal_of(path)


def test_a_loom_file_by_another_name_is_read(path):
    assert read_cells(write_loom(path)).uns["read_cells"]["format"] == "loom"
