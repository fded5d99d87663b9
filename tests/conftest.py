"""Cells to test on; every fixture gives a fresh copy, so that a test may change its own."""

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

TOY_TYPES = ("B", "NK", "T")
CELLS_PER_TOY_TYPE = 40
# counts expected in each cell: a type's own genes, the other types' genes, and all others
MARKER_MEAN, OFF_MEAN, BACKGROUND_MEAN = 6.0, 0.2, 1.5
MARKERS_PER_TOY_TYPE = 10


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return the path of a file in the workshop's data folder, or skip the test."""

    def path_of(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.is_file():
            pytest.skip(f"needs {path}, which is not part of the repository")
        return path

    return path_of


@pytest.fixture(scope="session")
def _pbmc68k_read() -> ad.AnnData:
    return scanpy.datasets.pbmc68k_reduced()


@pytest.fixture
def pbmc68k(_pbmc68k_read: ad.AnnData) -> ad.AnnData:
    """700 real cells of ten types: scaled values in X, log1p values in raw."""
    return _pbmc68k_read.copy()


@pytest.fixture(scope="session")
def _toy_reference_made() -> ad.AnnData:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(len(TOY_TYPES)), CELLS_PER_TOY_TYPE)
    symbols = [f"{name}MARK{i}" for name in TOY_TYPES for i in range(MARKERS_PER_TOY_TYPE)]
    symbols += [f"HOUSE{i}" for i in range(60 - len(symbols))]
    means = np.full((len(TOY_TYPES), len(symbols)), BACKGROUND_MEAN)
    means[:, : len(TOY_TYPES) * MARKERS_PER_TOY_TYPE] = OFF_MEAN
    for code in range(len(TOY_TYPES)):
        own = slice(code * MARKERS_PER_TOY_TYPE, (code + 1) * MARKERS_PER_TOY_TYPE)
        means[code, own] = MARKER_MEAN
    order = rng.permutation(len(codes))
    counts = rng.poisson(means[codes[order]]).astype(np.float32)
    return ad.AnnData(
        sparse.csr_matrix(counts),
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical(np.array(TOY_TYPES)[codes[order]])},
            index=[f"cell{i}" for i in range(len(codes))],
        ),
        var=pd.DataFrame(
            {"ensembl_id": [f"ENSG{i + 1:011d}" for i in range(len(symbols))]}, index=symbols
        ),
    )


@pytest.fixture
def toy_reference(_toy_reference_made: ad.AnnData) -> ad.AnnData:
    """120 cells of three types that ten marker genes each tell apart; 60 genes, raw counts."""
    return _toy_reference_made.copy()
