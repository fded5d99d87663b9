import re
import subprocess
import sys
import zipfile
from collections import Counter
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest

from cellclassifier.data.gene_table import ALL_SPECIES, gene_table, known_share, orthologs, r_names

TABLES = files("cellclassifier.data") / "tables"
README = (TABLES / "README.md").read_text(encoding="utf-8")


def stored(table):
    with np.load(TABLES / f"{table}.npz", allow_pickle=False) as arrays:
        return {name: array.copy() for name, array in arrays.items()}


def lines(array):
    return array.tobytes().decode().splitlines()


@pytest.fixture(params=ALL_SPECIES)
def species(request):
    return request.param


@pytest.fixture
def genes(species):
    """Return the columns of a table; several names of a gene as a tuple."""
    columns = stored(f"{species}_genes")
    for kind in ("previous", "aliases"):
        names, ends = lines(columns[kind]), np.cumsum(columns[f"n_{kind}"], dtype=int)
        assert ends[-1] == len(names)
        columns[kind] = [tuple(names[start:end]) for start, end in pairwise([0, *ends])]
    for name in ("ids", "symbols", "biotypes", "shared"):
        columns[name] = lines(columns[name])
    return columns


# --- the files


def test_the_table_has_each_id_once_in_order(species, genes):
    ids = genes["ids"]
    assert ids == sorted(set(ids))
    assert len(ids) == len(genes["symbols"]) == len(genes["biotypes"])
    pattern = {"human": r"ENSG\d{11}", "mouse": r"ENSMUSG\d{11}"}[species]
    assert all(re.fullmatch(pattern, id_) for id_ in ids)


def test_a_symbol_is_a_genes_own_where_no_other_current_gene_has_it(genes):
    pairs = list(zip(genes["symbols"], genes["biotypes"], strict=True))
    current = Counter(symbol for symbol, biotype in pairs if biotype)
    own = [bool(symbol and biotype and current[symbol] == 1) for symbol, biotype in pairs]
    assert genes["has_own_symbol"].tolist() == own
    others = {name for kind in ("previous", "aliases") for names in genes[kind] for name in names}
    several = {name for name, n_genes in current.items() if name and n_genes > 1}
    assert genes["shared"] == sorted(several - others)


def test_each_previous_symbol_and_alias_leads_to_one_gene(genes):
    current = Counter(
        symbol
        for symbol, biotype in zip(genes["symbols"], genes["biotypes"], strict=True)
        if biotype
    )
    others = Counter(
        name for kind in ("previous", "aliases") for names in genes[kind] for name in names
    )
    assert max(others.values()) == 1
    # of several genes with one symbol one is the approved one; else no current symbol is an alias
    assert all(current[name] != 1 for name in others)


def test_the_table_in_memory_is_that_of_the_file(species, genes):
    table, columns = gene_table(species), (genes["ids"], genes["previous"], genes["aliases"])
    assert table.symbol_of == dict(zip(genes["ids"], genes["symbols"], strict=True))
    assert table.by_other == {
        name: id_
        for id_, previous, aliases in zip(*columns, strict=True)
        for name in (*previous, *aliases)
    }
    assert table.by_symbol == {
        symbol: id_
        for symbol, id_, is_own in zip(
            genes["symbols"], genes["ids"], genes["has_own_symbol"], strict=True
        )
        if is_own
    }


@pytest.mark.parametrize("table", ["human_genes", "mouse_genes", "human_mouse_orthologs"])
def test_the_readme_counts_the_rows_and_names_the_columns(table):
    columns = stored(table)
    assert f"| `{table}.npz` | {len(lines(next(iter(columns.values())))):,} |" in README
    assert [name for name in columns if f"`{name}`" not in README] == []


def test_the_tables_hold_no_time_so_that_the_same_sources_give_the_same_bytes(species):
    with zipfile.ZipFile(TABLES / f"{species}_genes.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


# --- what they say


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("MARCH1", "MARCHF1"),
        ("MLL", "KMT2A"),
        ("IL8", "CXCL8"),
        ("FAM35A", "SHLD2"),
        ("p53", "TP53"),
        ("RP11-34P13.7", "RP11-34P13.7"),
    ],
    ids=["renamed", "renamed_long_ago", "cytokine", "family", "alias", "clone"],
)
def test_a_former_name_leads_to_the_gene(name, symbol):
    human = gene_table("human")
    assert human.symbol_of[human.by_other[name]] == symbol


def test_of_several_genes_with_one_symbol_the_approved_one_is_meant():
    assert gene_table("human").by_other["MATR3"] == "ENSG00000015479"


@pytest.mark.parametrize("name", ["Y_RNA", "U6", "Metazoa_SRP"])
def test_a_symbol_of_many_genes_leads_to_none_and_is_known(name):
    human = gene_table("human")
    assert name not in human.by_symbol
    assert name not in human.by_other
    assert name in human


def test_case_tells_mouse_from_human():
    human, mouse = gene_table("human"), gene_table("mouse")
    assert "CD3D" in human
    assert "Cd3d" not in human
    assert "Cd3d" in mouse
    assert "cd3d" not in mouse


def test_names_become_what_r_makes_of_them(species):
    names = [
        *gene_table(species).by_symbol,
        *gene_table(species).by_other,
        "",
        "9",
        "a b-\u03b1\u65e5",
    ]
    dotted = [re.sub(r"[^A-Za-z0-9._]", ".", name) for name in names]
    assert r_names(names) == [f"X{name}" if name[:1].isdigit() else name for name in dotted]
    assert r_names([]) == []


def test_names_that_r_changed_are_found_where_one_alone_becomes_that(species):
    table = gene_table(species)
    names = [*table.by_symbol, *table.by_other]
    changed = [
        (dotted, name) for dotted, name in zip(r_names(names), names, strict=True) if dotted != name
    ]
    n_names = Counter(dotted for dotted, _ in changed)
    assert max(n_names.values()) > 1
    expected = {dotted: name for dotted, name in changed if n_names[dotted] == 1}
    assert table.before_r([*n_names, *names]) == expected
    assert table.before_r(["CD3D", "HLA.NONE"]) == {}


def test_orthologs_go_both_ways_between_genes_of_the_tables():
    to_mouse, to_human = orthologs("human"), orthologs("mouse")
    assert {mouse: human for human, mouse in to_mouse.items()} == to_human
    assert set(to_mouse) <= set(gene_table("human").symbol_of)
    assert set(to_human) <= set(gene_table("mouse").symbol_of)


# --- the share of names that are genes


@pytest.mark.parametrize(
    ("names", "share"),
    [
        ([], 0.0),
        (["gene_0", "feat1", "AAACCTGAGAAACCAT-1", ""], 0.0),
        (["CD3D", "Cd3d", "ENSG00000167286.12", "ENSRNOG00000016013"], 1.0),
        (["MARCH1", "Y_RNA", "cd3d", "gene_0"], 0.5),
    ],
    ids=["none", "other_names", "symbols_and_ids", "some"],
)
def test_share_of_names_that_are_genes(names, share):
    assert known_share(iter(names)) == share


def test_wells_of_a_plate_are_no_genes():
    wells = [f"{row}{column}" for row in "ABCDEFGH" for column in range(1, 13)]
    assert known_share(wells) < 0.2
    assert known_share([f"P{i}" for i in range(100)]) < 0.05


def test_importing_reads_no_table():
    script = (
        "import cellclassifier.data\n"
        "from cellclassifier.data.gene_table import gene_table\n"
        "print(gene_table.cache_info().currsize)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"
