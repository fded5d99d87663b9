"""Which genes the names of a matrix mean, by the shipped tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.gene_table import ALL_SPECIES, ID_PREFIX, GeneTable, Species, gene_table

SpeciesFound = Literal["human", "mouse", "both", "unknown"]

# below this share of genes that are known, names are taken as they are: a few of any names are
# some gene's alias
MIN_KNOWN_SHARE = 0.1
# above this share of each of the two, cells of both species were measured together
MIN_SHARE_OF_BOTH = 0.1

# genomes in front of names, as references of two species have them: GRCh38_CD3D, mm10___Cd3d
GENOME = re.compile(
    r"^(?:(?P<human>GRCh3[78]|hg(?:19|38)|HUMAN)|(?P<mouse>GRCm3[89]|mm(?:9|10|39)|MOUSE))_+(?=.)"
)
# chromosomes behind them: CD3D__chr11
CHROMOSOME = re.compile(r"__chr(?:\d+|[XYM])$")

# made unique, by scanpy or by R
NUMBERED = re.compile(r"(.+)[-.]\d{1,2}")

Names = npt.NDArray[np.object_]


@dataclass(frozen=True)
class GeneResolution:
    """What the names of the measured genes turned out to be.

    Parameters
    ----------
    species
        ``"human"``, ``"mouse"``, ``"both"`` measured together, or ``"unknown"``.
    n_by_id
        Genes that came with an Ensembl id.
    n_by_symbol
        Genes whose symbol led to an id.
    n_by_alias
        Genes whose previous symbol or alias did.
    n_verbatim
        Genes whose name led to no id, which are matched to the letter; those without a name too.
    n_duplicated
        Columns that are a gene's second one, third one, ...; their counts are added.
    column
        The column of ``var`` that the names were found in, where it is none of the usual ones.
    """

    species: SpeciesFound
    n_by_id: int
    n_by_symbol: int
    n_by_alias: int
    n_verbatim: int
    n_duplicated: int
    column: str = ""

    @property
    def share(self) -> float:
        """The share of genes with an id, in [0, 1]."""
        n_resolved = self.n_by_id + self.n_by_symbol + self.n_by_alias
        return n_resolved / max(n_resolved + self.n_verbatim, 1)

    def __str__(self) -> str:
        kind = {"both": "human and mouse", "unknown": "unknown species"}.get(
            self.species, self.species
        )
        found_in = f" in .var['{self.column}']" if self.column else ""
        return (
            f"{kind}{found_in}: {self.n_by_id:,} genes by id, {self.n_by_symbol:,} by symbol, "
            f"{self.n_by_alias:,} by previous symbol or alias, {self.n_verbatim:,} by their name "
            f"as it is; {self.n_duplicated:,} duplicated"
        )


def resolve_names(
    ids: Names, symbols: Names, species: SpeciesFound = "unknown"
) -> tuple[Names, Names, GeneResolution]:
    """Fill in the ids that symbols lead to, and the symbols of ids.

    A name leads to the gene whose symbol it is now, else to the one whose previous symbol or alias
    it is, and to none where there are several.

    Parameters
    ----------
    ids, symbols
        Shape (n_genes,), an empty string where there is none; not changed.
    species
        Whose genes symbols are; where it is not one species, that which knows more of them.
    """
    n_by_id = int((ids != "").sum())
    if n_by_id == len(ids) and (symbols != "").all():  # the usual case needs no table
        return ids, symbols, _account(ids, symbols, n_by_id)
    ids, symbols = ids.copy(), symbols.copy()
    to_find = np.flatnonzero((ids == "") & (symbols != ""))
    names = symbols[to_find].tolist()
    spelled = {name: _Spelled.of(name) for name in names if "_" in name}
    plain = [spelled[name].plain if name in spelled else name for name in names]
    table = _fitting_table(ids, plain, spelled, species)
    tables = [_table_of(spelled[name], table) if name in spelled else table for name in names]
    n_by_alias = 0
    for position, name, of_name in zip(to_find, _before_r(plain, tables), tables, strict=True):
        id_, is_alias = _look_up(name, of_name)
        if id_:
            ids[position], symbols[position] = id_, name
            n_by_alias += is_alias
    n_by_alias += _take_numbers_off(ids, symbols)
    _fill_symbols(ids, symbols)
    return ids, symbols, _account(ids, symbols, n_by_id, n_by_alias)


def _take_numbers_off(ids: Names, symbols: Names) -> int:
    """Give ``MS4A1-1`` the id of ``MS4A1`` where both stand there; return how many got one.

    So scanpy (``-1``) and R (``.1``) make names unique, and the columns are those of one gene.
    """
    id_of = {symbol: id_ for symbol, id_ in zip(symbols, ids, strict=True) if id_}
    if not id_of:
        return 0
    n_found = 0
    for position in np.flatnonzero((ids == "") & (symbols != "")):
        numbered = NUMBERED.fullmatch(symbols[position])
        if numbered is not None and numbered[1] in id_of:
            ids[position], symbols[position] = id_of[numbered[1]], numbered[1]
            n_found += 1
    return n_found


def species_of(ids: Names) -> SpeciesFound:
    """Tell the species by the letters of the ids."""
    n_human, n_mouse = (_n_of(species, ids) for species in ALL_SPECIES)
    n_told = n_human + n_mouse
    if n_told < max(MIN_KNOWN_SHARE * len(ids), 1):
        return "unknown"
    if min(n_human, n_mouse) > MIN_SHARE_OF_BOTH * n_told:
        return "both"
    return "human" if n_human > n_mouse else "mouse"


def _n_of(species: Species, ids: Names) -> int:
    """Count the ids of a species."""
    # by far the quickest way in Python: a line each
    return "\n".join(["", *ids.tolist()]).count(f"\n{ID_PREFIX[species]}")


def number_genes(ids: Names, symbols: Names) -> npt.NDArray[np.intp]:
    """Return a number for each gene, from 0 in the order in which they come.

    The same gene has the same number: by id, and without one by name. Genes without any name all
    differ.
    """
    keys = np.where(ids == "", symbols, ids)
    nameless = np.flatnonzero(keys == "")
    keys[nameless] = nameless
    return pd.factorize(keys)[0]


class _Spelled(NamedTuple):
    """A name without genome and chromosome; the species is that of its genome."""

    plain: str
    species: Species | None = None

    @classmethod
    def of(cls, name: str) -> "_Spelled":
        plain = CHROMOSOME.sub("", name)
        genome = GENOME.match(plain)
        if genome is None:
            return cls(plain)
        return cls(plain[genome.end() :], "human" if genome["human"] else "mouse")


def _fitting_table(
    ids: Names, plain: list[str], spelled: Mapping[str, _Spelled], species: SpeciesFound
) -> GeneTable | None:
    """Return the table that knows more of the genes; None where neither knows enough of them."""
    if species == "human" or species == "mouse":
        return gene_table(species)
    told = {name.plain for name in spelled.values() if name.species is not None}
    names = [name for name in plain if name not in told] if told else plain
    n_with_id = {of: _n_of(of, ids) for of in ALL_SPECIES}
    first, second = sorted(ALL_SPECIES, key=lambda of: -n_with_id[of])
    n_first = n_with_id[first] + gene_table(first).n_known(names)
    n_second = n_with_id[second] + len(names)
    if n_second >= n_first:  # it may be the other one, whose table is read only then
        n_second = n_with_id[second] + gene_table(second).n_known(names)
    if n_first == n_second or max(n_first, n_second) < MIN_KNOWN_SHARE * len(ids):
        return None
    return gene_table(first if n_first > n_second else second)


def _table_of(spelled: _Spelled, otherwise: GeneTable | None) -> GeneTable | None:
    """Return the table of a name's genome, if it tells one."""
    return otherwise if spelled.species is None else gene_table(spelled.species)


