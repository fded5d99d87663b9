"""The same few cells in every kind of file that is read, written as the usual programs write it."""

import gzip
import io
import tarfile
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

SYMBOLS = ["CD3D", "CD3E", "MS4A1", "CD79A", "NKG7", "GNLY", "LYZ"]
IDS = [
    "ENSG00000167286", "ENSG00000198851", "ENSG00000156738", "ENSG00000105369", "ENSG00000105374",
    "ENSG00000115523", "ENSG00000090382",
]  # fmt: skip
N_CELLS, N_GENES = 11, len(SYMBOLS)
BARCODES = [f"AAACATACAACC{'ACGT'[i % 4]}{'ACGT'[i // 4]}-1" for i in range(N_CELLS)]
COUNTS = np.random.default_rng(3).poisson(1.2, size=(N_CELLS, N_GENES)).astype(np.float32)
COUNTS[:, 0] += 1
COUNTS[2, 3] = 70_000
N_ANTIBODIES = 2
ANTIBODY_COUNTS = np.full((N_CELLS, N_ANTIBODIES), 5.0, dtype=np.float32)


def small_cells() -> ad.AnnData:
    """Return the cells; raw counts, symbols and ids."""
    return ad.AnnData(
        sparse.csr_matrix(COUNTS),
        obs=pd.DataFrame(index=pd.Index(BARCODES, dtype=object)),
        var=pd.DataFrame(
            {"gene_symbol": SYMBOLS, "ensembl_id": IDS}, index=pd.Index(IDS, dtype=object)
        ),
    )


def write_tenx_v3(
    path: Path, *, with_antibodies: bool = False, genomes: tuple[str, ...] = ("GRCh38",)
) -> Path:
    """Write a 10x file as Cell Ranger 3 does; antibodies stand between the genes."""
    ids, symbols, kinds, counts = list(IDS), list(SYMBOLS), ["Gene Expression"] * N_GENES, COUNTS
    if with_antibodies:
        for number in range(N_ANTIBODIES):
            ids.insert(2, f"AB{number}")
            symbols.insert(2, f"CD{number}_TotalSeqB")
            kinds.insert(2, "Antibody Capture")
        counts = np.insert(COUNTS, [2] * N_ANTIBODIES, ANTIBODY_COUNTS, axis=1)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        _write_counts(group, counts)
        features = group.create_group("features")
        genome = [genomes[number % len(genomes)] for number in range(len(ids))]
        for name, texts in (
            ("id", ids), ("name", symbols), ("feature_type", kinds), ("genome", genome),
            ("_all_tag_keys", ["genome"]),
        ):  # fmt: skip
            features[name] = np.array(texts, dtype="S")
    return path


def write_tenx_v2(path: Path, genes_of: dict[str, slice] | None = None) -> Path:
    """Write a 10x file as Cell Ranger 2 does, one group for each genome."""
    with h5py.File(path, "w") as file:
        for genome, genes in (genes_of or {"hg19": slice(None)}).items():
            group = file.create_group(genome)
            _write_counts(group, COUNTS[:, genes])
            group["genes"] = np.array(IDS[genes], dtype="S")
            group["gene_names"] = np.array(SYMBOLS[genes], dtype="S")
    return path


def _write_counts(group: h5py.Group, counts: np.ndarray) -> None:
    stored = sparse.csr_matrix(counts)
    group["data"] = stored.data.astype(np.int32)
    group["indices"] = stored.indices.astype(np.int64)
    group["indptr"] = stored.indptr.astype(np.int64)
    group["shape"] = np.array(counts.shape[::-1], dtype=np.int32)
    group["barcodes"] = np.array(BARCODES, dtype="S")


def tenx_texts(version: int, *, antibodies: int = 0) -> dict[str, bytes]:
    """Return the files of a 10x folder by name."""
    counts = np.hstack([COUNTS, ANTIBODY_COUNTS[:, :antibodies]])
    rows, columns = np.nonzero(counts.T)
    entries = "".join(
        f"{row + 1} {column + 1} {int(counts[column, row])}\n"
        for row, column in zip(rows, columns, strict=True)
    )
    header = "%%MatrixMarket matrix coordinate integer general\n%\n"
    genes = list(zip(IDS, SYMBOLS, strict=True))
    genes += [(f"AB{number}", f"CD{number}") for number in range(antibodies)]
    kinds = ["Gene Expression"] * N_GENES + ["Antibody Capture"] * antibodies
    lines = ["\t".join(gene) for gene in genes]
    if version == 3:
        lines = [f"{line}\t{kind}" for line, kind in zip(lines, kinds, strict=True)]
    texts = {
        "matrix.mtx": f"{header}{len(genes)} {N_CELLS} {len(rows)}\n{entries}",
        "genes.tsv" if version == 2 else "features.tsv": "\n".join(lines) + "\n",
        "barcodes.tsv": "\n".join(BARCODES) + "\n",
    }
    return {name: text.encode() for name, text in texts.items()}


def write_tenx_folder(folder: Path, version: int, *, prefix: str = "", antibodies: int = 0) -> Path:
    """Write a folder as Cell Ranger 2 does, plain, or as 3 does, compressed."""
    folder.mkdir()
    for name, content in tenx_texts(version, antibodies=antibodies).items():
        if version == 3:
            (folder / f"{prefix}{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / f"{prefix}{name}").write_bytes(content)
    return folder


def write_tenx_archive(path: Path, inside: str = "filtered_feature_bc_matrix/") -> Path:
    """Write a .tar.gz of a folder of Cell Ranger 3."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in tenx_texts(3).items():
            packed = gzip.compress(content)
            member = tarfile.TarInfo(f"{inside}{name}.gz")
            member.size = len(packed)
            archive.addfile(member, io.BytesIO(packed))
    return path


def write_loom(path: Path) -> Path:
    """Write a loom file as velocyto does."""
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=COUNTS.T, chunks=(3, 4), compression="gzip")
        file.create_dataset("layers/spliced", data=COUNTS.T // 2, chunks=(3, 4))
        text = h5py.string_dtype()
        file.create_dataset("row_attrs/Accession", data=IDS, dtype=text)
        file.create_dataset("row_attrs/Gene", data=SYMBOLS, dtype=text)
        file.create_dataset("col_attrs/CellID", data=BARCODES, dtype=text)
        file["col_attrs/n"] = np.arange(N_CELLS)
        file["col_attrs/tsne"] = np.zeros((N_CELLS, 2))
        file["attrs/LOOM_SPEC_VERSION"] = "3.0.0"
        file.create_group("row_graphs")
        file.create_group("col_graphs")
    return path


def write_text(path: Path, text: str) -> Path:
    """Write text, compressed where the name says so."""
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
