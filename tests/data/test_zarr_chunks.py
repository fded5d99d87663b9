"""Chunks of zarr are unpacked as zarr does it, or left to it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anndata as ad
import numcodecs
import numpy as np
import pytest
import zarr
from scipy import sparse
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ZstdCodec
from zarr.storage import MemoryStore

from cellclassifier.data.annotations import NOTICES
from cellclassifier.data.streaming import open_cells
from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.zarr_chunks import BorderChunks, take_chunks, unpacker_of
from cellclassifier.errors import FileFormatError

N_VALUES, CHUNK = 1000, 64
PARTS = [slice(0, N_VALUES), slice(0, 1), slice(63, 65), slice(64, 128), slice(990, 1000)]
KINDS = {"float32": np.float32, "uint8": np.uint8, "int64": np.int64}
CODECS = {
    "blosc-lz4": (3, BloscCodec(cname="lz4")),
    "blosc-bits": (3, BloscCodec(cname="zstd", shuffle="bitshuffle")),
    "zstd": (3, ZstdCodec(level=3)),
    "zstd-checksum": (3, ZstdCodec(checksum=True)),
    "2-blosc": (2, numcodecs.Blosc("lz4")),
    "2-zstd": (2, numcodecs.Zstd()),
}
OTHERS = {
    "none": {"compressors": None},
    "gzip": {"compressors": GzipCodec()},
    "two": {"compressors": [ZstdCodec(), BloscCodec()]},
    "shards": {"compressors": ZstdCodec(), "shards": (4 * CHUNK,)},
    "big-endian": {"compressors": ZstdCodec(), "serializer": BytesCodec(endian="big")},
    "2-gzip": {"compressors": numcodecs.GZip(), "zarr_format": 2},
    "2-filtered": {
        "compressors": numcodecs.Blosc(),
        "filters": [numcodecs.Delta("f4")],
        "zarr_format": 2,
    },
}


def values(kind=np.float32):
    return np.random.default_rng(0).poisson(2.0, N_VALUES).astype(kind)


def made(store, kind=np.float32, **options):
    return zarr.create_array(store, data=values(kind), chunks=(CHUNK,), **options)


def first_chunk(array):
    (chunk,) = take_chunks(
        array, slice(0, 5), np.empty(5, np.float32), unpacker_of(array), Buffers()
    )
    return chunk


def assert_read(array, expected):
    for part in PARTS:
        out = np.empty(part.stop - part.start, array.dtype)
        for chunk in take_chunks(array, part, out, unpacker_of(array), Buffers()):
            chunk.unpack()
        np.testing.assert_array_equal(out, expected[part])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_parts_are_those_that_were_written(tmp_path, monkeypatch, kind, codec):
    zarr_format, compressor = codec
    array = made(tmp_path / "x", kind, compressors=compressor, zarr_format=zarr_format)
    monkeypatch.setattr(zarr.Array, "__getitem__", None)  # nothing is left to zarr
    assert_read(array, values(kind))


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_others_are_left_to_zarr(tmp_path, options):
    assert unpacker_of(made(tmp_path / "x", **options)) is None


def test_tables_texts_other_orders_of_bytes_and_stores_are_left_to_zarr(tmp_path):
    assert unpacker_of(made(MemoryStore())) is None
    assert unpacker_of(made(tmp_path / "big", ">f4", zarr_format=2)) is None
    assert unpacker_of(zarr.create_array(tmp_path / "table", shape=(9, 9), dtype="f4")) is None
    assert unpacker_of(zarr.create_array(tmp_path / "names", shape=(9,), dtype=str)) is None


def test_a_chunk_that_was_not_written_is_filled_in_by_zarr(tmp_path):
    array = zarr.create_array(
        tmp_path / "x", shape=(N_VALUES,), dtype="f4", chunks=(CHUNK,), fill_value=3
    )
    expected = np.full(N_VALUES, 3, np.float32)
    array[CHUNK : 2 * CHUNK] = expected[CHUNK : 2 * CHUNK] = 7
    assert_read(array, expected)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("cut", [3, 12, 40], ids=str)
def test_a_chunk_that_was_cut_off_is_an_error(tmp_path, codec, cut):
    zarr_format, compressor = codec
    array = made(tmp_path / "x", compressors=compressor, zarr_format=zarr_format)
    chunk = first_chunk(array)
    chunk.path.write_bytes(chunk.path.read_bytes()[:cut])
    with pytest.raises(OSError, match="a compressed chunk cannot be unpacked"):
        chunk.unpack()


@pytest.mark.parametrize("codec", ["blosc-lz4", "zstd"])
def test_a_chunk_of_another_length_is_broken(tmp_path, codec):
    compressor = CODECS[codec][1]
    short = zarr.create_array(
        tmp_path / "short", data=values()[:2], chunks=(2,), compressors=compressor
    )
    array = made(tmp_path / "x", compressors=compressor)
    packed = Path(tmp_path / "short", short.metadata.encode_chunk_key((0,))).read_bytes()
    Path(tmp_path / "x", array.metadata.encode_chunk_key((0,))).write_bytes(packed)
    with pytest.raises(OSError, match="8 bytes in place of 256"):
        first_chunk(array).unpack()


def test_a_chunk_at_the_border_of_blocks_is_unpacked_once(tmp_path):
    array = made(tmp_path / "x", compressors=ZstdCodec())
    unpack, sizes, borders = unpacker_of(array), [], BorderChunks()

    def noted(packed, out):
        sizes.append(len(out))
        unpack(packed, out)

    def read(start, stop):
        out = np.empty(stop - start, np.float32)
        for chunk in take_chunks(array, slice(start, stop), out, noted, Buffers(), borders):
            chunk.unpack()
        np.testing.assert_array_equal(out, values()[start:stop])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda start: read(start, start + 100), range(0, N_VALUES, 100)))
    assert len(sizes) <= 22
    sizes.clear()
    for start in range(0, N_VALUES, 100):
        read(start, start + 100)
    assert len(sizes) == -(-N_VALUES // CHUNK)


def test_a_border_that_is_broken_is_an_error_for_both_blocks(tmp_path):
    array, borders = made(tmp_path / "x", compressors=ZstdCodec()), BorderChunks()
    path = first_chunk(array).path
    path.write_bytes(path.read_bytes()[:20])
    for part in (slice(0, 5), slice(5, 9)):
        out = np.empty(part.stop - part.start, np.float32)
        (chunk,) = take_chunks(array, part, out, unpacker_of(array), Buffers(), borders)
        with pytest.raises(OSError, match="cannot be unpacked"):
            chunk.unpack()


@pytest.mark.filterwarnings(f"ignore:{NOTICES}:UserWarning")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_stores_of_anndata_are_read_by_several_threads(tmp_path, zarr_format):
    counts = sparse.csr_matrix(np.random.default_rng(1).poisson(0.5, (400, 60)).astype(np.float32))
    with ad.settings.override(zarr_write_format=zarr_format):
        ad.AnnData(counts).write_zarr(tmp_path / "cells.zarr")
    cells = open_cells(tmp_path / "cells.zarr")
    assert unpacker_of(cells.matrices["X"].group["data"]) is not None

    def total(start):
        return cells.rows("X", start, start + 20).toarray()

    with ThreadPoolExecutor(4) as threads:
        blocks = list(threads.map(total, range(0, 400, 20)))
    np.testing.assert_array_equal(np.vstack(blocks), counts.toarray())


@pytest.mark.filterwarnings(f"ignore:{NOTICES}:UserWarning")
def test_a_broken_chunk_is_an_error_that_names_the_cells(tmp_path):
    counts = sparse.csr_matrix(values().reshape(50, 20))
    ad.AnnData(counts).write_zarr(tmp_path / "cells.zarr")
    cells = open_cells(tmp_path / "cells.zarr")
    data = cells.matrices["X"].group["data"]
    chunk = Path(data.store.root, data.path, data.metadata.encode_chunk_key((0,)))
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(FileFormatError, match="cells 0 to 49"):
        cells.rows("X", 0, 50)
