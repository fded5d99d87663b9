"""Chunks that nothing was done to are read as HDF5 reads them, or by it."""

import h5py
import numpy as np
import pytest

from cellclassifier.data.streaming.plain_chunks import is_plain, read_plain

N_VALUES, CHUNK = 1000, 64
PARTS = [(0, N_VALUES), (0, 1), (63, 65), (64, 128), (60, 200), (960, 1000), (5, 5)]
KINDS = {"float32": np.float32, "uint8": np.uint8, "int64": np.int64, "big-endian": ">f4"}
OTHERS = {
    "contiguous": {},
    "gzip": {"chunks": (16,), "compression": "gzip"},
    "shuffle": {"chunks": (16,), "shuffle": True},
    "checksum": {"chunks": (16,), "fletcher32": True},
}


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        yield file


def values(kind=np.float32):
    return np.random.default_rng(0).poisson(2.0, N_VALUES).astype(kind)


def assert_read(array, expected):
    assert is_plain(array)
    for start, stop in PARTS:
        out = np.empty(stop - start, array.dtype)
        read_plain(array, slice(start, stop), out)
        np.testing.assert_array_equal(out, expected[start:stop])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_parts_are_those_that_were_written(file, kind):
    assert_read(file.create_dataset("data", data=values(kind), chunks=(CHUNK,)), values(kind))


def test_whole_chunks_are_not_read_by_way_of_hdf5s_memory(file, monkeypatch):
    array = file.create_dataset("data", data=values(), chunks=(CHUNK,))
    monkeypatch.setattr(h5py.Dataset, "read_direct", None)
    out = np.empty(3 * CHUNK, np.float32)
    read_plain(array, slice(CHUNK, 4 * CHUNK), out)
    np.testing.assert_array_equal(out, values()[CHUNK : 4 * CHUNK])


def test_chunks_that_were_not_written_are_filled_in(file):
    array = file.create_dataset("data", (N_VALUES,), "f4", chunks=(CHUNK,), fillvalue=3)
    expected = np.full(N_VALUES, 3, np.float32)
    array[CHUNK : 2 * CHUNK] = expected[CHUNK : 2 * CHUNK] = 7
    assert_read(array, expected)


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_others_are_left_to_hdf5(file, options):
    assert not is_plain(file.create_dataset("data", data=values(), **options))


def test_tables_and_texts_are_left_to_hdf5(file):
    assert not is_plain(file.create_dataset("table", (9, 9), "f4", chunks=(3, 3)))
    assert not is_plain(file.create_dataset("names", (9,), h5py.string_dtype(), chunks=(3,)))
