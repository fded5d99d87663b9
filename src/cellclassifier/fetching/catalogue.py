"""The sets that can be fetched: where their files are, their licence and citation."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cellclassifier.errors import InputError
from cellclassifier.labels import shown

# names become names of files
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
SHA256 = re.compile(r"[0-9a-f]{64}")
SCHEMES = ("https://", "http://")

# key -> its type, and whether it has to be there
SET_KEYS: Mapping[str, tuple[type, bool]] = {
    "title": (str, True),
    "citation": (str, True),
    "licence": (str, True),
    "base": (str, True),
    "folder": (str, True),
    "files": (list, True),
    "n_genes": (int, False),
    "n_cells": (int, False),
    "megabytes": (int, False),
    "cells_per_type": (int, False),
}
FILE_KEYS: Mapping[str, tuple[type, bool]] = {
    "name": (str, True),
    "path": (str, True),
    "label": (str, False),
    "sha256": (str, False),
}
KINDS = {str: "a text", int: "a positive whole number", list: "a list of tables"}


@dataclass(frozen=True)
class SourceFile:
    """One download: a 10x archive of one population.

    Parameters
    ----------
    name
        Short name: of the file in the cache, and the beginning of the names of its cells.
    address
        Where it is downloaded.
    label
        The type of all its cells, where it is known.
    sha256
        The hash it must have; without it, the first download's.
    """

    name: str
    address: str
    label: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class CellSet:
    """One entry of a catalogue.

    Parameters
    ----------
    name, title, citation, licence
        As shown in lists, and kept with the cells.
    files
        One for each population.
    folder
        Where in each archive ``matrix.mtx``, ``genes.tsv`` and ``barcodes.tsv`` are.
    n_genes
        How many genes each file must have.
    n_cells, megabytes
        Size, as shown in lists.
    cells_per_type
        How many cells of each type are taken unless the caller says otherwise; all without it.
    """

    name: str
    title: str
    citation: str
    licence: str
    files: tuple[SourceFile, ...]
    folder: str
    n_genes: int | None = None
    n_cells: int | None = None
    megabytes: int | None = None
    cells_per_type: int | None = None

    @property
    def is_labelled(self) -> bool:
        """Whether the type of each cell is known."""
        return self.files[0].label is not None


def read_catalogue(path: str | Path | None = None) -> dict[str, CellSet]:
    """Return the sets by name: those of the package, and those of a file of yours.

    Parameters
    ----------
    path
        A TOML file of the schema in docs/how-to/fetch.md; its sets take the place of the
        package's of the same name.

    Raises
    ------
    InputError
        There is no such file, or it is not of the schema; the message names set and key.

    Examples
    --------
    >>> sets = read_catalogue()
    >>> sorted(sets)
    ['fresh-68k-pbmc-donor-a', 'zheng-sorted']
    >>> len(sets["zheng-sorted"].files), sets["zheng-sorted"].licence
    (10, 'CC BY 4.0')
    """
    shipped = files("cellclassifier.fetching").joinpath("catalogue.toml")
    sets = _parse(shipped.read_text(encoding="utf-8"), "the shipped catalogue")
    if path is not None:
        sets |= _parse(_text_of(Path(path)), f"'{path}'")
    return sets


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a UTF-8 text"
        raise InputError(f"the catalogue '{path}' cannot be read: {reason}") from error


def _parse(text: str, where: str) -> dict[str, CellSet]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the catalogue {where} is not TOML: {error}") from error
    return {name: _cell_set(name, table, f"{where}, [{name}]") for name, table in tables.items()}


def _cell_set(name: str, table: object, where: str) -> CellSet:
    _check_name(name, where)
    entry = _checked(table, SET_KEYS, where)
    base = str(entry.pop("base")).rstrip("/")
    if not base.startswith(SCHEMES):
        raise InputError(f"{where}: base is '{base}', but it must begin with https:// or http://")
    _check_relative(str(entry["folder"]), "folder", where)
    tables = entry.pop("files")
    if not isinstance(tables, list) or not tables:
        raise InputError(f"{where} has no files; give one [[{name}.files]] a population")
    sources = tuple(_source_file(table, base, f"{where}, file") for table in tables)
    _check_files(sources, where)
    cell_set = CellSet(name=name, files=sources, **entry)  # type: ignore[arg-type]
    if cell_set.cells_per_type is not None and not cell_set.is_labelled:
        raise InputError(f"{where}: cells_per_type needs files with a label")
    return cell_set


def _source_file(table: object, base: str, where: str) -> SourceFile:
    entry = {key: str(value) for key, value in _checked(table, FILE_KEYS, where).items()}
    where = f"{where} '{entry['name']}'"
    _check_name(entry["name"], where)
    _check_relative(path := entry.pop("path"), "path", where)
    if "sha256" in entry and not SHA256.fullmatch(entry["sha256"]):
        raise InputError(f"{where}: sha256 is '{entry['sha256']}', not 64 hexadecimal digits")
    return SourceFile(address=f"{base}/{path}", **entry)


def _checked(table: object, keys: Mapping[str, tuple[type, bool]], where: str) -> dict[str, object]:
    """Return a table with no key too many, too few, or of another type."""
    if not isinstance(table, dict):
        raise InputError(f"{where} is {table!r}, not a table")
    if unknown := sorted(set(table) - set(keys)):
        raise InputError(f"{where} has unknown keys {shown(unknown)}; known are {shown(keys)}")
    if missing := [key for key, (_, needed) in keys.items() if needed and key not in table]:
        raise InputError(f"{where} lacks {shown(missing)}")
    for key, value in table.items():
        kind = keys[key][0]
        # True is an int to Python
        if type(value) is not kind or value == "" or (isinstance(value, int) and value < 1):
            raise InputError(f"{where}: {key} is {value!r}, not {KINDS[kind]}")
    return dict(table)


def _check_name(name: str, where: str) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"{where}: '{name}' is no name; use small letters, digits, '-' and '_'")


def _check_relative(path: str, key: str, where: str) -> None:
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise InputError(f"{where}: {key} is '{path}', but it must be relative, without '..'")


def _check_files(sources: tuple[SourceFile, ...], where: str) -> None:
    for key, values in (
        ("name", [source.name for source in sources]),
        ("label", [source.label for source in sources if source.label is not None]),
    ):
        twice = [value for value, n in Counter(values).items() if n > 1]
        if twice:
            raise InputError(f"{where}: the {key}s {shown(twice)} stand more than once")
    n_labels = sum(source.label is not None for source in sources)
    if n_labels not in (0, len(sources)):
        raise InputError(
            f"{where}: {n_labels} of {len(sources)} files have a label; give one to all or to none"
        )
