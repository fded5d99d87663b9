"""``.rds`` files of R: Seurat, SingleCellExperiment, or a matrix."""

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier.data.formats import r_objects as r
from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read
from cellclassifier.data.formats.joining import joined
from cellclassifier.data.formats.orientation import GenesIn, genes_are_in
from cellclassifier.data.formats.precision import narrowed_sparse
from cellclassifier.data.formats.record import record
from cellclassifier.errors import FileFormatError, InputError

EXPERIMENTS = ("SingleCellExperiment", "SummarizedExperiment", "RangedSummarizedExperiment")
MATRICES = ("dgCMatrix", "INT", "REAL", "matrix")
# the assay that holds the genes themselves; SCT, integrated and ADT are made of others
GENE_ASSAY = "RNA"


def read_rds(path: Path, genes_in: GenesIn | None = None) -> ad.AnnData:
    """Read the counts, the cells' table and the genes' names of an R object.

    Parameters
    ----------
    path
        The file. Of a Seurat object (versions 3 to 5) the assay ``RNA`` is read, or else the active
        one; of an experiment the assay ``counts``, or else the first one.
    genes_in
        For a bare matrix, where the genes are, if their names do not prove it.

    Raises
    ------
    FileFormatError
        It is broken, or of another class.
    InputError
        `genes_in` is given for an object that itself says where its genes are.
    """
    try:
        obj = r.read_object(path)
        kind = r.class_of(obj)
        if kind in MATRICES:
            return _read_matrix(obj, genes_in)
        if genes_in is not None:
            raise InputError(f"a {kind} itself says where its genes are; leave genes_in out")
        if kind == "Seurat":
            return _read_seurat(obj)
        if kind in EXPERIMENTS:
            return _read_experiment(obj, kind)
        raise FileFormatError(
            f"it holds a {kind}, but one of {['Seurat', *EXPERIMENTS, 'dgCMatrix', 'matrix']} is "
            f"expected; convert it, {r.CONVERSION}"
        )
    except READ_ERRORS as error:
        raise cannot_read(path, "cells of R", error) from error


def _read_matrix(obj: r.RObject, genes_in: GenesIn | None) -> ad.AnnData:
    values, rows, columns = r.matrix(obj)
    if len(rows) != values.shape[0] or len(columns) != values.shape[1]:
        raise FileFormatError("its matrix has no names of rows or columns; set its dimnames")
    where = genes_are_in(rows, columns, genes_in)
    cells, genes = (columns, rows) if where == "rows" else (rows, columns)
    counts = sparse.csr_matrix(values.T if where == "rows" else values)
    return record(_cells(counts, cells, genes), "R matrix", genes_in=where)


def _cells(counts: sparse.csr_matrix, cells: list[str], genes: list[str]) -> ad.AnnData:
    if counts.shape != (len(cells), len(genes)):
        raise FileFormatError(
            f"it names {len(cells):,} cells and {len(genes):,} genes, but its matrix is "
            f"{counts.shape[0]:,} x {counts.shape[1]:,}"
        )
    return ad.AnnData(
        narrowed_sparse(counts),
        obs=pd.DataFrame(index=pd.Index(cells, dtype=object)),
        var=pd.DataFrame(index=pd.Index(genes, dtype=object)),
    )


def _read_seurat(obj: r.RObject) -> ad.AnnData:
    assays = r.elements(r.slot(obj, "assays"))
    active = r.texts(r.slot(obj, "active.assay"))
    name = GENE_ASSAY if GENE_ASSAY in assays else (active or list(assays))[0]
    layers = _seurat_layers(assays[name])
    wanted = sorted(key for key in layers if key == "counts" or key.startswith("counts."))
    wanted = wanted or sorted(key for key in layers if key == "data" or key.startswith("data."))
    if not wanted:
        raise FileFormatError(f"its assay '{name}' has no counts but {sorted(layers)}")
    parts = [_cells(*layers[key]) for key in wanted]
    facts: dict[str, Any] = {"assay": name, "layers": np.array(wanted, dtype=object)}
    if len(parts) == 1:
        cells = parts[0]
    else:
        cells, facts["n_genes_not_in_every_layer"] = joined(parts, "obs")
    about = r.elements(r.slot(obj, "meta.data"))
    names = r.texts(r.attributes(r.slot(obj, "meta.data"))["row.names"])
    cells.obs = r.table(about, names).reindex(cells.obs_names)
    return record(cells, "Seurat", **facts)


def _seurat_layers(assay: r.RObject) -> dict[str, tuple[sparse.csr_matrix, list[str], list[str]]]:
    """Return counts (n_cells, n_genes) with the names of cells and genes, layer by layer."""
    parts = r.attributes(assay)
    if "layers" not in parts:  # before version 5
        read = {name: r.matrix(parts[name]) for name in ("counts", "data") if name in parts}
        return {
            name: (sparse.csr_matrix(values.T), cells, genes)
            for name, (values, genes, cells) in read.items()
            if values.shape[0] and values.shape[1]
        }
    layers = {}
    for name, layer in r.elements(parts["layers"]).items():
        genes, cells = (_names_in(parts[axis], name) for axis in ("features", "cells"))
        layers[name] = (sparse.csr_matrix(r.matrix(layer)[0].T), cells, genes)
    return layers


def _names_in(log_map: r.RObject, layer: str) -> list[str]:
    """Return the names that a layer has: R keeps a table of names x layers of true and false."""
    names, layers = (r.texts(each) for each in r.slot(log_map, "dimnames").value)
    present = r.numbers(log_map).reshape((len(names), len(layers)), order="F")
    column = present[:, layers.index(layer)]
    return [name for name, is_there in zip(names, column, strict=True) if is_there]


def _read_experiment(obj: r.RObject, kind: str) -> ad.AnnData:
    assays = r.elements(r.slot(obj, "assays", "data", "listData"))
    if not assays:
        raise FileFormatError(f"its {kind} has no assays")
    name = "counts" if "counts" in assays else next(iter(assays))
    values, genes, cells = r.matrix(assays[name])
    about_cells = r.slot(obj, "colData")
    cells = cells or r.texts(r.slot(about_cells, "rownames"))
    genes = genes or _genes_of(obj)
    read = _cells(sparse.csr_matrix(values.T), cells, genes)
    read.obs = r.table(r.elements(r.slot(about_cells, "listData")), cells)
    read.var = r.table(r.elements(r.slot(_about_genes(obj), "listData")), genes)
    return record(read, kind, assay=name)


def _about_genes(obj: r.RObject) -> r.RObject:
    ranges = r.attributes(obj).get("rowRanges")
    return r.slot(obj if ranges is None else ranges, "elementMetadata")


def _genes_of(obj: r.RObject) -> list[str]:
    ranges = r.attributes(obj).get("rowRanges")
    names = r.slot(obj, "NAMES") if ranges is None else r.slot(ranges, "partitioning", "NAMES")
    return r.texts(names)
