import gzip
import tarfile

import numpy as np
import pytest
from archive_server import FOLDER, GENES, counts_of, tenx_files
from cell_files import write_tenx_folder

from cellclassifier.data import read_cells, read_tenx_folder
from cellclassifier.errors import FileFormatError

FILES = tenx_files(9, seed=4)


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name.removeprefix(f"{FOLDER}/")).write_bytes(data)
    return tmp_path


def rewrite(path, old, new):
    path.write_bytes(path.read_bytes().replace(old, new, 1))


def test_counts_names_and_genes(folder):
    cells = read_tenx_folder(str(folder))
    np.testing.assert_array_equal(cells.X.toarray(), counts_of(FILES))
    assert cells.X.format == "csr"
    assert cells.X.dtype == np.float32
    assert cells.obs_names.tolist() == [f"CELL{number:04d}-1" for number in range(9)]
    assert cells.var_names.tolist() == [ensembl_id for ensembl_id, _ in GENES]
    assert cells.var["gene_symbol"].tolist() == [symbol for _, symbol in GENES]


def test_a_gene_named_na_keeps_its_name(folder):
    rewrite(folder / "genes.tsv", b"GENE3\n", b"NA\n")
    rewrite(folder / "genes.tsv", b"GENE4\n", b'5"-GENE\n')
    symbols = read_tenx_folder(folder).var["gene_symbol"]
    assert symbols.iloc[2:4].tolist() == ["NA", '5"-GENE']


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("matrix.mtx", b"%%MatrixMarket", b"%%Matrix", r"matrix\.mtx' cannot be read"),
        ("matrix.mtx", b"30 9 ", b"30 8 ", "is 30 x 8, but there are 30 genes and 9 barcodes"),
        ("matrix.mtx", b"30 9 ", b"30 9 9999", r"is cut off: it announces 9,999"),
        ("matrix.mtx", b"30 9 ", b"30 9 1", r"is cut off|cannot be read"),
        ("matrix.mtx", b"\n1 1 ", b"\n99 1 ", r"matrix\.mtx' cannot be read"),
        ("matrix.mtx", b"\n1 1 ", b"\n0 1 ", r"matrix\.mtx' cannot be read"),
        ("matrix.mtx", b"\n1 1 ", b"\n1 1 x", r"matrix\.mtx' cannot be read"),
        ("matrix.mtx", b"integer", b"pattern", "is 'coordinate pattern', but 'coordinate integer'"),
        ("matrix.mtx", b"integer", b"complex", "is 'coordinate complex', but 'coordinate integer'"),
        ("genes.tsv", b"ENSG00000000002\t", b"ENSG00000000001\t", "names 'ENSG00000000001' twice"),
        ("genes.tsv", b"\tGENE2\n", b"\tGENE2\tmore\n", r"genes\.tsv' cannot be read"),
        ("barcodes.tsv", b"CELL0003-1\n", b"", "but there are 30 genes and 8 barcodes"),
        ("barcodes.tsv", b"CELL0003-1\n", b"\xff\xfe\n", r"barcodes\.tsv' cannot be read"),
    ],
    ids=[
        "no_header", "other_shape", "entries_beyond_the_file", "entries_missing", "row_too_high",
        "row_zero", "no_number", "pattern", "complex", "gene_twice", "column_too_many",
        "barcode_missing", "no_text",
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(folder, name, old, new, expected):
    rewrite(folder / name, old, new)
    with pytest.raises(FileFormatError, match=expected):
        read_tenx_folder(folder)


@pytest.mark.parametrize("name", ["matrix.mtx", "genes.tsv", "barcodes.tsv"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileFormatError, match=rf"is not a folder of 10x counts.*{name}"):
        read_tenx_folder(folder)


@pytest.mark.parametrize("name", ["matrix.mtx", "genes.tsv", "barcodes.tsv"])
def test_an_empty_file_is_refused(folder, name):
    (folder / name).write_bytes(b"")
    with pytest.raises(FileFormatError, match=rf"{name}' cannot be read"):
        read_tenx_folder(folder)


def test_a_table_of_one_column_for_genes_is_refused(folder):
    (folder / "genes.tsv").write_text("ENSG1\nENSG2\n")
    with pytest.raises(FileFormatError, match="has 1 columns, but 2 are expected"):
        read_tenx_folder(folder)


def compress(path):
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def test_a_compressed_matrix_cut_off_is_refused(folder):
    compress(folder / "matrix.mtx")
    packed = folder / "matrix.mtx.gz"
    packed.write_bytes(packed.read_bytes()[:-40])
    with pytest.raises(FileFormatError, match=r"matrix\.mtx\.gz' cannot be read"):
        read_tenx_folder(folder)


def test_a_compressed_matrix_that_announces_too_much_is_refused(folder):
    rewrite(folder / "matrix.mtx", b"30 9 ", b"30 9 9999999999")
    compress(folder / "matrix.mtx")
    with pytest.raises(FileFormatError, match="is cut off: it announces 9,999,999,999"):
        read_tenx_folder(folder)


def test_two_versions_side_by_side_are_refused(folder):
    (folder / "features.tsv").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"several of \['features.tsv', 'genes.tsv'\]"):
        read_tenx_folder(folder)


def test_two_matrices_are_refused(folder):
    (folder / "GSM2_matrix.mtx.gz").touch()
    with pytest.raises(FileFormatError, match=r"has 2 files named matrix.mtx"):
        read_tenx_folder(folder)


def test_a_barcode_twice_is_refused(folder):
    rewrite(folder / "barcodes.tsv", b"CELL0003-1", b"CELL0002-1")
    with pytest.raises(FileFormatError, match="names 'CELL0002-1' twice"):
        read_tenx_folder(folder)


def test_other_features_are_left_out_and_named(tmp_path):
    cells = read_cells(write_tenx_folder(tmp_path / "cells", 3, antibodies=2))
    settled = cells.uns["read_cells"]
    assert settled["format"] == "10x folder, Cell Ranger 3"
    assert settled["dropped_feature_types"].tolist() == ["Antibody Capture"]
    assert settled["n_dropped_features"].tolist() == [2]
    assert set(cells.var["feature_types"]) == {"Gene Expression"}


def test_a_folder_without_gene_expression_is_refused(tmp_path):
    write_tenx_folder(tmp_path / "cells", 3)
    features = tmp_path / "cells" / "features.tsv.gz"
    text = gzip.decompress(features.read_bytes()).replace(b"Gene Expression", b"Peaks")
    features.write_bytes(gzip.compress(text))
    with pytest.raises(
        FileFormatError, match=r"no counts of 'Gene Expression', only \{'Peaks': 7\}"
    ):
        read_cells(tmp_path / "cells")


def test_an_archive_of_two_genomes_is_refused_with_their_names(tmp_path):
    path = tmp_path / "cells.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for genome in ("hg19", "mm10"):
            archive.add(write_tenx_folder(tmp_path / genome, 2), f"mex/{genome}")
    with pytest.raises(FileFormatError, match=r"holds 2 folders .*\['mex/hg19', 'mex/mm10'\]"):
        read_cells(path)


def test_an_archive_without_counts_is_refused(tmp_path):
    path = tmp_path / "cells.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(__file__, "notes.py")
    with pytest.raises(FileFormatError, match=r"holds 0 folders with a matrix\.mtx"):
        read_cells(path)


def test_an_archive_with_a_broken_member_names_archive_and_member(tmp_path):
    folder = write_tenx_folder(tmp_path / "hg19", 2)
    rewrite(folder / "matrix.mtx", b"%%MatrixMarket", b"%%Matrix")
    with tarfile.open(tmp_path / "cells.tar.gz", "w:gz") as archive:
        archive.add(folder, "hg19")
    with pytest.raises(FileFormatError, match=r"cells\.tar\.gz' cannot be read: 'matrix\.mtx'"):
        read_cells(tmp_path / "cells.tar.gz")


def test_an_archive_with_a_link_is_refused(tmp_path):
    path = tmp_path / "cells.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("matrix.mtx")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(FileFormatError, match="a link or a device"):
        read_cells(path)


@pytest.mark.parametrize("inside", ["filtered_feature_bc_matrix", "outs/filtered_gene_bc_matrices"])
def test_a_folder_around_that_of_the_counts_is_told_which_one_to_take(tmp_path, inside):
    (tmp_path / inside).mkdir(parents=True)
    with pytest.raises(FileFormatError) as raised:
        read_tenx_folder(tmp_path)
    assert str(raised.value).endswith(f"Name a folder inside: '{tmp_path / inside}'")