def _before_r(names: list[str], tables: list[GeneTable | None]) -> list[str]:
    """Return the names as they were before R changed them, where it did."""
    if any("-" in name for name in names):  # R's make.names leaves no hyphen
        return names
    names = names.copy()
    for table in {table for table in tables if table is not None}:
        unknown = [i for i, of in enumerate(tables) if of is table and names[i] not in table]
        before = table.before_r(names[i] for i in unknown)
        for i in unknown if before else ():
            names[i] = before.get(names[i], names[i])
    return names


def _look_up(name: str, table: GeneTable | None) -> tuple[str, bool]:
    """Return the id of a name, and whether it is not the current symbol; "" for no gene."""
    if table is None:
        return "", False
    if name in table.by_symbol:
        return table.by_symbol[name], False
    return table.by_other.get(name, ""), True


def _fill_symbols(ids: Names, symbols: Names) -> None:
    for species in ALL_SPECIES:
        prefix = ID_PREFIX[species]
        for position in np.flatnonzero(symbols == ""):
            if ids[position].startswith(prefix):
                symbols[position] = gene_table(species).symbol_of.get(ids[position], "")


def _account(ids: Names, symbols: Names, n_by_id: int, n_by_alias: int = 0) -> GeneResolution:
    n_resolved = int((ids != "").sum())
    return GeneResolution(
        species=species_of(ids),
        n_by_id=n_by_id,
        n_by_symbol=n_resolved - n_by_id - n_by_alias,
        n_by_alias=n_by_alias,
        n_verbatim=len(ids) - n_resolved,
        n_duplicated=len(ids) - int(number_genes(ids, symbols).max(initial=-1) + 1),
    )
