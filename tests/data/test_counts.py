import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellclassifier.data import find_counts
from cellclassifier.errors import CountsError, InputError

COUNTS = np.array([[1, 0, 4, 2], [0, 7, 1, 0], [1, 3, 0, 12]], dtype=np.float32)
GENES = ["CD3D", "MS4A1", "NKG7", "LYZ"]


def cells_of(matrix, **slots):
    names = pd.DataFrame(index=[f"cell{i}" for i in range(matrix.shape[0])])
    return ad.AnnData(matrix, obs=names, var=pd.DataFrame(index=GENES[: matrix.shape[1]]), **slots)


def log_normalised(counts, counts_per_cell=1e4):
    counts = np.asarray(counts, dtype=np.float64)
    per_cell = counts / counts.sum(axis=1, keepdims=True)
    return np.log1p(per_cell * counts_per_cell).astype(np.float32)


def with_raw(cells, raw):
    cells.raw = raw
    return cells


# --- where counts are looked for


def test_a_named_layer_comes_before_all_others():
    cells = cells_of(COUNTS, layers={"counts": COUNTS + 1, "umi": COUNTS + 2})
    raw = find_counts(cells, layer="umi")
    np.testing.assert_array_equal(raw.counts.toarray(), COUNTS + 2)
    assert raw.evidence == "raw counts in layers['umi']"


def test_the_layer_counts_comes_before_x():
    raw = find_counts(cells_of(COUNTS, layers={"counts": COUNTS + 1}))
    np.testing.assert_array_equal(raw.counts.toarray(), COUNTS + 1)
    assert raw.evidence == "raw counts in layers['counts']"


def test_x_comes_before_raw():
    raw = find_counts(with_raw(cells_of(COUNTS), cells_of(COUNTS + 1)))
    np.testing.assert_array_equal(raw.counts.toarray(), COUNTS)
    assert raw.evidence == "raw counts in X"


def test_raw_comes_last_and_brings_its_own_genes():
    scaled = cells_of(COUNTS[:, :2] - 0.5)
    raw = find_counts(with_raw(scaled, cells_of(COUNTS)))
    np.testing.assert_array_equal(raw.counts.toarray(), COUNTS)
    assert raw.genes.symbols.tolist() == GENES
    assert raw.evidence == "raw counts in raw.X"


def test_counts_in_raw_are_preferred_to_values_of_x_that_would_have_to_be_undone():
    cells = with_raw(cells_of(log_normalised(COUNTS)), cells_of(COUNTS * 2))
    assert find_counts(cells).evidence == "raw counts in raw.X"


def test_x_is_undone_where_no_place_has_counts():
    cells = cells_of(log_normalised(COUNTS), layers={"counts": COUNTS - 0.5})
    raw = find_counts(cells)
    np.testing.assert_array_equal(raw.counts.toarray(), COUNTS)
    assert raw.evidence == (
        "X is log1p of counts per 10,000, undone exactly: every value came out whole"
    )


def test_cells_without_x_are_read_from_their_layer():
    cells = cells_of(COUNTS, layers={"counts": COUNTS})
    cells.X = None
    assert find_counts(cells).evidence == "raw counts in layers['counts']"


def test_a_named_layer_is_the_only_place():
    cells = cells_of(COUNTS, layers={"scaled": COUNTS - 0.5})
    with pytest.raises(CountsError, match=r"^no raw counts were found: layers\['scaled'\] has neg"):
        find_counts(cells, layer="scaled")


def test_a_layer_that_is_not_there_is_refused_with_those_that_are():
    cells = cells_of(COUNTS, layers={"umi": COUNTS})
    with pytest.raises(InputError, match=r"there is no layer 'raw'; there are \['umi'\]"):
        find_counts(cells, layer="raw")


def test_genes_of_raw_are_named_by_what_var_knows_about_them():
    cells = with_raw(cells_of(COUNTS[:, :2] - 0.5), cells_of(COUNTS))
    cells.var["ensembl_id"] = ["ENSG00000167286", "ENSG00000156738"]
    genes = find_counts(cells).genes
    assert genes.ensembl_ids.tolist()[:2] == ["ENSG00000167286", "ENSG00000156738"]
    assert genes.has_given_id.tolist() == [True, True, False, False]
    assert genes.symbols.tolist() == GENES


