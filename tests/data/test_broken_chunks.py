"""Chunks that cannot be read of matrices by columns and of dense ones: what is said of them."""

import h5py
import pytest
import zarr
from streamed_cells import as_dense, by_columns, drawn, write

from cellclassifier.data.streaming import by_rows, open_cells
from cellclassifier.errors import FileFormatError

N_CELLS = 3_000
KINDS = pytest.mark.parametrize("kind", [".h5ad", ".zarr"])


def chunked(cells, path, name, length):
    """Write cells to a compressed file, with a matrix or a part of one in chunks of that size."""
    if path.suffix == ".zarr":
        write(cells, path)
        root = zarr.open_group(path, mode="r+", use_consolidated=False)
        values, attributes = root[name][...], dict(root[name].attrs)
        del root[name]
        array = root.create_array(name, data=values, chunks=length)
        array.attrs.update(attributes)
        zarr.consolidate_metadata(path)
        return
    cells.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        values, attributes = file[name][...], dict(file[name].attrs)
        del file[name]
        array = file.create_dataset(name, data=values, chunks=length, compression="gzip")
        array.attrs.update(attributes)


def broken(path, name, chunk):
    """Break a chunk."""
    if path.suffix == ".zarr":
        array = zarr.open_group(path, mode="r")[name]
        file = path / name / array.metadata.encode_chunk_key(chunk)
        file.write_bytes(file.read_bytes()[:-20])
        return
    with h5py.File(path) as file:
        array = file[name]
        first = tuple(number * n for number, n in zip(chunk, array.chunks, strict=True))
        place = array.id.get_chunk_info_by_coord(first)
    with path.open("r+b") as stream:
        stream.seek(place.byte_offset + 10)
        stream.write(b"\xff" * 100)


@KINDS
@pytest.mark.parametrize("part", ["data", "indices"])
def test_a_broken_chunk_of_a_matrix_by_columns_is_named_with_its_genes(tmp_path, kind, part):
    cells, path, length = by_columns(drawn(N_CELLS, seed=5)), tmp_path / f"cells{kind}", 20_000
    chunked(cells, path, f"X/{part}", (length,))
    broken(path, f"X/{part}", (4,))
    ends = cells.X.indptr
    held = [g for g in range(120) if ends[g] < 5 * length and ends[g + 1] > 4 * length]
    said = rf"chunk 4 of '/X/{part}', of genes {held[0]} to {held[-1]} \(counted from 0\) cannot"
    with pytest.raises(FileFormatError, match=said), by_rows(open_cells(path), None, tmp_path):
        pass


@KINDS
def test_a_broken_chunk_of_a_dense_matrix_is_named_with_its_cells(tmp_path, kind):
    path = tmp_path / f"cells{kind}"
    chunked(as_dense(drawn(N_CELLS, seed=5)), path, "X", (400, 50))
    broken(path, "X", (7, 2))
    cells = open_cells(path)
    assert cells.rows("X", 0, 2_800).shape == (2_800, 120)
    said = r"chunk \(7, 2\) of '/X', of cells 2,800 to 2,999 \(counted from 0\) cannot be read"
    with pytest.raises(FileFormatError, match=said):
        cells.rows("X", 2_500, 2_900)
    with pytest.raises(FileFormatError, match=said):
        cells.some([slice(0, 100), slice(2_900, 3_000)], None, [])
