"""Matrices that nothing was done to are read past HDF5 as it reads them, or left to it."""

import os
from concurrent.futures import ThreadPoolExecutor

import anndata as ad
import h5py
import numpy as np
import pytest
from anndata.io import sparse_dataset
from scipy import sparse

from cellclassifier.data.streaming import open_cells
from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.plain_matrix import PlainArray, PlainMatrix
from cellclassifier.errors import FileFormatError

N_VALUES, CHUNK = 1000, 64
PARTS = [(0, N_VALUES), (0, 1), (63, 65), (64, 128), (60, 200), (960, 1000), (5, 5), (64, 64)]
KINDS = {"float32": np.float32, "uint8": np.uint8, "int64": np.int64}
PLAIN = {"contiguous": {}, "chunks": {"chunks": (CHUNK,)}, "one-chunk": {"chunks": (N_VALUES,)}}
OTHERS = {
    "gzip": {"compression": "gzip"},
    "shuffle": {"chunks": (16,), "shuffle": True},
    "checksum": {"chunks": (16,), "fletcher32": True},
}


def values(kind=np.float32):
    return np.random.default_rng(0).poisson(2.0, N_VALUES).astype(kind)


def counts():
    return sparse.random_array((40, 30), density=0.3, rng=np.random.default_rng(0), format="csr")


def written(path, data=None, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=values() if data is None else data, **options)
    return h5py.File(path)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_parts_are_those_that_were_written(tmp_path, kind, options):
    with written(tmp_path / "cells.h5", values(kind), **options) as file:
        array = PlainArray.of(file["data"], file.id.get_vfd_handle())
        for start, stop in PARTS:
            out = np.empty(stop - start, kind)
            array.read(slice(start, stop), out)
            np.testing.assert_array_equal(out, values(kind)[start:stop])


def test_chunks_that_do_not_lie_one_behind_the_other_are_found(tmp_path):
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        arrays = [file.create_dataset(name, (N_VALUES,), "f4", chunks=(CHUNK,)) for name in "ab"]
        for first in reversed(range(0, N_VALUES, CHUNK)):
            for sign, array in zip((1, -1), arrays, strict=True):
                array[first : first + CHUNK] = sign * values()[first : first + CHUNK]
    with h5py.File(tmp_path / "cells.h5") as file:
        array, out = PlainArray.of(file["b"], file.id.get_vfd_handle()), np.empty(700, np.float32)
        array.read(slice(30, 730), out)
        np.testing.assert_array_equal(out, -values()[30:730])


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_others_are_left_to_hdf5(tmp_path, options):
    with written(tmp_path / "cells.h5", **options) as file:
        assert PlainArray.of(file["data"], 0) is None


def test_what_was_not_written_and_other_orders_of_bytes_are_left_to_hdf5(tmp_path):
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file.create_dataset("empty", (N_VALUES,), "f4")
        file.create_dataset("some", (N_VALUES,), "f4", chunks=(CHUNK,))[:CHUNK] = 1
        file.create_dataset("big", data=values(">f4"))
        file.create_dataset("table", (9, 9), "f4")
        file.create_dataset("none", (0,), "f4")
    with h5py.File(tmp_path / "cells.h5") as file:
        assert [PlainArray.of(file[name], 0) for name in file] == [None] * 5


@pytest.mark.parametrize("options", [{}, {"userblock_size": 512}], ids=["plain", "userblock"])
def test_rows_are_those_of_anndata(tmp_path, options):
    with h5py.File(tmp_path / "cells.h5ad", "w", **options) as file:
        ad.io.write_elem(file, "X", counts())
        assert PlainMatrix.of(sparse_dataset(file["X"])) is None  # it is open for writing
    with h5py.File(tmp_path / "cells.h5ad") as file:
        plain = PlainMatrix.of(sparse_dataset(file["X"]))
        assert (plain is None) == bool(options)
        if plain is not None:
            for runs in ([slice(0, 40)], [slice(3, 3)], [slice(1, 4), slice(30, 39)]):
                read = plain.rows(runs, Buffers())
                assert (read != sparse.vstack([counts()[run] for run in runs])).nnz == 0


def test_rows_are_read_without_hdf5_by_several_threads(tmp_path, monkeypatch):
    ad.AnnData(counts()).write_h5ad(tmp_path / "cells.h5ad")
    cells = open_cells(tmp_path / "cells.h5ad")
    cells.rows("X", 0, 1)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", None)
    monkeypatch.setattr(h5py.Dataset, "read_direct", None)
    with ThreadPoolExecutor(4) as threads:
        blocks = threads.map(lambda at: cells.rows("X", at, at + 5).toarray(), range(0, 40, 5))
        np.testing.assert_array_equal(np.vstack(list(blocks)), counts().toarray())


def test_a_file_that_was_cut_off_meanwhile_is_an_error_that_names_the_cells(tmp_path):
    path = tmp_path / "cells.h5ad"
    ad.AnnData(counts()).write_h5ad(path)
    cells = open_cells(path)
    cells.rows("X", 0, 1)
    os.truncate(path, 100)
    with pytest.raises(FileFormatError, match="cells 20 to 39"):
        cells.rows("X", 20, 40)
