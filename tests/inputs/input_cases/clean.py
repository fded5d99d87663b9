"""The clean cells: four kinds of blood cells with counts of real human genes."""

import re
from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier.data.gene_table import gene_table, orthologs

KEY = "cell_type"
MARKERS = {
    "B": ("MS4A1", "CD79A", "CD79B", "CD19", "BANK1"),
    "Monocyte": ("LYZ", "CD14", "S100A8", "VCAN", "FCN1"),
    "NK": ("NKG7", "KLRD1", "PRF1", "NCAM1", "EOMES"),
    "T": ("CD3D", "CD3E", "CD3G", "CD2", "IL7R"),
}
OTHERS_OF_THE_MODEL = ("HLA-DRA", "B2M", "ACTB", "PTPRC")
OUTSIDE_THE_MODEL = ("MALAT1", "GAPDH", "GNLY", "CST3", "MT-CO1")
N_MODEL, N_OUTSIDE = 180, 100
CELLS_PER_TYPE = 20
DEPTH = 1500


@cache
def model_genes() -> tuple[str, ...]:
    """Return the symbols of the model's genes; each has one orthologue in mice."""
    named = [symbol for symbols in MARKERS.values() for symbol in symbols]
    return _filled((*named, *OTHERS_OF_THE_MODEL), N_MODEL, with_ortholog=True)


@cache
def other_genes() -> tuple[str, ...]:
    """Return symbols of genes that the model does not look at; few have an orthologue."""
    return _filled(OUTSIDE_THE_MODEL, N_OUTSIDE, with_ortholog=False)


def symbols() -> list[str]:
    """Return the symbols of all measured genes, in the order of the columns."""
    return [*model_genes(), *other_genes()]


def ids() -> list[str]:
    """Return their Ensembl ids."""
    return [gene_table("human").by_symbol[symbol] for symbol in symbols()]


def former_names() -> list[str]:
    """Return a previous symbol or alias where a gene has one, or else its symbol."""
    named = {id_: name for name, id_ in gene_table("human").by_other.items() if len(name) > 4}
    return [named.get(id_, symbol) for id_, symbol in zip(ids(), symbols(), strict=True)]


def mouse_symbols() -> list[str]:
    """Return the symbols of the orthologues, or else of genes that only mice have."""
    mouse, partner = gene_table("mouse"), orthologs("human")
    own = iter(name for name in mouse.by_symbol if re.fullmatch(r"Gm\d{4}", name))
    return [mouse.symbol_of[partner[id_]] if id_ in partner else next(own) for id_ in ids()]


@cache
def _clean_cells(seed: int) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(MARKERS)), CELLS_PER_TYPE))
    # the same genes are high in every draw
    means = np.random.default_rng(0).lognormal(0, 1.2, size=(1, N_MODEL + N_OUTSIDE))
    means = np.repeat(means, len(MARKERS), axis=0)
    for code, (_, markers) in enumerate(MARKERS.items()):
        columns = [symbols().index(symbol) for symbol in markers]
        means[:, columns] = 0.5
        means[code, columns] = 4.0
    depth = DEPTH * rng.lognormal(0, 0.3, size=(len(codes), 1))
    counts = rng.poisson(means[codes] / means[codes].sum(axis=1, keepdims=True) * depth)
    return ad.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(
            {KEY: pd.Categorical(np.array(list(MARKERS))[codes])},
            index=[f"AAAC{number:04d}-1" for number in range(len(codes))],
        ),
        var=pd.DataFrame(index=symbols()),
    )


def clean_cells(seed: int = 1) -> ad.AnnData:
    """Return cells that one may change."""
    return _clean_cells(seed).copy()


def _filled(named: tuple[str, ...], n_genes: int, *, with_ortholog: bool) -> tuple[str, ...]:
    partner, taken = orthologs("human"), set(named)
    others = [
        symbol
        for symbol, id_ in sorted(gene_table("human").by_symbol.items())
        if symbol not in taken
        and re.fullmatch(r"[A-Z]{3,6}\d", symbol)
        and (id_ in partner) == with_ortholog
    ]
    chosen = np.random.default_rng(0).choice(others, n_genes - len(named), replace=False)
    return (*named, *chosen.tolist())
