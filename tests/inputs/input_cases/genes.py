"""How the genes are named."""

import re
import warnings

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier.data.gene_table import r_names
from input_cases.case import Theme
from input_cases.clean import former_names, ids, model_genes, mouse_symbols, symbols

GENES = Theme("How the genes are named", shows="genes")
ALL = len(symbols())


def named(cells, names):
    cells.var = pd.DataFrame(index=pd.Index(list(names), dtype=object))
    return cells


def numbered(cells, **columns):
    """Return the cells with nothing but numbers in the index of var, and columns."""
    index = [str(number) for number in range(cells.n_vars)]
    cells.var = pd.DataFrame(columns, index=index)
    return cells


@GENES.accepted("gene symbols", f"{ALL} by symbol")
def gene_symbols(cells, _):
    return cells


@GENES.accepted("Ensembl ids", f"{ALL} genes by id")
def ensembl_ids(cells, _):
    return named(cells, ids())


@GENES.converted("Ensembl ids with versions", f"{ALL} genes by id")
def ensembl_ids_with_versions(cells, _):
    return named(cells, [f"{id_}.{number % 20 + 1}" for number, id_ in enumerate(ids())])


@GENES.converted(
    "previous symbols and aliases, such as FCN1's and CD79A's", "previous symbol or alias"
)
def former_symbols(cells, _):
    return named(cells, former_names())


@GENES.converted("symbols behind the genome, GRCh38_CD3D", f"{ALL} by symbol")
def behind_genome(cells, _):
    return named(cells, [f"GRCh38_{symbol}" for symbol in symbols()])


@GENES.converted("symbols behind the id, ENSG00000167286_CD3D", f"{ALL} genes by id")
def behind_id(cells, _):
    return named(cells, map("_".join, zip(ids(), symbols(), strict=True)))


@GENES.converted("symbols before the id, CD3D|ENSG00000167286.12", f"{ALL} genes by id")
def before_id(cells, _):
    return named(cells, [f"{a}|{b}.12" for a, b in zip(symbols(), ids(), strict=True)])


@GENES.converted("symbols before the chromosome, CD3D__chr11", f"{ALL} by symbol")
def before_chromosome(cells, _):
    return named(cells, [f"{symbol}__chr11" for symbol in symbols()])


@GENES.converted("ids and symbols mixed in one column", "140 genes by id, 140 by symbol")
def mixed(cells, _):
    pairs = zip(ids(), symbols(), strict=True)
    return named(cells, [pair[number % 2] for number, pair in enumerate(pairs)])


@GENES.converted("symbols as R makes them, HLA.DRA and MT.CO1", f"{ALL} by symbol")
def names_of_r(cells, _):
    return named(cells, r_names(symbols()))


@GENES.accepted('numbers in the index, symbols in var["gene_symbol"]', f"{ALL} by symbol")
def symbols_in_column(cells, _):
    return numbered(cells, gene_symbol=symbols())


@GENES.accepted(
    'numbers in the index, symbols as categories in var["feature_name"]', f"{ALL} by symbol"
)
def symbols_as_categories(cells, _):
    return numbered(cells, feature_name=pd.Categorical(symbols()))


@GENES.accepted("symbols in a column of an unusual name", "in .var['transcript']")
def symbols_in_another_column(cells, _):
    return numbered(cells, length=range(ALL), transcript=symbols())


@GENES.accepted(
    "two columns of genes, of which an option names the right one",
    f"{ALL} by symbol", option="--gene-ids real_name",
)  # fmt: skip
def column_named(cells, _):
    return numbered(cells, gene_symbol=np.roll(symbols(), 1), real_name=symbols())


@GENES.refused(
    "an option that names a column that is not there",
    "no column 'name' in .var", option="--gene-ids name",
)  # fmt: skip
def column_missing(cells, _):
    return cells


@GENES.accepted("ids that are missing for some genes, which have symbols", "140 genes by id")
def ids_missing(cells, _):
    pairs = enumerate(ids())
    cells.var["gene_ids"] = [id_ if number % 2 else np.nan for number, id_ in pairs]
    return cells


