import gzip
import re
import subprocess
import sys
from collections import Counter
from importlib.resources import files

import pytest

from cellclassifier.data.gene_table import ALL_SPECIES, gene_table, known_share, orthologs

TABLES = files("cellclassifier.data") / "tables"
README = (TABLES / "README.md").read_text(encoding="utf-8")


def rows(table):
    lines = gzip.decompress((TABLES / f"{table}.tsv.gz").read_bytes()).decode().splitlines()
    return [line.split("\t") for line in lines]


# --- the files


@pytest.mark.parametrize("species", ALL_SPECIES)
def test_the_table_has_each_id_once_in_order(species):
    heading, *genes = rows(f"{species}_genes")
    assert heading == ["ensembl_id", "symbol", "previous", "aliases", "biotype"]
    ids = [gene[0] for gene in genes]
    assert ids == sorted(set(ids))
    pattern = {"human": r"ENSG\d{11}", "mouse": r"ENSMUSG\d{11}"}[species]
    assert all(re.fullmatch(pattern, id_) for id_ in ids)


@pytest.mark.parametrize("species", ALL_SPECIES)
def test_each_previous_symbol_and_alias_leads_to_one_gene(species):
    _, *genes = rows(f"{species}_genes")
    current = Counter(gene[1] for gene in genes if gene[4])
    others = Counter(
        name for gene in genes for column in (2, 3) for name in gene[column].split("|") if name
    )
    assert max(others.values()) == 1
    # of several genes with one symbol one is the approved one; else no current symbol is an alias
    assert all(current[name] != 1 for name in others)


@pytest.mark.parametrize("table", ["human_genes", "mouse_genes", "human_mouse_orthologs"])
def test_the_readme_counts_the_rows(table):
    assert f"| `{table}.tsv.gz` | {len(rows(table)) - 1:,} |" in README


def test_the_tables_hold_no_time_so_that_the_same_sources_give_the_same_bytes():
    for species in ALL_SPECIES:
        assert (TABLES / f"{species}_genes.tsv.gz").read_bytes()[4:8] == b"\0\0\0\0"


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
    assert name in human.known


def test_case_tells_mouse_from_human():
    human, mouse = gene_table("human"), gene_table("mouse")
    assert "CD3D" in human.known
    assert "Cd3d" not in human.known
    assert "Cd3d" in mouse.known
    assert "cd3d" not in mouse.known


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
