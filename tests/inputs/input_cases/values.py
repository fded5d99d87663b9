"""What the values are."""

import anndata as ad
import numpy as np
from scipy import sparse

from input_cases.case import Theme
from input_cases.clean import model_genes

VALUES = Theme("What the values are", shows="counts")
BESIDE = "adata.layers['counts'] = adata.X.copy()"
ALLOW = "--allow-non-integer"


def dense(cells):
    return cells.X.toarray().astype(np.float64)


def per(cells, total):
    counts = dense(cells)
    return counts / counts.sum(axis=1, keepdims=True) * total


def holding(cells, matrix, dtype="float32"):
    cells.X = sparse.csr_matrix(np.asarray(matrix)).astype(dtype)
    return cells


def one_value(cells, value):
    matrix = dense(cells)
    matrix[3, 7] = value
    return holding(cells, matrix)


def per_length(cells):
    rates = dense(cells) / np.random.default_rng(0).uniform(0.3, 8, size=cells.n_vars)
    return rates / rates.sum(axis=1, keepdims=True) * 1e6


def scaled(values):
    return (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)


def of_model(cells):
    return cells[:, list(model_genes())].copy()


# Counts, and what can be undone exactly.


@VALUES.accepted("raw counts, as floating-point numbers", "raw counts in X")
def raw_counts(cells, _):
    return cells


@VALUES.accepted("raw counts in a dense matrix of float64", "raw counts in X")
def dense_float64(cells, _):
    cells.X = dense(cells)
    return cells


@VALUES.accepted("raw counts as whole numbers of 32 bits", "raw counts in X")
def integers(cells, _):
    return holding(cells, dense(cells), "int32")


@VALUES.accepted("raw counts as floating-point numbers of 16 bits, dense", "raw counts in X")
def halves(cells, _):
    cells.X = dense(cells).astype("float16")
    return cells


@VALUES.converted("log1p of counts per 10,000, scanpy's usual", "log1p of counts per 10,000")
def log1p_per_10000(cells, _):
    return holding(cells, np.log1p(per(cells, 1e4)))


@VALUES.converted("log1p of counts per million", "log1p of counts per 1,000,000")
def log1p_per_million(cells, _):
    return holding(cells, np.log1p(per(cells, 1e6)))


@VALUES.converted(
    "log1p of counts per median cell, which no option names", "log1p of counts per 1,4"
)
def log1p_per_median(cells, _):
    return holding(cells, np.log1p(per(cells, np.median(dense(cells).sum(axis=1)))))


@VALUES.converted("log1p of counts per 10,000, rounded to four decimals", "rounded to 4 decimals")
def log1p_rounded(cells, _):
    return holding(cells, np.log1p(per(cells, 1e4)).round(4), "float64")


@VALUES.converted("log1p of the counts themselves", "log1p of counts, undone exactly")
def plain_log1p(cells, _):
    return holding(cells, np.log1p(dense(cells)))


@VALUES.converted("log2(1 + x) of counts per million", "log2(1 + x) of counts per 1,000,000")
def log2_per_million(cells, _):
    return holding(cells, np.log2(1 + per(cells, 1e6)))


@VALUES.converted("log10(1 + x) of counts per 10,000", "log10(1 + x) of counts per 10,000")
def log10_per_10000(cells, _):
    return holding(cells, np.log10(1 + per(cells, 1e4)))


@VALUES.converted("counts per million, without a logarithm", "counts per 1,000,000")
def per_million(cells, _):
    return holding(cells, per(cells, 1e6))


@VALUES.converted("counts per 10,000, without a logarithm", "counts per 10,000")
def per_10000(cells, _):
    return holding(cells, per(cells, 1e4))


@VALUES.converted("the square root of counts", "the square root of counts, undone exactly")
def square_root(cells, _):
    return holding(cells, np.sqrt(dense(cells)))


@VALUES.converted(
    "log1p of counts, each cell divided by a size factor of its own",
    "scaled by a factor of each cell's own",
    option="--library-size-key genes_present",
)
@VALUES.refused(
    "log1p of counts, each cell divided by a size factor of its own",
    "--library-size-key", 'library_size_key="genes_present"',
)  # fmt: skip
def size_factors(cells, _):
    factors = np.random.default_rng(0).lognormal(0, 0.4, size=(cells.n_obs, 1))
    return holding(cells, np.log1p(dense(cells) / factors))


