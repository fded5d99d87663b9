"""Cells to be named from disk, how they are written, and what has to come of them."""

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import zarr
from scipy import sparse

from cellclassifier import TrainingConfig, read_cells
from cellclassifier.classifier.sampling import sample_runs
from cellclassifier.classifier.streaming import Streaming
from cellclassifier.data import read_predictions

KEY, N_GENES, TYPES = "cell_type", 120, ("B", "NK", "T")
QUICK = TrainingConfig(
    solver="stacked", epochs=4, batch_size=64, penalty=1e-5, validation_fraction=0, patience=None
)


def drawn(n_cells, seed, spread=0.0):
    """Draw cells of three types, with a factor of its own for each gene where there is a spread."""
    shares = np.random.default_rng(0).lognormal(0, 0.8, N_GENES)
    shares = shares * np.random.default_rng(1).lognormal(0, 0.5, (len(TYPES), N_GENES))
    shares = shares * np.random.default_rng(2).lognormal(0, spread, N_GENES)
    shares /= shares.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    codes = np.arange(n_cells) % len(TYPES)
    counts = rng.poisson(shares[codes] * 600 * rng.lognormal(0, 0.2, (n_cells, 1)))
    return ad.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(
            {KEY: pd.Categorical(np.array(TYPES)[codes])},
            index=[f"cell{number}" for number in range(n_cells)],
        ),
        var=pd.DataFrame(index=[f"GENE{number}" for number in range(N_GENES)]),
    )


def log_normalised(cells):
    size = np.asarray(cells.X.sum(axis=1)).ravel()
    normalised = cells.copy()
    normalised.X = sparse.csr_matrix(
        np.log1p(sparse.diags_array(1e4 / size) @ cells.X).astype(np.float32)
    )
    return normalised


def in_blocks_of(n_cells, **others):
    return Streaming(block_cells=n_cells, **others)


def write(cells, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        cells.write_zarr(path) if path.suffix == ".zarr" else cells.write_h5ad(path)
    return path


def check_same(path, expected):
    """Compare what is in a file with predictions, bit by bit."""
    found = read_predictions(read_cells(path))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.shift == expected.shift
    assert found.gene_coverage == expected.gene_coverage
    named = read_cells(path)
    column = named.obs["predicted_cell_type"]
    assert column.tolist() == expected.labels.tolist()
    assert column.cat.categories.tolist() == list(TYPES)
    confidence = named.obs["predicted_cell_type_confidence"].to_numpy()
    np.testing.assert_array_equal(confidence, expected.confidence)
    assert confidence.dtype == np.float32


def as_dense(cells):
    cells.X = cells.X.toarray()
    return cells


def by_columns(cells):
    cells.X = cells.X.tocsc()
    return cells


def of_dtype(cells, dtype):
    cells.X = cells.X.astype(dtype)
    return cells


def write_tenx(cells, path):
    counts = cells.X
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"] = counts.data.astype(np.int32), counts.indices
        group["indptr"] = counts.indptr.astype(np.int64)
        group["shape"] = np.array(counts.shape[::-1])
        group["barcodes"] = np.array(cells.obs_names.tolist(), dtype="S")
        for key, texts in (
            ("id", cells.var_names),
            ("name", cells.var_names),
            ("feature_type", ["Gene Expression"] * cells.n_vars),
        ):
            group[f"features/{key}"] = np.array(list(texts), dtype="S")


def outside_the_sample(n_cells):
    seen = np.zeros(n_cells, dtype=bool)
    for run in sample_runs(n_cells):
        seen[run] = True
    return int(np.flatnonzero(~seen)[-1])


class Interrupting:
    """Ctrl-C after some blocks."""

    def __init__(self, n_calls):
        self.left = n_calls

    def __call__(self, *_):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def write_with_broken_chunk(cells, path):
    """Write cells to a compressed file, break a chunk that no sample reads; return its number."""
    if path.suffix == ".zarr":
        write(cells, path)
        data = zarr.open_group(path, mode="r")["X/data"]
        wanted = int(cells.X.indptr[outside_the_sample(cells.n_obs)]) // data.chunks[0]
        chunk = path / "X" / "data" / data.metadata.encode_chunk_key((wanted,))
        chunk.write_bytes(chunk.read_bytes()[:-20])
        return wanted
    cells.write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        data = file["X/data"]
        wanted = int(cells.X.indptr[outside_the_sample(cells.n_obs)]) // data.chunks[0]
        place = data.id.get_chunk_info(wanted)
    with path.open("r+b") as stream:
        stream.seek(place.byte_offset + 10)
        stream.write(b"\xff" * 200)
    return wanted
