"""MATLAB files of version 7.3, made as MATLAB writes them: HDF5 with every matrix transposed."""

import h5py
import numpy as np
import pytest
import scipy.io
from scipy import sparse

from cellclassifier import CellTypeClassifier, find_counts, read_cells
from cellclassifier.data.formats import on_disk
from cellclassifier.errors import FileFormatError

N_CELLS, N_GENES = 12, 7
COUNTS = np.random.default_rng(0).poisson(1.0, size=(N_CELLS, N_GENES)).astype(float)
COUNTS[:, 0] += 1
LABELS = np.arange(N_CELLS) % 3 + 1.0
HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" ")


def write_mat(path, data=COUNTS, labels=LABELS[:, None], **options):
    """Write dense matrices as ``save -v7.3`` does; None leaves a variable out."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in (("data", data), ("labels", labels)):
            if values is not None:
                stored = file.create_dataset(name, data=np.transpose(values), **options)
                stored.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as raw:
        raw.write(HEADER)
    return path


def write_sparse_mat(path, counts, labels=LABELS[:, None]):
    write_mat(path, data=None, labels=labels)
    matrix = sparse.csc_matrix(counts)
    with h5py.File(path, "a") as file:
        group = file.create_group("data")
        group.attrs["MATLAB_sparse"] = np.uint64(matrix.shape[0])
        group["jc"] = matrix.indptr.astype(np.uint64)
        if matrix.nnz:
            group["data"] = matrix.data
            group["ir"] = matrix.indices.astype(np.uint64)
    return path


def add_names(path, key, names):
    with h5py.File(path, "a") as file:
        references = []
        for number, name in enumerate(names):
            text = file.create_dataset(
                f"#refs#/{number}", data=np.frombuffer(name.encode("utf-16-le"), "<u2")[:, None]
            )
            references.append(text.ref)
        file.create_dataset(key, data=np.array([references], dtype=h5py.ref_dtype))
    return path


def refusal_of(path):
    with pytest.raises(FileFormatError) as refused:
        read_cells(path)
    message = str(refused.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.mat"


@pytest.mark.parametrize("labels", [LABELS[:, None], LABELS[None, :]], ids=["column", "row"])
@pytest.mark.parametrize("data", [COUNTS, COUNTS.T], ids=["cells_x_genes", "genes_x_cells"])
@pytest.mark.parametrize("write", [write_mat, write_sparse_mat], ids=["dense", "sparse"])
def test_the_number_of_labels_proves_which_way_round_it_is(path, write, data, labels):
    cells = read_cells(write(path, data, labels))
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)
    assert cells.X.format == "csr"
    assert cells.obs["label"].tolist() == [str(int(label)) for label in LABELS]
    assert cells.var_names.tolist() == [f"gene_{number}" for number in range(1, N_GENES + 1)]
    assert cells.obs_names[0] == "cell_1"


def test_the_header_of_matlab_is_no_hindrance(path):
    assert write_mat(path).read_bytes().startswith(b"MATLAB 7.3 MAT-file")
    assert find_counts(read_cells(path)).evidence == "raw counts in X"


@pytest.mark.parametrize("kind", ["float64", "float32", "uint16", "uint8"])
def test_kinds_of_numbers(path, kind):
    cells = read_cells(write_mat(path, COUNTS.astype(kind)))
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)


@pytest.mark.parametrize(
    "chunks", [(1, 1), (3, 5), (N_GENES, 1), (1, N_CELLS), (N_GENES, N_CELLS)], ids=str
)
def test_blocks_do_not_change_the_counts(path, monkeypatch, chunks):
    monkeypatch.setattr(on_disk, "BLOCK_BYTES", 100)
    write_mat(path, labels=None, chunks=chunks, compression="gzip")
    with h5py.File(path, "a") as file:
        file["labels"] = LABELS[None, :]
    np.testing.assert_array_equal(read_cells(path).X.toarray(), COUNTS)


def test_a_sparse_matrix_of_zeros(path):
    cells = read_cells(write_sparse_mat(path, np.zeros((N_CELLS, N_GENES))))
    assert cells.shape == (N_CELLS, N_GENES)
    assert cells.X.nnz == 0


@pytest.mark.parametrize("key", ["genes", "gene_names", "gene_symbols"])
def test_a_cell_array_names_the_genes(path, key):
    names = ["CD3D", "MS4A1", "NKG7", "GNLY", "LYZ", "PPBP", "Übergen"]
    assert read_cells(add_names(write_mat(path), key, names)).var_names.tolist() == names


def test_too_few_names_are_refused(path):
    message = refusal_of(add_names(write_mat(path), "genes", ["A", "B"]))
    assert "genes has 2 names, but data has 7 genes" in message


def test_names_that_are_numbers_are_refused(path):
    write_mat(path)
    with h5py.File(path, "a") as file:
        file["genes"] = np.arange(N_GENES)
    assert "genes has to be a cell array of texts" in refusal_of(path)


def test_a_square_matrix_proves_nothing(path):
    message = refusal_of(write_mat(path, np.ones((N_CELLS, N_CELLS))))
    assert "data is 12 x 12 with 12 labels, so that nothing proves which way round" in message


def test_labels_that_fit_neither_way_are_refused(path):
    message = refusal_of(write_mat(path, labels=np.ones((5, 1))))
    assert "data is 12 x 7, but there are 5 labels" in message


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (LABELS[:, None] - 1, r"labels has ['0', '0', '0'], but they count from 1"),
        (LABELS[:, None] + 0.5, "labels has ['1.5', '2.5', '3.5']"),
        (LABELS[:, None] * np.nan, "labels has ['nan', 'nan', 'nan']"),
        (LABELS.reshape(4, 3), "labels has to be one row or one column of numbers"),
        (np.array(["a"] * N_CELLS, dtype="S1"), "labels has to be one row or one column"),
    ],
    ids=["from_zero", "fractions", "nan", "matrix", "texts"],
)
def test_labels_that_do_not_count_from_one_are_refused(path, labels, expected):
    assert expected in refusal_of(write_mat(path, labels=labels))


@pytest.mark.parametrize("missing", ["data", "labels"])
def test_a_missing_variable_is_named(path, missing):
    message = refusal_of(write_mat(path, **{missing: None}))
    assert f"it lacks ['{missing}'] and has" in message


@pytest.mark.parametrize(
    "data", [np.ones((2, 3, 4)), np.ones((N_CELLS, 2), dtype=complex), np.ones((N_CELLS, 0))],
    ids=["three_axes", "complex", "empty"],
)  # fmt: skip
def test_data_that_is_no_matrix_of_numbers_is_refused(path, data):
    assert "data has to be a matrix of real numbers" in refusal_of(write_mat(path, data))


def test_a_structure_is_refused(path):
    write_mat(path, data=None)
    with h5py.File(path, "a") as file:
        file["data/counts"] = COUNTS
    assert "data has to be a matrix; it is a structure" in refusal_of(path)


@pytest.mark.parametrize(("key", "value"), [("ir", 99), ("jc", 10**9)])
def test_a_sparse_matrix_with_impossible_indices_is_refused(path, key, value):
    write_sparse_mat(path, COUNTS)
    with h5py.File(path, "a") as file:
        file[f"data/{key}"][1] = value
    assert "cannot be read as a MATLAB file" in refusal_of(path)


def test_a_file_of_an_older_version_is_refused_with_the_way_to_save_it(path):
    scipy.io.savemat(path, {"data": COUNTS, "labels": LABELS})
    message = refusal_of(path)
    assert "not a MATLAB file of version 7.3" in message
    assert "save('cells.mat', 'data', 'labels', '-v7.3')" in message


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_cut_off_is_refused(path, share):
    content = write_mat(path).read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refusal_of(path)


def test_a_folder_is_refused(path):
    path.mkdir()
    refusal_of(path)


def test_a_classifier_trains_on_it(path):
    rng = np.random.default_rng(1)
    labels = np.repeat([1.0, 2.0], 30)
    means = np.where(labels[:, None] == 1, [9.0] * 5 + [1.0] * 5, [1.0] * 5 + [9.0] * 5)
    cells = read_cells(write_mat(path, rng.poisson(means).astype(float), labels[:, None]))
    classifier = CellTypeClassifier("linear").fit(cells, labels_key="label")
    assert classifier.score(cells, labels_key="label") > 0.95