@VALUES.converted(
    "counts that are off by a ten-millionth, as of arithmetic",
    "X is counts rounded to 5 decimals, undone",
)
def nearly_whole(cells, _):
    return holding(cells, dense(cells) / 7 * (1 + 1e-7) * 7)


# Counts that are somewhere else.


@VALUES.accepted('scaled values in X, raw counts in layers["counts"]', "raw counts in layers")
def layer_counts(cells, _):
    cells.layers["counts"] = cells.X.copy()
    cells.X = scaled(np.log1p(per(cells, 1e4)))
    return cells


@VALUES.converted("scaled values in X, log1p values in raw", "raw.X is log1p of counts per 10,000")
def raw_log1p(cells, _):
    cells.raw = holding(cells.copy(), np.log1p(per(cells, 1e4)))
    cells.X = scaled(dense(cells))
    return cells


@VALUES.accepted(
    "scaled values in X, raw counts in a layer of another name",
    "raw counts in layers['umi']",
    option="--layer umi",
)
@VALUES.refused(
    "scaled values in X, raw counts in a layer of another name", "scaled or centred", "--layer"
)  # fmt: skip
def layer_of_another_name(cells, _):
    cells.layers["umi"] = cells.X.copy()
    cells.X = scaled(dense(cells))
    return cells


@VALUES.accepted(
    "raw counts of the most variable genes in X, those of all genes in raw", "raw counts in raw.X"
)
def raw_of_all_genes(cells, _):
    part = of_model(cells)
    part.raw = cells
    return part


@VALUES.accepted('scaled values in layers["counts"], raw counts in X', "raw counts in X")
def layer_counts_of_other_values(cells, _):
    cells.layers["counts"] = scaled(dense(cells))
    return cells


# Genes removed.


@VALUES.converted(
    "log1p of counts per 10,000, then cut down to some genes",
    "log1p of counts per 10,000",
    option="--library-size-key n_counts",
)
@VALUES.refused(
    "log1p of counts per 10,000, then cut down to some genes",
    "genes were removed after normalising", "--library-size-key",
)  # fmt: skip
def cut_after_normalising(cells, _):
    cells.obs["n_counts"] = dense(cells).sum(axis=1)
    return of_model(holding(cells, np.log1p(per(cells, 1e4))))


@VALUES.accepted(
    "raw counts of some genes, with a larger total in obs",
    "raw counts in X",
    option="--library-size-key total_counts",
)
@VALUES.refused(
    "raw counts of some genes, with a larger total in obs",
    ".obs['total_counts'] says", "--library-size-key",
)  # fmt: skip
def cut_counts(cells, _):
    cells.obs["total_counts"] = dense(cells).sum(axis=1)
    return of_model(cells)


@VALUES.refused(
    "raw counts, with an option that names totals smaller than they are",
    "already add up to", option="--library-size-key total",
)  # fmt: skip
def totals_too_small(cells, _):
    cells.obs["total"] = dense(cells).sum(axis=1) // 2
    return cells


# Values that nothing proves.


@VALUES.refused("values scaled to variance 1 and mean 0", "scaled or centred", BESIDE)
def scaled_values(cells, _):
    return holding(cells, scaled(np.log1p(per(cells, 1e4))))


@VALUES.refused("values centred, but not scaled", "scaled or centred", BESIDE)
def centred(cells, _):
    values = np.log1p(per(cells, 1e4))
    return holding(cells, values - values.mean(axis=0))


@VALUES.refused("Pearson residuals, as of SCTransform", "residuals (SCTransform", BESIDE)
def residuals(cells, _):
    counts = dense(cells)
    mean = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return holding(cells, (counts - mean) / np.sqrt(mean + mean**2 / 100))


@VALUES.refused("scaled values, clipped at zero", "no raw counts were found", BESIDE)
def scaled_and_clipped(cells, _):
    return holding(cells, np.clip(scaled(np.log1p(per(cells, 1e4))), 0, 10))


