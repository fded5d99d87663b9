import json
import pickle
import warnings
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr
from numcodecs import Pickle

from cellclassifier.data import read_cells, write_cells
from cellclassifier.data.formats import h5ad
from cellclassifier.errors import FileFormatError


def refusal_of(path):
    """Return the message by which `path` is refused; it has to fit on one line."""
    with pytest.raises(FileFormatError) as refused:
        read_cells(path)
    message = str(refused.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_cells_come_back_as_they_were_written(tmp_path, toy_reference, suffix):
    path = tmp_path / f"cells{suffix}"
    write_cells(toy_reference, path)
    cells = read_cells(str(path))
    assert isinstance(cells, ad.AnnData)
    np.testing.assert_array_equal(cells.to_memory().X.toarray(), toy_reference.X.toarray())
    assert cells.obs["cell_type"].tolist() == toy_reference.obs["cell_type"].tolist()
    assert cells.var["ensembl_id"].tolist() == toy_reference.var["ensembl_id"].tolist()
    assert cells.obs_names.tolist() == toy_reference.obs_names.tolist()


def test_a_missing_file_names_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal_of(tmp_path / "cells.h5ad")
    assert "there is no file" in message
    assert str(tmp_path) in message


def test_a_text_named_h5ad_is_refused(tmp_path):
    path = tmp_path / "cells.h5ad"
    path.write_text("not found\n" * 200)
    assert "is not an h5ad file: it does not begin as HDF5 files do" in refusal_of(path)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "cells.h5ad"
    path.touch()
    assert "(0 bytes)" in refusal_of(path)


def test_a_folder_named_h5ad_is_refused(tmp_path):
    path = tmp_path / "cells.h5ad"
    path.mkdir()
    assert "(a folder)" in refusal_of(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_off_is_refused(tmp_path, toy_reference, share):
    whole, cut = tmp_path / "whole.h5ad", tmp_path / "cut.h5ad"
    write_cells(toy_reference, whole)
    content = whole.read_bytes()
    cut.write_bytes(content[: int(share * len(content))])
    message = refusal_of(cut)
    assert "cut off" in message
    assert f"{cut.stat().st_size:,} bytes" in message


def test_an_hdf5_file_of_another_kind_is_refused_with_what_it_has(tmp_path):
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        file["matrix/data"] = [1, 2]
    assert "lacks obs and var and has ['matrix']" in refusal_of(path)


def test_an_h5ad_file_with_a_broken_part_is_refused(tmp_path, toy_reference):
    path = tmp_path / "cells.h5ad"
    write_cells(toy_reference, path)
    with h5py.File(path, "a") as file:
        del file["X/indptr"]
    assert "cannot be read as AnnData" in refusal_of(path)


def test_a_pickled_array_is_refused_by_its_name(tmp_path, toy_reference, monkeypatch):
    path = tmp_path / "cells.zarr"
    write_cells(toy_reference, path)
    monkeypatch.setattr(zarr.Array, "filters", property(lambda _: (Pickle(),)))
    assert "is pickled, and nothing is unpickled here" in refusal_of(path)


def test_a_long_explanation_is_cut_to_its_first_line(tmp_path, toy_reference, monkeypatch):
    path = tmp_path / "cells.h5ad"
    write_cells(toy_reference, path)

    def fail(_root):
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(h5ad, "read_slots", fail)
    assert refusal_of(path).endswith("cannot be read as AnnData: first line")


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_a_sparse_matrix_whose_parts_do_not_fit_is_refused(tmp_path, toy_reference, part):
    path = tmp_path / "cells.h5ad"
    write_cells(toy_reference, path)
    with h5py.File(path, "a") as file:
        shorter = file["X"][part][:-1]
        del file["X"][part]
        file["X"][part] = shorter
    assert "its sparse matrix '/X' has" in refusal_of(path)


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
@pytest.mark.filterwarnings("ignore:Moving element:FutureWarning")
def test_a_file_of_anndata_before_0_7_is_read(pbmc68k):
    import scanpy

    path = Path(scanpy.datasets.__file__).with_name("10x_pbmc68k_reduced.h5ad")
    cells = read_cells(path)
    np.testing.assert_array_equal(cells.X, pbmc68k.X)
    assert cells.raw.shape == pbmc68k.raw.shape


def test_a_zarr_store_that_would_be_unpickled_is_refused(tmp_path, toy_reference):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "it_ran",))

    path = tmp_path / "cells.zarr"
    with ad.settings.override(zarr_write_format=2), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        toy_reference.obs = toy_reference.obs.assign(n=np.arange(toy_reference.n_obs))
        toy_reference.write_zarr(path)
    array = path / "obs" / "n"
    for place, key in ((array / ".zarray", None), (path / ".zmetadata", "obs/n/.zarray")):
        content = json.loads(place.read_text())
        (content if key is None else content["metadata"][key]).update(
            filters=None, compressor={"id": "pickle", "protocol": 4}
        )
        place.write_text(json.dumps(content))
    (array / "0").write_bytes(pickle.dumps(Trap()))
    assert "pickle" in refusal_of(path)  # zarr itself refuses since 3.1
    assert not (tmp_path / "it_ran").exists()


def test_an_empty_zarr_folder_is_refused(tmp_path):
    path = tmp_path / "cells.zarr"
    path.mkdir()
    assert "cannot be read as AnnData" in refusal_of(path)


def test_a_file_named_zarr_is_refused(tmp_path):
    path = tmp_path / "cells.zarr"
    path.write_text("not a store")
    assert "cannot be read as AnnData" in refusal_of(path)


def test_a_zarr_group_without_cells_is_refused(tmp_path):
    path = tmp_path / "cells.zarr"
    zarr.open_group(path, mode="w")
    assert "cannot be read as AnnData" in refusal_of(path)


def test_a_zarr_array_is_refused(tmp_path):
    path = tmp_path / "cells.zarr"
    zarr.create_array(path, data=np.arange(3))
    assert "cannot be read as AnnData" in refusal_of(path)
