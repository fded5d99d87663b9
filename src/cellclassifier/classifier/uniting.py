"""Labelled cells of several files as one reference."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, Unpack, get_args

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.classifier.sampling import sample_runs
from cellclassifier.data.annotations import MISSING, read_training_labels
from cellclassifier.data.batches import read_batches
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.matching import MIN_GENE_COVERAGE, GeneMatch, locate_genes
from cellclassifier.data.reference import CountsArguments
from cellclassifier.data.streaming.reference import ReferencePart, StoredReference
from cellclassifier.data.streaming.settling import SettledCounts
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.errors import GeneOverlapError, InputError, LabelError
from cellclassifier.labels import LabelSpace, shown

GenesOf = Literal["shared", "all"]


def unite(
    files: Sequence[StoredCells],
    labels_key: str,
    *,
    strict: bool = False,
    label_map: Mapping[str, str] | None = None,
    genes_of: GenesOf = "shared",
    batch_key: str | None = None,
    **counts: Unpack[CountsArguments],
) -> StoredReference:
    """Return the labelled cells of files as one reference.

    Parameters
    ----------
    files
        One or more.
    labels_key
        The column of ``obs`` with the types, the same in each file.
    strict
        Whether to refuse cells without a label, instead of leaving them out.
    label_map
        What each label is to become; None leaves them as they are.
    genes_of
        Of several files: ``"shared"`` takes the genes that all of them measured; ``"all"`` those
        that any did, and takes what a file did not measure for no counts.
    batch_key
        The column of ``obs`` with the batches, the same in each file; a batch may be in several.
    **counts
        The keywords of `find_counts`.

    Raises
    ------
    LabelError
        Labels are missing, too few, or not in the map.
    CountsError
        No raw counts can be found or proved in a file.
    InputError
        Batches are missing, or nothing can be told of them.
    GeneOverlapError
        The files share too few genes.
    """
    if genes_of not in get_args(GenesOf):
        raise InputError(f"genes_of is one of {list(get_args(GenesOf))}, not {genes_of!r}")
    labels, labelled = _labels(files, labels_key, label_map, strict=strict)
    batch_codes = None
    if batch_key is not None:
        batches = _joined_column(files, batch_key, InputError)
        batch_codes = read_batches(batches, batch_key, labelled, labels)
    label_space = LabelSpace.of(labels)
    codes = np.full(sum(cells.n_cells for cells in files), -1, dtype=np.int32)
    codes[labelled] = label_space.encode(labels)
    settled = [SettledCounts.of(cells, sample_runs(cells.n_cells), **counts)[0] for cells in files]
    genes, columns = _united([one.genes for one in settled], genes_of)
    ends = np.cumsum([cells.n_cells for cells in files])[:-1]
    parts = [
        ReferencePart(one, of_file, one.spread(GeneMatch(place, len(genes), 0, 0, 0)).target)
        for one, of_file, place in zip(settled, np.split(codes, ends), columns, strict=True)
    ]
    return StoredReference(parts, genes, label_space, batch_codes)


def _labels(
    files: Sequence[StoredCells],
    labels_key: str,
    label_map: Mapping[str, str] | None,
    *,
    strict: bool,
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.intp]]:
    """Return the labels of the cells that have one, file after file, and which cells these are."""
    table = _joined_column(files, labels_key, LabelError, label_map)
    return read_training_labels(ad.AnnData(obs=table), labels_key, strict=strict)


def _joined_column(
    files: Sequence[StoredCells],
    key: str,
    error: type[InputError],
    label_map: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return a column of ``obs`` of all files, its cells numbered, or raise an error."""
    columns = []
    for cells in files:
        there = cells.table.columns
        if key not in there:
            raise error(
                f"there is no column '{key}' in .obs of '{cells.path}'; it has {shown(there)}"
            )
        column = cells.table.column(key).astype(object)
        if label_map is not None:
            column = map_labels(column, label_map, cells.path.name)
        columns.append(column)
    whole = pd.concat(columns, ignore_index=True)
    return pd.DataFrame({key: whole.array}, index=whole.index.astype(str))


def map_labels(column: pd.Series, label_map: Mapping[str, str], file: str) -> pd.Series:
    """Return a column of labels as a map has them; what is missing stays so.

    Raises
    ------
    LabelError
        The map leaves a label of the file out.

    Examples
    --------
    >>> map_labels(pd.Series(["CD4 T", None]), {"CD4 T": "T"}, "cells.h5ad").tolist()
    ['T', None]
    """
    texts = column.astype(str).str.strip()
    known = column.notna() & ~texts.isin(MISSING)
    unmapped = sorted(set(texts[known]) - label_map.keys())
    if unmapped:
        raise LabelError(
            f"the label map says nothing of {shown(unmapped)}, which '{file}' has; add a line for "
            "each, such as LABEL,LABEL to keep it"
        )
    mapped = [
        label_map[text] if is_known else None for text, is_known in zip(texts, known, strict=True)
    ]
    return pd.Series(mapped, index=column.index, dtype=object)


def _united(
    measured: Sequence[GenePanel], genes_of: GenesOf
) -> tuple[GenePanel, list[npt.NDArray[np.intp]]]:
    """Return the genes of the reference, and the place there of each gene of each file, or -1."""
    genes = measured[0]
    species = {panel.species for panel in measured}
    if len(species) > 1:
        raise GeneOverlapError(
            f"the files have genes of {sorted(map(str, species))}; a reference is of one species"
        )
    if genes_of == "all":
        for panel in measured[1:]:
            new = locate_genes(panel, genes) < 0
            genes = replace(
                genes,
                ensembl_ids=np.concatenate([genes.ensembl_ids, panel.ensembl_ids[new]]),
                symbols=np.concatenate([genes.symbols, panel.symbols[new]]),
                inferred=_joined(genes, panel, new),
            )
    first = np.arange(len(measured[0]), dtype=np.intp)
    places = [first, *(locate_genes(panel, genes) for panel in measured[1:])]
    if genes_of == "shared" and len(measured) > 1:
        in_all = np.logical_and.reduce([np.isin(np.arange(len(genes)), place) for place in places])
        _check_overlap(int(in_all.sum()), min(map(len, measured)))
        number = np.where(in_all, np.cumsum(in_all) - 1, -1)
        genes = genes[np.flatnonzero(in_all)]
        places = [np.where(place >= 0, number[place], -1) for place in places]
    return genes, places


def _joined(
    genes: GenePanel, more: GenePanel, new: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_] | None:
    if genes.inferred is None and more.inferred is None:
        return None
    parts = [
        np.zeros(len(panel), dtype=np.bool_) if panel.inferred is None else panel.inferred
        for panel in (genes, more)
    ]
    return np.concatenate([parts[0], parts[1][new]])


def _check_overlap(n_shared: int, n_smallest: int) -> None:
    if n_shared < MIN_GENE_COVERAGE * n_smallest:
        raise GeneOverlapError(
            f"the files share {n_shared:,} genes, of {n_smallest:,} in the one with the fewest (at "
            f"least {MIN_GENE_COVERAGE:.0%} are needed). Name their columns of gene names alike: "
            'gene_ids="…" (--gene-ids), or take all genes: genes_of="all" (--genes-of all)'
        )
