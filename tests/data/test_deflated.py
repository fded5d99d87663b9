"""What gzip made of an array of HDF5 is unpacked as HDF5 does it, or left to it."""

import importlib
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data.streaming import deflated, open_cells
from cellclassifier.data.streaming.deflated import is_deflated, take_deflated
from cellclassifier.errors import FileFormatError

N_VALUES, CHUNK = 1000, 64
PARTS = [slice(0, N_VALUES), slice(0, 1), slice(63, 65), slice(64, 128), slice(990, 1000)]
KINDS = {
    "float32": np.float32,
    "uint8": np.uint8,
    "int64": np.int64,
    "big-endian": np.dtype(">f4"),
}
FILTERS = {
    "gzip": {"compression": "gzip"},
    "gzip-9": {"compression": "gzip", "compression_opts": 9},
    "shuffle": {"compression": "gzip", "shuffle": True},
}
OTHERS = {
    "none": {},
    "chunks": {"chunks": (16,)},
    "lzf": {"compression": "lzf"},
    "checksum": {"compression": "gzip", "fletcher32": True},
    "shuffle-alone": {"shuffle": True},
}


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        yield file


def values(kind=np.float32):
    return np.random.default_rng(0).poisson(2.0, N_VALUES).astype(kind)


def assert_read(array, expected):
    for part in PARTS:
        out = np.empty(part.stop - part.start, array.dtype)
        for chunk in take_deflated(array, part, out):
            chunk.unpack()
        np.testing.assert_array_equal(out, expected[part])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_parts_are_those_that_were_written(file, monkeypatch, kind, filters):
    array = file.create_dataset("data", data=values(kind), chunks=(CHUNK,), **filters)
    monkeypatch.setattr(h5py.Dataset, "read_direct", None)  # nothing is left to HDF5
    assert_read(array, values(kind))


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_arrays_that_gzip_compressed_are_known(file, filters):
    assert is_deflated(file.create_dataset("data", data=values(), **filters))


@pytest.mark.parametrize("filters", OTHERS.values(), ids=OTHERS)
def test_others_are_left_to_hdf5(file, filters):
    assert not is_deflated(file.create_dataset("data", data=values(), **filters))


def test_tables_and_texts_are_left_to_hdf5(file):
    assert not is_deflated(file.create_dataset("table", (9, 9), "f4", compression="gzip"))
    assert not is_deflated(file.create_dataset("names", (9,), h5py.string_dtype(), compression=1))


def test_a_chunk_that_was_not_compressed_or_not_written_is_read_by_hdf5(file):
    array = file.create_dataset("data", (N_VALUES,), "f4", chunks=(CHUNK,), compression="gzip")
    expected = np.zeros(N_VALUES, np.float32)
    expected[CHUNK : 2 * CHUNK] = 7  # all others were never written
    array.id.write_direct_chunk((CHUNK,), expected[CHUNK : 2 * CHUNK].tobytes(), filter_mask=1)
    assert_read(array, expected)


def broken(array, how):
    place = array.id.get_chunk_info(2)
    array.file.flush()
    with Path(array.file.filename).open("r+b") as bytes_of_file:
        bytes_of_file.seek(place.byte_offset + how)
        bytes_of_file.write(b"\xff\xff\xff\xff")


def test_a_chunk_of_another_length_is_broken(file):
    array = file.create_dataset("data", (N_VALUES,), "f4", chunks=(CHUNK,), compression="gzip")
    array.id.write_direct_chunk((0,), zlib.compress(bytes(8)))
    (chunk,) = take_deflated(array, slice(0, 5), np.empty(5, np.float32))
    with pytest.raises(OSError, match="has 8 bytes in place of 256"):
        chunk.unpack()


@pytest.mark.parametrize("how", [0, 12], ids=["header", "within"])
def test_a_broken_chunk_is_an_error_that_names_the_cells(tmp_path, how):
    counts = sparse.csr_matrix(values().reshape(50, 20))
    path = tmp_path / "cells.h5ad"
    ad.AnnData(counts).write_h5ad(path, compression="gzip")
    with h5py.File(path, "r+") as file:
        data = file["X/data"][:]
        del file["X/data"]
        broken(file["X"].create_dataset("data", data=data, chunks=(64,), compression="gzip"), how)
    cells = open_cells(path)
    assert is_deflated(cells.matrices["X"].group["data"])
    assert (cells.rows("X", 0, 3) != counts[:3]).nnz == 0
    rows = np.repeat(np.arange(50), np.diff(counts.indptr))[2 * 64 : 3 * 64]
    told = rf"chunk 2 of '/X/data', of cells {rows[0]} to {rows[-1]} \(counted"
    with pytest.raises(FileFormatError, match=told):
        cells.rows("X", 0, 50)


def test_several_threads_read_at_once(tmp_path):
    counts = sparse.csr_matrix(np.random.default_rng(1).poisson(0.5, (400, 60)).astype(np.float32))
    ad.AnnData(counts).write_h5ad(tmp_path / "cells.h5ad", compression="gzip")
    cells = open_cells(tmp_path / "cells.h5ad")

    def total(start):
        return cells.rows("X", start, start + 20).toarray()

    with ThreadPoolExecutor(4) as threads:
        blocks = list(threads.map(total, range(0, 400, 20)))
    np.testing.assert_array_equal(np.vstack(blocks), counts.toarray())


def test_without_the_quick_library_pythons_own_unpacks(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "isal", None)
    try:
        assert importlib.reload(deflated).gzip_library is zlib
        array = file.create_dataset("data", data=values(), chunks=(CHUNK,), compression="gzip")
        out = np.empty(N_VALUES, np.float32)
        for chunk in deflated.take_deflated(array, slice(0, N_VALUES), out):
            chunk.unpack()
        np.testing.assert_array_equal(out, values())
    finally:
        monkeypatch.undo()
        importlib.reload(deflated)
