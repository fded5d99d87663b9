"""The clean cells as other programs write them."""

import gzip
import io
import struct
import tarfile
from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd

from input_cases.clean import ids, symbols

GENE = "Gene Expression"


def frame_of(cells: ad.AnnData) -> pd.DataFrame:
    """Return the counts as a table of cells x genes, with whole numbers."""
    return pd.DataFrame(cells.X.toarray().astype(int), cells.obs_names, cells.var_names)


def write_packed(path: Path, text: str) -> Path:
    """Write a text with gzip."""
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def _write_counts(group: h5py.Group, cells: ad.AnnData) -> None:
    group["data"] = cells.X.data.astype(np.int32)
    group["indices"] = cells.X.indices.astype(np.int64)
    group["indptr"] = cells.X.indptr.astype(np.int64)
    group["shape"] = np.array(cells.shape[::-1], dtype=np.int32)
    group["barcodes"] = np.array(cells.obs_names, dtype="S")


def write_tenx_v3(path: Path, cells: ad.AnnData, kinds: Sequence[str] | None = None) -> Path:
    """Write an .h5 file of Cell Ranger 3; features after the known genes are antibodies."""
    more = [f"AB{number}" for number in range(cells.n_vars - len(ids()))]
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        _write_counts(group, cells)
        features = group.create_group("features")
        features["id"] = np.array([*ids(), *more], dtype="S")
        features["name"] = np.array([*symbols(), *more], dtype="S")
        features["feature_type"] = np.array(kinds or [GENE] * cells.n_vars, dtype="S")
        features["genome"] = np.array(["GRCh38"] * cells.n_vars, dtype="S")
    return path


def write_tenx_v2(path: Path, cells: ad.AnnData, cuts: Sequence[int] = ()) -> Path:
    """Write an .h5 file of Cell Ranger 2, a genome for each part of the genes."""
    bounds = [0, *cuts, cells.n_vars]
    genomes = ("hg19", "hg19_and_more")
    with h5py.File(path, "w") as file:
        for genome, start, stop in zip(genomes, bounds, bounds[1:], strict=False):
            group = file.create_group(genome)
            _write_counts(group, cells[:, start:stop].copy())
            group["genes"] = np.array(ids()[start:stop], dtype="S")
            group["gene_names"] = np.array(symbols()[start:stop], dtype="S")
    return path


def tenx_texts(cells: ad.AnnData, version: int, kind: str = GENE) -> dict[str, bytes]:
    """Return the files of a 10x folder by name."""
    entries = cells.X.T.tocoo()
    lines = zip(entries.row + 1, entries.col + 1, entries.data.astype(int), strict=True)
    matrix = [
        "%%MatrixMarket matrix coordinate integer general",
        f"{cells.n_vars} {cells.n_obs} {entries.nnz}",
        *(f"{row} {column} {count}" for row, column, count in lines),
    ]
    genes = [
        f"{a}\t{b}" + f"\t{kind}" * (version == 3) for a, b in zip(ids(), symbols(), strict=True)
    ]
    texts = {
        "matrix.mtx": matrix,
        "genes.tsv" if version == 2 else "features.tsv": genes,
        "barcodes.tsv": list(cells.obs_names),
    }
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in texts.items()}


def write_tenx_folder(
    folder: Path, cells: ad.AnnData, version: int, *, prefix: str = "", kind: str = GENE
) -> Path:
    """Write a folder as Cell Ranger 2 does, plain, or as 3 does, compressed."""
    folder.mkdir(parents=True)
    for name, content in tenx_texts(cells, version, kind).items():
        packed = gzip.compress(content, mtime=0) if version == 3 else content
        (folder / f"{prefix}{name}{'.gz' * (version == 3)}").write_bytes(packed)
    return folder


def write_archive(path: Path, cells: ad.AnnData, *folders: str) -> Path:
    """Write a .tar.gz with a 10x folder for each name."""
    with tarfile.open(path, "w:gz") as archive:
        for folder in folders:
            for name, content in tenx_texts(cells, 2).items():
                member = tarfile.TarInfo(f"{folder}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def write_loom(path: Path, cells: ad.AnnData) -> Path:
    """Write a loom file."""
    with h5py.File(path, "w") as file:
        file["matrix"] = cells.X.toarray().T
        file.create_group("layers")
        file["row_attrs/Gene"] = np.array(symbols(), dtype="S")
        file["row_attrs/Accession"] = np.array(ids(), dtype="S")
        file["col_attrs/CellID"] = np.array(cells.obs_names, dtype="S")
    return path


def write_mat(path: Path, cells: ad.AnnData) -> Path:
    """Write a MATLAB file, genes in rows, as ``save -v7.3`` does."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["data"] = cells.X.toarray()  # MATLAB writes columns first
        file["labels"] = np.ones((1, cells.n_obs))
        names = [np.frombuffer(name.encode("utf-16-le"), "<u2")[:, None] for name in symbols()]
        texts = [file.create_dataset(f"#refs#/{i}", data=name) for i, name in enumerate(names)]
        references = np.array([[text.ref for text in texts]], dtype=h5py.ref_dtype)
        file.create_dataset("genes", data=references)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" "))
    return path


def write_rds(path: Path, cells: ad.AnnData) -> Path:
    """Write a matrix of R, genes in rows, with its names (serialisation format 2)."""
    counts = cells.X.toarray().T

    def flags(kind: int, *, has_attributes: bool = False) -> bytes:
        return struct.pack(">i", kind | has_attributes << 9)

    def texts(names: Sequence[str]) -> bytes:
        each = b"".join(struct.pack(">ii", 0x40009, len(x)) + x.encode() for x in names)
        return flags(16) + struct.pack(">i", len(names)) + each

    def tagged(name: str, value: bytes) -> bytes:
        tag = flags(1) + struct.pack(">ii", 0x40009, len(name)) + name.encode()
        return struct.pack(">i", 1026) + tag + value

    values = flags(14, has_attributes=True) + struct.pack(">i", counts.size)
    values += counts.T.astype(">f8").tobytes()  # column by column
    dim = flags(13) + struct.pack(">iii", 2, *counts.shape)
    names = flags(19) + struct.pack(">i", 2) + texts(symbols()) + texts(list(cells.obs_names))
    attributes = tagged("dim", dim) + tagged("dimnames", names) + struct.pack(">i", 254)
    header = b"X\n" + struct.pack(">iii", 2, 0x30500, 0x20300)
    path.write_bytes(gzip.compress(header + values + attributes, mtime=0))
    return path
