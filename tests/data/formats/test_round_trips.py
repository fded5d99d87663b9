"""The same cells come out of every kind of file."""

import numpy as np
import pytest
from cell_files import (
    BARCODES,
    COUNTS,
    IDS,
    SYMBOLS,
    small_cells,
    write_loom,
    write_tenx_archive,
    write_tenx_folder,
    write_tenx_v2,
    write_tenx_v3,
    write_text,
)

from cellclassifier import find_counts, read_cells, write_cells
from cellclassifier.data import READING_KEY
from cellclassifier.errors import FileFormatError, InputError


def anndata_as(name):
    def write(folder):
        write_cells(small_cells(), folder / name)
        return folder / name

    return write


def zarr_of(version):
    def write(folder):
        import anndata as ad

        with ad.settings.override(zarr_write_format=version):
            write_cells(small_cells(), folder / "cells.zarr")
        assert (folder / "cells.zarr" / ("zarr.json" if version == 3 else ".zgroup")).exists()
        return folder / "cells.zarr"

    return write


def h5ad_named_h5(folder):
    write_cells(small_cells(), folder / "cells.h5ad")
    return (folder / "cells.h5ad").rename(folder / "cells.h5")


def table(name, separator, ids=IDS):
    def write(folder):
        frame = small_cells().to_df().T.set_axis(ids)
        return write_text(folder / name, frame.to_csv(sep=separator))

    return write


FILES = {
    "h5ad": anndata_as("cells.h5ad"),
    "zarr_2": zarr_of(2),
    "zarr_3": zarr_of(3),
    "h5ad_named_h5": h5ad_named_h5,
    "tenx_h5_v2": lambda folder: write_tenx_v2(folder / "cells.h5"),
    "tenx_h5_v3": lambda folder: write_tenx_v3(folder / "cells.h5"),
    "tenx_h5_v3_antibodies": lambda folder: write_tenx_v3(folder / "c.h5", with_antibodies=True),
    "tenx_folder_v2": lambda folder: write_tenx_folder(folder / "hg19", 2),
    "tenx_folder_v3": lambda folder: write_tenx_folder(folder / "cells", 3),
    "tenx_folder_antibodies": lambda folder: write_tenx_folder(folder / "cells", 3, antibodies=2),
    "tenx_folder_prefix": lambda folder: write_tenx_folder(folder / "GSM", 3, prefix="GSM1_"),
    "tenx_archive": lambda folder: write_tenx_archive(folder / "cells.tar.gz"),
    "tenx_archive_flat": lambda folder: write_tenx_archive(folder / "cells.tgz", ""),
    "loom": lambda folder: write_loom(folder / "cells.loom"),
    "csv": table("cells.csv", ","),
    "tsv_gz": table("cells.tsv.gz", "\t"),
}


@pytest.fixture(params=FILES)
def path(request, tmp_path):
    return FILES[request.param](tmp_path)


def test_counts_and_names_are_the_same(path):
    cells = read_cells(path)
    np.testing.assert_array_equal(cells.to_memory().X.toarray(), COUNTS)
    assert cells.obs_names.tolist() == BARCODES
    assert cells.var_names.tolist() == IDS
    if path.suffix not in (".csv", ".gz") or path.name.endswith("tar.gz"):
        assert cells.var["gene_symbol"].tolist() == SYMBOLS
        assert cells.var["ensembl_id"].tolist() == IDS


def test_rows_copy_obs_and_raw_work_on_what_is_read(path):
    cells = read_cells(path)
    assert cells.n_obs == len(BARCODES)
    rows = np.array([4, 1, 7])
    np.testing.assert_array_equal(cells[rows].copy().X.toarray(), COUNTS[rows])
    mask = np.arange(cells.n_obs) % 3 == 0
    np.testing.assert_array_equal(cells[mask].copy().X.toarray(), COUNTS[mask])
    np.testing.assert_array_equal(cells[2:5].X.toarray(), COUNTS[2:5])
    np.testing.assert_array_equal(cells[:, IDS[2:4]].copy().X.toarray(), COUNTS[:, 2:4])
    copy = cells.copy()
    copy.obs["cell_type"] = "T"
    assert "cell_type" not in cells.obs
    assert cells.raw is None


def test_they_are_taken_as_counts(path):
    raw = find_counts(read_cells(path))
    np.testing.assert_array_equal(raw.library_size, COUNTS.sum(axis=1))


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_they_can_be_written_and_read_again(path, tmp_path, suffix):
    cells = read_cells(path)
    write_cells(cells, tmp_path / f"again{suffix}")
    again = read_cells(tmp_path / f"again{suffix}")
    np.testing.assert_array_equal(again.to_memory().X.toarray(), COUNTS)
    assert again.uns.get(READING_KEY, {}).keys() == cells.uns.get(READING_KEY, {}).keys()


def test_files_of_anndata_are_not_cluttered(path):
    is_anndata = path.suffix in (".h5ad", ".zarr") or path.name == "cells.h5"
    if is_anndata and "10x" not in read_cells(path).uns.get(READING_KEY, {"format": ""})["format"]:
        assert READING_KEY not in read_cells(path).uns
    else:
        assert isinstance(read_cells(path).uns[READING_KEY]["format"], str)


@pytest.mark.parametrize("name", ["h5ad", "zarr_3"])
def test_genes_in_rows_transposes_anndata(tmp_path, name):
    path = FILES[name](tmp_path)
    cells = read_cells(path, genes_in="rows")
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS.T)
    assert cells.X.format == "csr"
    assert cells.uns[READING_KEY] == {"format": "AnnData", "genes_in": "rows"}
    assert read_cells(path, genes_in="columns").shape == COUNTS.shape


@pytest.mark.parametrize("name", ["tenx_h5_v3", "tenx_folder_v2", "loom"])
def test_kinds_that_say_where_their_genes_are_take_no_word(tmp_path, name):
    with pytest.raises(InputError, match="itself says where its genes are; leave genes_in out"):
        read_cells(FILES[name](tmp_path), genes_in="rows")


def test_another_word_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"genes_in is 'cols', but only \['rows', 'columns'\]"):
        read_cells(tmp_path, genes_in="cols")


def test_what_else_names_tell(tmp_path):
    def refusal_of(name, content=b"x"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(FileFormatError) as refused:
            read_cells(path)
        return str(refused.value)

    assert "is the matrix alone" in refusal_of("matrix.mtx")
    assert f"give its folder, '{tmp_path}'" in refusal_of("GSM_matrix.mtx.gz")
    assert "unpack it first: gunzip 'cells.h5ad.gz'" in refusal_of("cells.h5ad.gz")
    assert "ends in '.xlsx', but .h5ad, .zarr, 10x .h5" in refusal_of("cells.xlsx")
    assert "is not an HDF5 file" in refusal_of("cells.h5")
    assert "is not a loom file" in refusal_of("cells.loom")


def test_upper_case_names(tmp_path):
    path = FILES["csv"](tmp_path)
    assert read_cells(path.rename(tmp_path / "CELLS.CSV")).n_obs == len(BARCODES)


def test_a_folder_that_is_neither_is_refused_with_what_it_has(tmp_path):
    (tmp_path / "notes").touch()
    with pytest.raises(FileFormatError, match=r"it has 0 files named matrix.mtx.*'notes'"):
        read_cells(tmp_path)
