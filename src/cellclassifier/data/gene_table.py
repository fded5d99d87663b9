"""The genes of human and mouse, from the tables that are shipped: ids, symbols, orthologues.

``tables/README.md`` says where they come from and how a name that several genes had is settled.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from io import BytesIO
from itertools import compress
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Species = Literal["human", "mouse"]
ALL_SPECIES: tuple[Species, ...] = get_args(Species)

# ENSG00000141510, ENSMUSG00000059552.14: species letters, G for gene, eleven digits, a version
ENSEMBL_GENE = re.compile(r"ENS[A-Z]{0,6}G\d{11}(\.\d+)?")
ID_PREFIX: Mapping[Species, str] = MappingProxyType({"human": "ENSG", "mouse": "ENSMUSG"})

# shorter aliases tell nothing: half of a plate's wells, A1 to H12, would be genes
MIN_TELLING_ALIAS = 4

# names that R's make.names may have changed
_MADE_BY_R = re.compile(r"^X\d|\.")
# it leaves letters, digits, dots and underscores, and makes a dot of any other letter, of which
# those outside ASCII have several bytes in UTF-8
_OF_R = frozenset(ascii_letters + digits + "._\n")
_DOTTED = bytes(byte if chr(byte) in _OF_R else ord(".") for byte in range(256))
_FURTHER_BYTES = bytes(range(0x80, 0xC0))


@dataclass(frozen=True, eq=False)
class GeneTable:
    """The names of the genes of one species.

    A name is in the table (``"CD3D" in table``) where it is a symbol of the species, or one of
    those aliases that are little else.

    Parameters
    ----------
    species
        ``"human"`` or ``"mouse"``.
    ids, symbols
        Of each gene, the symbol an empty string where it has none.
    by_symbol
        The id of each current symbol that one gene alone has.
    by_other
        The id of each previous symbol and alias that leads to one gene.
    shared
        Symbols that several genes have, such as Y_RNA: known, and no way to any of them.
    """

    species: Species
    ids: list[str]
    symbols: list[str]
    by_symbol: Mapping[str, str]
    by_other: Mapping[str, str]
    shared: frozenset[str]

    def __contains__(self, name: str) -> bool:
        return (
            name in self.by_symbol
            or (name in self.by_other and len(name) >= MIN_TELLING_ALIAS)
            or name in self.shared
        )

    def n_known(self, names: Iterable[str]) -> int:
        """Return how many of the names are in the table."""
        return sum(map(self.__contains__, names))

    @cached_property
    def symbol_of(self) -> Mapping[str, str]:
        """The symbol of each id, an empty string where it has none."""
        return dict(zip(self.ids, self.symbols, strict=True))

    def before_r(self, names: Iterable[str]) -> dict[str, str]:
        """Return what the names were that R's ``make.names`` changed, where one alone becomes that.

        Examples
        --------
        >>> gene_table("human").before_r(["HLA.DRA", "X53BP1", "CD3D"])
        {'HLA.DRA': 'HLA-DRA', 'X53BP1': '53BP1'}
        """
        wanted = set(filter(_MADE_BY_R.search, names))
        if not wanted:
            return {}
        found = [
            (dotted, name)
            for dotted, name in zip(self._names_of_r, self._names, strict=True)
            if dotted in wanted and dotted != name
        ]
        n_names = Counter(dotted for dotted, _ in found)
        return {dotted: name for dotted, name in found if n_names[dotted] == 1}

    @cached_property
    def _names(self) -> list[str]:
        return [*self.by_symbol, *self.by_other]

    @cached_property
    def _names_of_r(self) -> list[str]:
        return r_names(self._names)


@cache
def gene_table(species: Species) -> GeneTable:
    """Read the table of a species, once.

    Examples
    --------
    >>> human = gene_table("human")
    >>> human.by_symbol["CD3D"], human.by_other["MLL"], human.symbol_of["ENSG00000118058"]
    ('ENSG00000167286', 'ENSG00000118058', 'KMT2A')
    """
    stored = _stored(f"{species}_genes")
    ids, symbols = _lines(stored["ids"]), _lines(stored["symbols"])
    has_own_symbol = stored["has_own_symbol"].tolist()
    all_ids, kinds = np.array(ids, dtype=object), ("aliases", "previous")
    others = [name for kind in kinds for name in _lines(stored[kind])]
    owners = np.concatenate([np.repeat(all_ids, stored[f"n_{kind}"]) for kind in kinds])
    return GeneTable(
        species,
        ids,
        symbols,
        by_symbol=dict(
            zip(compress(symbols, has_own_symbol), compress(ids, has_own_symbol), strict=True)
        ),
        by_other=dict(zip(others, owners.tolist(), strict=True)),
        shared=frozenset(_lines(stored["shared"])),
    )


@cache
def orthologs(species: Species) -> Mapping[str, str]:
    """Return the one gene of the other species for each id of this one that has one.

    Examples
    --------
    >>> orthologs("mouse")["ENSMUSG00000032094"]  # Cd3d, CD3D
    'ENSG00000167286'
    """
    stored = _stored("human_mouse_orthologs")
    human, mouse = _lines(stored["human"]), _lines(stored["mouse"])
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
    human, mouse = map(gene_table, ALL_SPECIES)
    is_known = [
        name in human
        or name in mouse
        or (name.startswith("ENS") and ENSEMBL_GENE.fullmatch(name) is not None)
        for name in names
    ]
    return sum(is_known) / len(is_known) if is_known else 0.0


def r_names(names: Iterable[str]) -> list[str]:
    """Return what R makes of names that are to be columns'; none of them has a line break.

    Examples
    --------
    >>> r_names(["HLA-DRA", "7SK", "TNF\u03b1", "CD3D"])
    ['HLA.DRA', 'X7SK', 'TNF.', 'CD3D']
    """
    # all in one text, which takes a hundred thousand names some milliseconds
    text = "\n".join(("", *names)).encode().translate(_DOTTED, _FURTHER_BYTES)
    return re.sub(rb"\n(?=\d)", b"\nX", text).decode().split("\n")[1:]


def _stored(table: str) -> Mapping[str, npt.NDArray[Any]]:
    """Return the arrays of a shipped table, each of which is read when it is asked for."""
    packed = files("cellclassifier.data").joinpath("tables", f"{table}.npz").read_bytes()
    stored: Mapping[str, npt.NDArray[Any]] = np.load(BytesIO(packed), allow_pickle=False)
    return stored


def _lines(text: npt.NDArray[np.uint8]) -> list[str]:
    return text.tobytes().decode().split("\n")[:-1]