@pytest.mark.filterwarnings("ignore:Variable names are not unique:UserWarning")
def test_genes_of_raw_may_be_named_twice():
    twice = cells_of(COUNTS)
    twice.var_names = ["CD3D", "CD3D", "NKG7", "LYZ"]
    cells = with_raw(cells_of(COUNTS[:, :2] - 0.5), twice)
    cells.var["ensembl_id"] = ["ENSG00000167286", "ENSG00000156738"]
    raw = find_counts(cells)
    assert len(raw.genes) == raw.counts.shape[1] == 3
    assert raw.genes.symbols.tolist() == ["CD3D", "NKG7", "LYZ"]


# --- what comes out


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "uint16"])
@pytest.mark.parametrize(
    "kind",
    [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array],
    ids=["dense", "csr", "csc", "csr_array", "csc_array"],
)
def test_every_kind_of_matrix_gives_the_same_counts(kind, dtype):
    raw = find_counts(cells_of(kind(COUNTS.astype(dtype))))
    expected = sparse.csr_matrix(COUNTS)
    assert raw.counts.format == "csr"
    assert raw.counts.dtype == np.float32
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(raw.counts, part), getattr(expected, part))
    assert raw.library_size.tolist() == [7, 8, 16]
    assert raw.library_size.dtype == np.float64
    assert raw.cell_names.tolist() == ["cell0", "cell1", "cell2"]


def untidy_matrix():
    """The COUNTS, with unsorted indices, a stored zero, and one count in two parts."""
    return sparse.csr_matrix(
        (
            np.array([2, 1, 4, 0, 1, 3, 4, 12, 3, 1], dtype=np.float32),
            np.array([3, 0, 2, 1, 2, 1, 1, 3, 1, 0]),
            np.array([0, 4, 7, 10]),
        ),
        shape=COUNTS.shape,
    )


def test_unsorted_repeated_and_zero_entries_are_tidied():
    raw = find_counts(cells_of(untidy_matrix()))
    np.testing.assert_array_equal(raw.counts.toarray(), COUNTS)
    assert raw.counts.has_canonical_format
    assert raw.counts.nnz == np.count_nonzero(COUNTS)


def parts(matrix):
    return [matrix] if isinstance(matrix, np.ndarray) else [getattr(matrix, p) for p in PARTS]


PARTS = ("data", "indices", "indptr")


@pytest.mark.parametrize(
    "make",
    [
        COUNTS.copy,
        untidy_matrix,
        lambda: sparse.csr_matrix(COUNTS),
        lambda: sparse.csc_matrix(COUNTS),
        lambda: sparse.csr_matrix(log_normalised(COUNTS)),
        lambda: log_normalised(COUNTS),
    ],
    ids=["dense", "untidy_csr", "csr", "csc", "csr_to_undo", "dense_to_undo"],
)
def test_the_cells_given_are_not_changed(make):
    cells = with_raw(cells_of(make()), cells_of(make()))
    cells.obs["n_counts"] = COUNTS.sum(axis=1)
    before = [part.copy() for part in (*parts(cells.X), *parts(cells.raw.X))]
    obs, var = cells.obs.copy(), cells.var.copy()
    find_counts(cells, library_size_key="n_counts")
    after = (*parts(cells.X), *parts(cells.raw.X))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    pd.testing.assert_frame_equal(cells.obs, obs)
    pd.testing.assert_frame_equal(cells.var, var)


def test_library_size_counts_cells_over_all_genes_unless_given():
    cells = cells_of(COUNTS)
    assert find_counts(cells).library_size.tolist() == [7, 8, 16]
    cells.obs["n_counts"] = [100, 200, 300]
    given = find_counts(cells, library_size_key="n_counts")
    assert given.library_size.tolist() == [100, 200, 300]
    np.testing.assert_array_equal(given.counts.toarray(), COUNTS)


def test_a_cell_without_counts_is_taken_where_its_library_size_is_given():
    cells = cells_of(np.vstack([COUNTS, np.zeros(4, dtype=np.float32)]))
    cells.obs["n_counts"] = [100, 200, 300, 50]
    assert find_counts(cells, library_size_key="n_counts").counts[3].nnz == 0


def test_blocks_are_the_same_cells_in_order():
    raw = find_counts(cells_of(COUNTS))
    blocks = list(raw.blocks(2))
    assert [len(block) for block in blocks] == [2, 1]
    assert sparse.vstack([block.counts for block in blocks]).toarray().tolist() == COUNTS.tolist()
    assert np.concatenate([block.library_size for block in blocks]).tolist() == [7, 8, 16]
    assert blocks[1].cell_names.tolist() == ["cell2"]


def test_a_view_of_cells_gives_the_counts_of_the_view():
    raw = find_counts(cells_of(sparse.csr_matrix(COUNTS))[[2, 0]])
    np.testing.assert_array_equal(raw.counts.toarray(), COUNTS[[2, 0]])
    assert raw.cell_names.tolist() == ["cell2", "cell0"]