@VALUES.refused("transcripts per million (TPM)", "each cell adds up to about 1,000,000", BESIDE)
def tpm(cells, _):
    return holding(cells, per_length(cells))


@VALUES.refused("log1p of TPM", "once log1p is undone", BESIDE)
def log1p_tpm(cells, _):
    return holding(cells, np.log1p(per_length(cells)))


@VALUES.refused("log1p taken twice", "no raw counts were found", BESIDE)
def log1p_twice(cells, _):
    return holding(cells, np.log1p(np.log1p(per(cells, 1e4))))


@VALUES.refused("log1p of counts per 10,000, rounded to one decimal", "too coarsely", BESIDE)
def log1p_rounded_coarsely(cells, _):
    return holding(cells, np.log1p(per(cells, 1e4)).round(1), "float64")


@VALUES.refused("log1p values smoothed over similar cells", "no raw counts were found", BESIDE)
def smoothed(cells, _):
    values = np.log1p(per(cells, 1e4))
    near = np.argsort(-np.corrcoef(values), axis=1)[:, :5]
    return holding(cells, values[near].mean(axis=1))


@VALUES.refused("log1p values, one of them changed by hand", "no raw counts were found", BESIDE)
def one_log_changed(cells, _):
    values = np.log1p(per(cells, 1e4))
    row, column = np.argwhere(values > 0)[500]
    values[row, column] *= 1.001
    return holding(cells, values)


@VALUES.refused("ranks of the genes in each cell, as of rank-based tools", "are ranks", BESIDE)
def ranks(cells, _):
    return holding(cells, np.argsort(np.argsort(dense(cells), axis=1), axis=1) + 1)


@VALUES.refused("zeros and ones: which genes were detected", "no number but 0 and 1", BESIDE)
def binarised(cells, _):
    return holding(cells, dense(cells) > 0)


@VALUES.refused("true and false: which genes were detected", "holds bool", BESIDE)
def booleans(cells, _):
    return holding(cells, dense(cells) > 0, "bool")


@VALUES.refused("ten bins of the genes of each cell, as of scGPT", "are bins", BESIDE)
def bins(cells, _):
    counts, rng = dense(cells), np.random.default_rng(0)
    binned = np.zeros_like(counts)
    for row, into in zip(counts, binned, strict=True):
        detected = np.flatnonzero(row)
        order = np.lexsort((rng.random(len(detected)), row[detected]))
        into[detected[order]] = np.arange(len(detected)) * 10 // len(detected) + 1
    return holding(cells, binned)


@VALUES.refused("counts per 10,000, rounded to whole numbers", "then rounded", BESIDE)
def rounded_to_whole(cells, _):
    return holding(cells, np.rint(per(cells, 1e4)))


@VALUES.accepted(
    "counts corrected for ambient RNA, not whole",
    "estimated counts in X",
    option=ALLOW,
    same="labels",
)
@VALUES.refused("counts corrected for ambient RNA, not whole", "not whole", ALLOW)
def ambient_corrected(cells, _):
    counts = dense(cells)
    return holding(cells, counts * np.random.default_rng(0).uniform(0.9, 1, size=counts.shape))


# Single values.


@VALUES.refused("one value that is NaN", "1 values that are NaN", "columns [7]")
def one_nan(cells, _):
    return one_value(cells, np.nan)


@VALUES.refused("one value that is infinite", "1 values that are NaN or infinite", "columns [7]")
def one_infinity(cells, _):
    return one_value(cells, np.inf)


@VALUES.refused("one value that is negative", "negative values down to -1", BESIDE)
def one_negative(cells, _):
    return one_value(cells, -1)


@VALUES.refused("one value over 2^24, the most that float32 counts to", "at most 16,777,216")
def one_too_large(cells, _):
    return one_value(cells, 2.0**25)


@VALUES.refused("no matrix at all", "there is no matrix", BESIDE)
def no_matrix(cells, _):
    return ad.AnnData(obs=cells.obs, var=cells.var)


@VALUES.refused(
    "a matrix of Python objects", "holds object, not numbers", 'astype("float32")', door="python"
)
def objects(cells, _):
    cells.X = dense(cells).astype(object)
    return cells