@GENES.accepted("Entrez numbers beside symbols", f"{ALL} by symbol")
def entrez_numbers(cells, _):
    cells.var["gene_id"] = [str(number) for number in range(1000, 1000 + ALL)]
    return cells


@GENES.converted("a gene in two columns, by its symbol and by its id", "1 duplicated")
def gene_in_two_columns(cells, _):
    counts = cells.X.toarray()
    part = counts[:, :1] // 2
    return ad.AnnData(
        sparse.csr_matrix(np.hstack([counts[:, :1] - part, counts[:, 1:], part])),
        obs=cells.obs,
        var=pd.DataFrame(index=[*symbols(), ids()[0]]),
    )


@GENES.converted("a symbol that stands three times", "2 duplicated")
def symbol_three_times(cells, _):
    counts = cells.X.toarray()
    part = counts[:, :1] // 3
    thirds = [counts[:, :1] - 2 * part, part, part]
    with warnings.catch_warnings(action="ignore"):  # anndata warns of such names
        return ad.AnnData(
            sparse.csr_matrix(np.hstack([*thirds, counts[:, 1:]])),
            obs=cells.obs,
            var=pd.DataFrame(index=[*symbols()[:1] * 3, *symbols()[1:]]),
        )


@GENES.converted(
    "a symbol that stood twice, made unique by scanpy: MS4A1 and MS4A1-1", "1 duplicated"
)
def symbol_made_unique(cells, _):
    counts = cells.X.toarray()
    part = counts[:, :1] // 2
    return ad.AnnData(
        sparse.csr_matrix(np.hstack([counts[:, :1] - part, counts[:, 1:], part])),
        obs=cells.obs,
        var=pd.DataFrame(index=[*symbols(), f"{symbols()[0]}-1"]),
    )


@GENES.accepted(
    "a reference whose gene names mean nothing, and cells with the same names",
    f"{ALL} by their name as it is", command="train",
)  # fmt: skip
def names_that_mean_nothing(cells, _):
    return named(cells, [f"TX{number:05d}" for number in range(ALL)])


@GENES.refused(
    "gene names that mean nothing to a model of human genes", "only 0 of the model's", "--gene-ids"
)
def names_unknown_to_the_model(cells, _):
    return named(cells, [f"TX{number:05d}" for number in range(ALL)])


@GENES.refused("no gene names at all, but numbers", "only 0 of the model's", "--gene-ids")
def no_names(cells, _):
    return numbered(cells)


@GENES.refused("symbols in lower case", "only 0 of the model's", "'cd3d'", "--gene-ids")
def lower_case(cells, _):
    return named(cells, [name.lower() for name in symbols()[15:] + symbols()[:15]])


@GENES.converted("symbols with a space behind them", f"{ALL} by symbol")
def spaces(cells, _):
    return named(cells, [f"{symbol} " for symbol in symbols()])


@GENES.refused("ids of zebrafish", "only 0 of the model's", "--gene-ids")
def zebrafish(cells, _):
    return named(cells, [f"ENSDARG{number:011d}" for number in range(1, ALL + 1)])


@GENES.refused("a tenth of the model's genes", "only 18 of the model's 180 genes", "20%")
def too_few_in_common(cells, _):
    others = iter(f"LOC{number}" for number in range(100_000, 200_000))
    kept = {*model_genes()[:18]}
    return named(cells, [symbol if symbol in kept else next(others) for symbol in symbols()])


@GENES.converted("genes of mouse, for a model of human cells", "mouse:", option="--map-orthologs")
@GENES.refused("genes of mouse, for a model of human cells", "those of mouse", "--map-orthologs")
def mouse(cells, _):
    return named(cells, mouse_symbols())


@GENES.accepted("human and mouse genes measured together, human cells alone", "human and mouse:")
def both_species(cells, _):
    of_mouse = [f"mm10___{symbol}" for symbol in mouse_symbols() if not re.match("Gm", symbol)]
    none = sparse.csr_matrix((cells.n_obs, len(of_mouse)), dtype="float32")
    return ad.AnnData(
        sparse.hstack([cells.X, none], format="csr"),
        obs=cells.obs,
        var=pd.DataFrame(index=[*(f"hg19_{symbol}" for symbol in symbols()), *of_mouse]),
    )
