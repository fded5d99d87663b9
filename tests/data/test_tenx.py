import numpy as np
import pytest
from archive_server import FOLDER, GENES, counts_of, tenx_files

from cellclassifier.data import read_tenx_folder
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
    with pytest.raises(FileFormatError, match=rf"{name}' cannot be read: No such file"):
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
