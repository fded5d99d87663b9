"""What is taken for counts, what is refused, and what the refusal says."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy
import zarr
from scipy import sparse

from cellclassifier import CellTypeClassifier
from cellclassifier.data import find_counts
from cellclassifier.data.counts import matrices
from cellclassifier.data.counts.matrices import to_csr
from cellclassifier.errors import CountsError, InputError

SETS = [
    "baron_pancreas", "cbmc_citeseq", "paul15", "pbmc3k", "pbmc_10x_3prime", "zeisel_cortex",
    "zheng_sorted_facs", "zheng_sorted_merged",
]  # fmt: skip


def umi_counts(n_cells=200, n_genes=400, depth=600, seed=0):
    """Draw UMI-like counts: genes and cells differ, ones are the most frequent."""
    rng = np.random.default_rng(seed)
    genes = rng.lognormal(0, 1.5, size=n_genes)
    depths = depth * rng.lognormal(0, 0.5, size=(n_cells, 1))
    counts = rng.poisson(genes / genes.sum() * depths)
    counts[:, 0] = 1
    return counts.astype(np.float32)


def refusal_of(matrix, **options):
    with pytest.raises(CountsError) as refused:
        find_counts(ad.AnnData(sparse.csr_matrix(np.asarray(matrix, dtype=np.float32))), **options)
    message = str(refused.value)
    assert message.startswith("no raw counts were found: X ")
    assert "\n" not in message
    assert "adata.layers['counts'] = adata.X.copy()" in message
    return message


def dense_ranks(counts):
    ranks = np.zeros_like(counts)
    for row, ranked in zip(counts, ranks, strict=True):
        ranked[row > 0] = np.unique(row[row > 0], return_inverse=True)[1] + 1
    return ranks


def ranks_once(counts):
    return np.argsort(np.argsort(counts, axis=1, kind="stable"), axis=1) + 1


def bins(counts, n_bins=10):
    """Divide the genes of each cell into bins of as many each, ties at random, as scGPT does."""
    rng = np.random.default_rng(0)
    binned = np.zeros_like(counts)
    for row, into in zip(counts, binned, strict=True):
        detected = np.flatnonzero(row)
        order = np.lexsort((rng.random(len(detected)), row[detected]))
        into[detected[order]] = np.arange(len(detected)) * n_bins // len(detected) + 1
    return binned


def rounded(counts, total=1e4):
    return np.rint(counts / counts.sum(axis=1, keepdims=True) * total)


def soupy(counts):
    return counts * np.random.default_rng(0).uniform(0.7, 1, size=counts.shape)


def per_length(counts, total=1e6):
    rates = counts / np.random.default_rng(0).uniform(0.3, 8, size=counts.shape[1])
    return rates / rates.sum(axis=1, keepdims=True) * total


# --- whole numbers


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c > 0, "has no number but 0 and 1, where counts would hold about"),
        (dense_ranks, "whole numbers that are ranks: each of 200 cells looked at has all of them"),
        (ranks_once, "from 1 to its largest, 400 in the median cell, each once"),
        (bins, "whole numbers that are bins: in 200 cells looked at they go from 1 to 10"),
        (rounded, "whole numbers that were scaled and then rounded"),
        (lambda c: rounded(c, 1e6), "whole numbers that were scaled and then rounded"),
        (lambda c: 5 * c, "whole numbers that were scaled and then rounded"),
    ],
    ids=["binary", "dense_ranks", "ranks", "bins", "per_10000", "per_million", "times_five"],
)
def test_whole_numbers_that_are_no_counts_are_refused(change, reason):
    assert reason in refusal_of(change(umi_counts(depth=3000)))


@pytest.mark.parametrize(
    "counts",
    [
        umi_counts(),
        umi_counts(depth=20),
        umi_counts(n_cells=2, n_genes=3),
        umi_counts()[:1],
        np.eye(50),
        np.ones((3, 5)),
        np.round(np.random.default_rng(0).lognormal(5, 2, size=(100, 300))),
        np.random.default_rng(0).negative_binomial(0.3, 0.001, size=(100, 300)),
        np.random.default_rng(0).multinomial(300, np.full(200, 1 / 200), size=100),
    ],
    ids=[
        "umi", "shallow", "two_cells", "one_cell", "one_each", "few_ones", "deep_lognormal",
        "full_length", "equal_totals",
    ],
)  # fmt: skip
def test_counts_of_any_kind_are_taken(counts):
    counts = np.asarray(counts, dtype=np.float32)
    counts[:, 0] += counts.sum(axis=1) == 0
    raw = find_counts(ad.AnnData(counts))
    np.testing.assert_array_equal(raw.counts.toarray(), counts)


@pytest.mark.parametrize("change", ["as_they_are", "thinned", "downsampled"])
@pytest.mark.parametrize("name", SETS)
def test_real_counts_are_taken(shared_data, name, change):
    cells = ad.read_h5ad(shared_data(f"{name}.h5ad"))
    rng = np.random.default_rng(0)
    if change == "thinned":
        cells.X.data = rng.binomial(cells.X.data.astype(int), 0.1).astype(np.float32)
        scanpy.pp.filter_cells(cells, min_counts=1)
    if change == "downsampled":
        scanpy.pp.downsample_counts(cells, counts_per_cell=300, random_state=0)
        scanpy.pp.filter_genes(cells, min_cells=3)
    raw = find_counts(ad.AnnData(cells.X))  # without gene names, that none are added up
    assert raw.evidence == "raw counts in X"
    assert (raw.counts != sparse.csr_matrix(cells.X)).nnz == 0


# --- values that are not whole


@pytest.mark.parametrize("allowed", [False, True], ids=["", "allowed"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (per_length, "each cell adds up to about 1,000,000"),
        (lambda c: np.log1p(per_length(c)), "about 1,000,000, once log1p is undone"),
        (lambda c: np.log2(1 + per_length(c, 1e4)), "about 10,000, once log2(1 + x) is undone"),
        (lambda c: np.log1p(c / c.sum(axis=1, keepdims=True) * 1e4)[:, :300], "genes were removed"),
        (lambda c: c - c.mean(axis=0), "residuals (SCTransform, Pearson, regress_out)"),
        (lambda c: np.where(c == 7, np.nan, c), "NaN or infinite (genes at columns ["),
    ],
    ids=["tpm", "log1p_tpm", "log2_tpm", "log1p_subset", "centred", "nan"],
)
def test_values_that_are_no_counts_are_refused_even_where_fractions_are_allowed(
    change, reason, allowed
):
    assert reason in refusal_of(change(umi_counts()), allow_non_integer=allowed)


def test_estimated_counts_are_refused_with_the_option_that_takes_them():
    message = refusal_of(soupy(umi_counts()))
    assert "pass allow_non_integer=True (--allow-non-integer on the command line)" in message


def test_estimated_counts_are_taken_as_they_are_where_that_is_allowed():
    values = soupy(umi_counts()).astype(np.float32)
    raw = find_counts(ad.AnnData(sparse.csr_matrix(values)), allow_non_integer=True)
    np.testing.assert_array_equal(raw.counts.toarray(), values)
    np.testing.assert_allclose(raw.library_size, values.sum(axis=1), rtol=1e-6)
    assert raw.evidence == "estimated counts in X, not whole, taken as they are"


def test_counts_and_what_is_proved_come_before_estimates():
    counts = umi_counts()
    cells = ad.AnnData(soupy(counts), layers={"log": np.log1p(counts)})
    cells.raw = ad.AnnData(counts)
    assert find_counts(cells, allow_non_integer=True).evidence == "raw counts in raw.X"
    proved = find_counts(cells, layer="log", allow_non_integer=True)
    assert proved.evidence.startswith("layers['log'] is log1p of counts, undone exactly")


def test_a_classifier_chooses_genes_by_estimated_counts(toy_reference):
    noise = np.random.default_rng(0).uniform(0.8, 1, size=toy_reference.X.nnz)
    toy_reference.X.data = (toy_reference.X.data * noise).astype(np.float32)
    classifier = CellTypeClassifier("linear", genes=10)
    classifier.fit(toy_reference, labels_key="cell_type", allow_non_integer=True)
    assert classifier.classify(toy_reference, allow_non_integer=True).labels.shape == (120,)


# --- library sizes


def test_counts_missing_of_which_obs_knows_are_asked_for():
    counts = umi_counts()
    cells = ad.AnnData(counts[:, :200])
    cells.obs["total_counts"] = counts.sum(axis=1)
    with pytest.raises(CountsError) as refused:
        find_counts(cells)
    message = str(refused.value)
    assert 'library_size_key="total_counts" (--library-size-key on the command line)' in message
    assert 'library_size_key="genes_present"' in message
    assert f"{np.median(counts.sum(axis=1)):,.0f}" in message
    of_all = find_counts(cells, library_size_key="total_counts").library_size
    np.testing.assert_array_equal(of_all, counts.sum(axis=1))
    present = find_counts(cells, library_size_key="genes_present").library_size
    np.testing.assert_array_equal(present, counts[:, :200].sum(axis=1))


@pytest.mark.parametrize(
    "total",
    [
        lambda sums: sums,
        lambda sums: np.rint(sums * 1.01),
        lambda sums: sums * 1.5 + 0.5,
        lambda sums: sums - 1,
        lambda sums: np.where(np.arange(len(sums)) == 3, np.nan, 2 * sums),
        lambda sums: sums.astype(str),
    ],
    ids=["same", "rare_genes_removed", "not_whole", "smaller", "missing", "text"],
)
def test_columns_that_tell_of_no_missing_counts_are_passed_over(total):
    cells = ad.AnnData(umi_counts())
    sums = cells.X.sum(axis=1)
    cells.obs["n_counts"] = total(sums)
    np.testing.assert_array_equal(find_counts(cells).library_size, sums)


def test_advice_on_removed_genes_names_the_column_that_is_there():
    counts = umi_counts()
    cells = ad.AnnData(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)[:, :200])
    cells.obs["nCount_RNA"] = counts.sum(axis=1)
    with pytest.raises(CountsError, match='library_size_key="nCount_RNA"'):
        find_counts(cells)


# --- matrices


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "uint64", "int8"])
def test_numbers_of_any_width_are_read(dtype):
    counts = np.minimum(umi_counts(20, 30), 100)
    np.testing.assert_array_equal(to_csr(counts.astype(dtype)).toarray(), counts)


@pytest.mark.parametrize(
    ("matrix", "holds"),
    [
        (np.array([["a", "b"]], dtype=object), "object"),
        (np.ones((2, 2), dtype=complex), "complex128"),
        (sparse.csr_matrix(np.ones((2, 2), dtype=bool)), "bool"),
    ],
    ids=["object", "complex", "bool"],
)
def test_what_is_no_number_is_refused_by_its_type(matrix, holds):
    with pytest.raises(CountsError, match=f"the matrix holds {holds}, not numbers"):
        to_csr(matrix)


def test_a_place_that_cannot_be_read_is_passed_over():
    counts = umi_counts(20, 30)
    cells = ad.AnnData(counts, layers={"counts": counts > 0})
    assert find_counts(cells).evidence == "raw counts in X"


@pytest.mark.parametrize("kind", ["h5py", "h5py_chunked", "zarr"])
def test_a_dense_matrix_in_a_file_is_read_some_rows_at_a_time(tmp_path, monkeypatch, kind):
    counts = umi_counts(100, 30)
    monkeypatch.setattr(matrices, "DENSE_VALUES", 300)
    if kind == "zarr":
        lazy = zarr.open_array(
            tmp_path / "x.zarr", mode="w", shape=counts.shape, chunks=(7, 30), dtype="float32"
        )
        lazy[:] = counts
    else:
        chunks = (8, 10) if kind == "h5py_chunked" else None
        lazy = h5py.File(tmp_path / "x.h5", "w").create_dataset("X", data=counts, chunks=chunks)
    np.testing.assert_array_equal(to_csr(lazy).toarray(), counts)


def test_indices_of_64_bits_are_read():
    matrix = sparse.csr_matrix(umi_counts(20, 30))
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    np.testing.assert_array_equal(to_csr(matrix).toarray(), umi_counts(20, 30))


def test_genes_that_no_cell_has_are_kept():
    counts = umi_counts(20, 30)
    counts[:, [3, 29]] = 0
    raw = find_counts(ad.AnnData(sparse.csc_matrix(counts)))
    assert raw.counts.shape == (20, 30)


@pytest.mark.filterwarnings("ignore:Observation names are not unique:UserWarning")
def test_cells_of_one_name_are_told_apart_by_their_place():
    counts = umi_counts(3, 30)
    raw = find_counts(ad.AnnData(counts, obs=pd.DataFrame(index=["a", "a", "b"])))
    assert raw.cell_names.tolist() == ["a", "a", "b"]
    np.testing.assert_array_equal(raw.counts.toarray(), counts)


def test_no_matrix_at_all_is_refused():
    cells = ad.AnnData(umi_counts(3, 30))
    cells.X = None
    with pytest.raises(InputError, match="no raw counts were found: there is no matrix"):
        find_counts(cells)
