"""The genes of human and mouse, from the tables that are shipped: ids, symbols, orthologues.

``tables/README.md`` says where they come from and how a name that several genes had is settled.
"""

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, get_args

Species = Literal["human", "mouse"]
ALL_SPECIES: tuple[Species, ...] = get_args(Species)

# ENSG00000141510, ENSMUSG00000059552.14: species letters, G for gene, eleven digits, a version
ENSEMBL_GENE = re.compile(r"ENS[A-Z]{0,6}G\d{11}(\.\d+)?")
ID_PREFIX: Mapping[Species, str] = MappingProxyType({"human": "ENSG", "mouse": "ENSMUSG"})

# shorter aliases tell nothing: half of a plate's wells, A1 to H12, would be genes
MIN_TELLING_ALIAS = 4

# what R's make.names changes: a digit at the start, and all but letters, digits, dots, underscores
_NOT_OF_R = re.compile(r"^\d|[^A-Za-z0-9._]")
_N_GENE_COLUMNS = 5  # ensembl_id, symbol, previous, aliases, biotype


@dataclass(frozen=True, eq=False)
class GeneTable:
    """The names of the genes of one species.

    Parameters
    ----------
    species
        ``"human"`` or ``"mouse"``.
    symbol_of
        The symbol of each Ensembl id, an empty string where it has none.
    by_symbol
        The id of each current symbol that one gene alone has.
    by_other
        The id of each previous symbol and alias that leads to one gene.
    shared
        Symbols that several genes have, such as Y_RNA: known, and no way to any of them.
    """

    species: Species
    symbol_of: Mapping[str, str]
    by_symbol: Mapping[str, str]
    by_other: Mapping[str, str]
    shared: frozenset[str]

    @cached_property
    def known(self) -> frozenset[str]:
        """Symbols of the species, and those aliases that are little else."""
        aliases = (name for name in self.by_other if len(name) >= MIN_TELLING_ALIAS)
        return frozenset((*self.by_symbol, *self.shared, *aliases))

    @cached_property
    def by_r_name(self) -> Mapping[str, str]:
        """The symbol of each name that R's ``make.names`` would have made of that one alone."""
        changed = {
            name: r_name(name)
            for names in (self.by_symbol, self.by_other)
            for name in names
            if _NOT_OF_R.search(name)
        }
        n_names = Counter(changed.values())
        return {dotted: name for name, dotted in changed.items() if n_names[dotted] == 1}


@cache
def gene_table(species: Species) -> GeneTable:
    """Read the table of a species, once.

    Examples
    --------
    >>> human = gene_table("human")
    >>> human.by_symbol["CD3D"], human.by_other["MLL"], human.symbol_of["ENSG00000118058"]
    ('ENSG00000167286', 'ENSG00000118058', 'KMT2A')
    """
    ids, symbols, previous, aliases, biotypes = _columns(f"{species}_genes", _N_GENE_COLUMNS)
    # an id without biotype was withdrawn: its symbol is another gene's by now, or a previous one
    current = [symbol if biotype else "" for symbol, biotype in zip(symbols, biotypes, strict=True)]
    n_genes = Counter(current)
    by_other = {
        name: id_
        for column in (aliases, previous)
        for id_, names in zip(ids, column, strict=True)
        if names
        for name in names.split("|")
    }
    return GeneTable(
        species,
        symbol_of=dict(zip(ids, symbols, strict=True)),
        by_symbol={
            symbol: id_
            for symbol, id_ in zip(current, ids, strict=True)
            if symbol and n_genes[symbol] == 1
        },
        by_other=by_other,
        shared=frozenset(
            name for name in n_genes if name and n_genes[name] > 1 and name not in by_other
        ),
    )


@cache
def orthologs(species: Species) -> Mapping[str, str]:
    """Return the one gene of the other species for each id of this one that has one.

    Examples
    --------
    >>> orthologs("mouse")["ENSMUSG00000032094"]  # Cd3d, CD3D
    'ENSG00000167286'
    """
    human, mouse = _columns("human_mouse_orthologs", 2)
    pairs = zip(human, mouse, strict=True) if species == "human" else zip(mouse, human, strict=True)
    return dict(pairs)


def known_share(names: Iterable[str]) -> float:
    """Return the share of names that are genes: human or mouse symbols or aliases, or Ensembl ids.

    0.0 where there are no names. An id of any species counts, with or without version; an alias of
    three characters or fewer does not.

    Examples
    --------
    >>> known_share(["CD3D", "Cd3d", "ENSG00000167286.12", "gene_4"])
    0.75
    """
    human, mouse = (gene_table(species).known for species in ALL_SPECIES)
    is_known = [
        name in human
        or name in mouse
        or (name.startswith("ENS") and ENSEMBL_GENE.fullmatch(name) is not None)
        for name in names
    ]
    return sum(is_known) / len(is_known) if is_known else 0.0


def r_name(name: str) -> str:
    """Return what R makes of a name that is to be a column's: ``HLA.DRA``, ``X7SK``."""
    dotted = re.sub(r"[^A-Za-z0-9._]", ".", name)
    return f"X{dotted}" if dotted[:1].isdigit() else dotted


def _columns(table: str, n_columns: int) -> list[list[str]]:
    """Return the columns of a shipped table, without their headings."""
    packed = files("cellclassifier.data").joinpath("tables", f"{table}.tsv.gz").read_bytes()
    cells = gzip.decompress(packed).decode().replace("\n", "\t").split("\t")
    return [cells[column + n_columns : -1 : n_columns] for column in range(n_columns)]
