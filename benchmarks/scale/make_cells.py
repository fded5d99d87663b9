"""A large file of cells like real ones: real cells of a type, thinned and mixed.

    python benchmarks/scale/make_cells.py OUT.h5ad --cells 500000 --compression gzip

Each cell is a real cell, its counts kept with a probability of its own (binomial thinning); a cell
that is to be deeper than the real one gets the rest from a second cell of the same type. So counts,
drop-outs and the genes of a type are those of the real cells, and no two cells are the same. The
file is written block by block, and the same seed makes the same cells, whatever the kind of file.
"""

import argparse
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import zarr
from anndata.io import write_elem
from scipy import sparse
from zarr.codecs import BloscCodec

from cellclassifier.data.streaming.writing import SparseWriter

SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SOURCE = "baron_pancreas.h5ad"
BLOCK_CELLS = 4096
# the spread of the cells' depths, in natural logarithms
DEPTH_SPREAD = 0.4
MAX_DEPTH = 2.0
PROBE_CELLS = 2000


@dataclass(frozen=True, eq=False)
class RealCells:
    """Real cells, sorted by type.

    Parameters
    ----------
    counts
        Shape (n_cells, n_genes), CSR, whole.
    codes
        Shape (n_cells,): the type of each, ascending.
    """

    counts: sparse.csr_matrix
    codes: np.ndarray[Any, np.dtype[np.intp]]
    types: pd.Index
    var: pd.DataFrame

    @classmethod
    def read(cls, path: Path, n_genes: int) -> "RealCells":
        """Read cells with their `n_genes` genes seen in most of them."""
        cells = ad.read_h5ad(path)
        seen = np.asarray(cells.X.getnnz(axis=0)).ravel()
        genes = np.sort(np.argsort(-seen, kind="stable")[:n_genes])
        labels = cells.obs["cell_type"].astype("category").cat
        codes = labels.codes.to_numpy().astype(np.intp)
        order = np.argsort(codes, kind="stable")
        counts = sparse.csr_matrix(cells.X[order][:, genes])
        return cls(counts, codes[order], labels.categories, cells.var.iloc[genes])

    def drawn(
        self, n_cells: int, depth: float, rng: np.random.Generator
    ) -> tuple[sparse.csr_matrix, np.ndarray[Any, np.dtype[np.intp]]]:
        """Return new cells and their types, at `depth` times the real cells' depth."""
        first = rng.integers(0, len(self.codes), n_cells)
        codes = self.codes[first]
        starts = np.searchsorted(self.codes, codes)
        ends = np.searchsorted(self.codes, codes, side="right")
        second = rng.integers(starts, ends)
        wanted = np.minimum(depth * rng.lognormal(0.0, DEPTH_SPREAD, n_cells), MAX_DEPTH)
        kept = np.minimum(wanted, 1.0)
        cells = _thinned(self.counts[first], kept, rng)
        more = np.flatnonzero(wanted > kept)
        if len(more):
            extra = _thinned(self.counts[second[more]], (wanted - kept)[more], rng)
            place = sparse.csr_matrix(
                (np.ones(len(more), np.float32), (more, np.arange(len(more)))),
                shape=(n_cells, len(more)),
            )
            cells = sparse.csr_matrix(cells + place @ extra)
        cells.sort_indices()
        return cells, codes


def _thinned(
    counts: sparse.csr_matrix, kept: np.ndarray[Any, Any], rng: np.random.Generator
) -> sparse.csr_matrix:
    """Keep each count of a cell with the cell's probability."""
    share = np.repeat(kept, np.diff(counts.indptr)).astype(np.float32)
    values = counts.data.copy()
    single = values == 1  # most are, and a uniform number is quicker than a binomial one
    values[single] = rng.random(int(single.sum()), dtype=np.float32) < share[single]
    values[~single] = rng.binomial(values[~single].astype(np.int64), share[~single])
    thinned = sparse.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)
    thinned.eliminate_zeros()
    return thinned


def depth_for(cells: RealCells, genes_per_cell: float, seed: int) -> float:
    """Return the depth at which cells have so many genes, by bisection on some cells."""
    low, high = 0.01, MAX_DEPTH
    for _ in range(12):
        middle = (low + high) / 2
        drawn, _ = cells.drawn(PROBE_CELLS, middle, np.random.default_rng(seed))
        low, high = (middle, high) if drawn.nnz / PROBE_CELLS < genes_per_cell else (low, middle)
    return (low + high) / 2


def blocks(
    cells: RealCells, n_cells: int, genes_per_cell: float, seed: int
) -> Iterator[tuple[sparse.csr_matrix, np.ndarray[Any, np.dtype[np.intp]]]]:
    """Yield cells and types, block by block, each block of a seed of its own."""
    depth = depth_for(cells, genes_per_cell, seed)
    for number, start in enumerate(range(0, n_cells, BLOCK_CELLS)):
        rng = np.random.default_rng([seed, number])
        yield cells.drawn(min(BLOCK_CELLS, n_cells - start), depth, rng)


def write(out: Path, cells: RealCells, args: argparse.Namespace) -> None:
    """Write the file."""
    if out.suffix == ".zarr":
        if out.exists():
            shutil.rmtree(out)
        compressor = BloscCodec(cname="lz4", clevel=5)
        with warnings.catch_warnings():  # anndata's, of the format of the store
            warnings.simplefilter("ignore")
            store = zarr.open_group(out, mode="w", zarr_format=3)
            _write_into(store, cells, args, {"compressors": compressor})
        return
    compression = None if args.compression == "none" else args.compression
    with h5py.File(out, "w") as file:
        _write_into(file, cells, args, {"compression": compression})


def _write_into(
    root: Any,  # noqa: ANN401  (a group of h5py or zarr)
    cells: RealCells,
    args: argparse.Namespace,
    options: dict[str, Any],
) -> None:
    root.attrs["encoding-type"], root.attrs["encoding-version"] = "anndata", "0.1.0"
    writer = SparseWriter(root, "X", n_across=cells.counts.shape[1], dtype="f4", options=options)
    codes = []
    for block, of_block in blocks(cells, args.cells, args.genes_per_cell, args.seed):
        writer.append(block.astype(np.float32))
        codes.append(of_block)
    writer.finish()
    types = pd.Categorical.from_codes(np.concatenate(codes), cells.types)
    names = [f"CELL{number:09d}-1" for number in range(args.cells)]
    write_elem(root, "obs", pd.DataFrame({"cell_type": types}, index=names))
    write_elem(root, "var", cells.var)
    for slot in ("uns", "obsm", "varm", "layers", "obsp", "varp"):
        write_elem(root, slot, {})


def main() -> None:
    """Make one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="OUT.h5ad or OUT.zarr")
    parser.add_argument("--cells", type=int, default=500_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--genes-per-cell", type=float, default=1_400)
    parser.add_argument("--compression", choices=("none", "gzip"), default="none")
    parser.add_argument("--source", type=Path, default=SHARED_DATA / SOURCE)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write(args.out, RealCells.read(args.source, args.genes), args)
    print(f"wrote {args.out}: {args.cells:,} cells")


if __name__ == "__main__":
    main()