def test_a_file_opened_without_reading_gives_the_same_counts(tmp_path):
    path = tmp_path / "cells.h5ad"
    cells_of(sparse.csr_matrix(COUNTS)).write_h5ad(path)
    backed = ad.read_h5ad(path, backed="r")
    np.testing.assert_array_equal(find_counts(backed).counts.toarray(), COUNTS)
    backed.file.close()


# --- what is refused


def changed(value, where=(1, 1)):
    matrix = COUNTS.astype(np.float64)
    matrix[where] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (changed(np.nan), "X has 1 values that are NaN or infinite"),
        (changed(np.inf), "X has 1 values that are NaN or infinite"),
        (changed(-3), "X has negative values down to -3: it was scaled or centred"),
        (changed(2.5), r"X has values that are not whole, such as \[2.5\]"),
        (changed(2**24 + 1), r"X has values up to 1.678e\+07, too large for counts"),
        (COUNTS / [0.3, 1.7, 2.9, 0.8], "X has values that are not whole"),
        ((COUNTS - COUNTS.mean(axis=0)) / COUNTS.std(axis=0), "it was scaled or centred"),
        (COUNTS > 0, "the matrix holds bool, not numbers"),
    ],
    ids=["nan", "inf", "negative", "fraction", "huge", "by_gene", "scaled", "bool"],
)
def test_what_is_no_count_is_refused_with_the_reason(matrix, reason):
    with pytest.raises(CountsError, match=reason):
        find_counts(cells_of(matrix))


def test_a_refusal_goes_through_all_places_and_says_how_to_fix_it():
    cells = cells_of(COUNTS - 0.5, layers={"counts": changed(np.nan)})
    with pytest.raises(CountsError) as refused:
        find_counts(with_raw(cells, cells_of(np.cbrt(COUNTS))))
    message = str(refused.value)
    assert "\n" not in message
    places = [message.index(name) for name in ("layers['counts'] has 1", "X has neg", "raw.X has")]
    assert places == sorted(places)
    assert "adata.layers['counts'] = adata.X.copy()" in message
    assert "--layer on the command line" in message


def test_empty_cells_are_refused_by_name_with_the_line_that_removes_them():
    matrix = COUNTS.copy()
    matrix[1] = 0
    with pytest.raises(
        InputError, match=r"1 cells have no counts at all, such as \['cell1'\]"
    ) as e:
        find_counts(cells_of(matrix))
    assert "scanpy.pp.filter_cells(adata, min_counts=1)" in str(e.value)


@pytest.mark.parametrize(
    ("shape", "seen"),
    [((0, 4), "0 cells and 4 genes"), ((3, 0), "3 cells and 0 genes")],
    ids=["no_cells", "no_genes"],
)
def test_no_cells_or_no_genes_are_refused(shape, seen):
    with pytest.raises(InputError, match=seen):
        find_counts(cells_of(np.zeros(shape, dtype=np.float32)))


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (["many", "few", "few"], r"holds \['many', 'few', 'few'\], not counts a cell"),
        ([100, np.nan, 100], "missing, zero or negative"),
        (pd.array([100, None, 100], dtype="Int64"), "missing, zero or negative"),
        ([100, 0, 100], "missing, zero or negative"),
        ([100, -5, 100], "missing, zero or negative"),
        ([100, np.inf, 100], "missing, zero or negative"),
        ([100, 7.5, 100], "'cell1' is given as 7.5, but its counts in X already add up to 8"),
    ],
    ids=["text", "nan", "missing", "zero", "negative", "infinite", "too_small"],
)
def test_library_sizes_that_cannot_be_are_refused(column, reason):
    cells = cells_of(COUNTS)
    cells.obs["n_counts"] = column
    with pytest.raises(InputError, match=reason):
        find_counts(cells, library_size_key="n_counts")


def test_library_sizes_too_small_for_counts_recovered_are_refused():
    cells = cells_of(log_normalised(COUNTS))
    cells.obs["n_counts"] = COUNTS.sum(axis=1) / 4  # the same share in all cells, so K fits
    with pytest.raises(InputError, match=r"already add up to 16"):
        find_counts(cells, library_size_key="n_counts")


def test_a_library_size_column_that_is_not_there_is_refused_with_those_that_are():
    cells = cells_of(COUNTS)
    cells.obs["total"] = 100
    with pytest.raises(InputError, match=r"no column 'n_counts' in .obs; it has \['total'\]"):
        find_counts(cells, library_size_key="n_counts")
