"""The members of a model file, read with suspicion and written whole.

A model file is a zip archive: the three members of a ``.keras`` file, those of named arrays that
the model has, and ``cellclassifier.json``, which holds the SHA-256 of all others.
docs/reference/model-format.md specifies it.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from cellclassifier.errors import ModelFileError
from cellclassifier.modelfile.manifest import Manifest
from cellclassifier.modelfile.members import ARRAY_MEMBERS, to_bytes
from cellclassifier.modelfile.safety import parse_json, refuse_foreign_code

MANIFEST = "cellclassifier.json"
ARCHITECTURE, WEIGHTS = "config.json", "model.weights.h5"
KERAS_PARTS = (ARCHITECTURE, "metadata.json", WEIGHTS)
# What a member may unpack to. Weights of a billion parameters fit; a zip bomb does not.
MAX_BYTES: Mapping[str, int] = {
    MANIFEST: 256 * 2**20,
    ARCHITECTURE: 16 * 2**20,
    "metadata.json": 2**20,
    WEIGHTS: 8 * 2**30,
    **{name: member.max_bytes for name, member in ARRAY_MEMBERS.items()},
}
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CHUNK = 2**20


def add_manifest(path: Path, manifest: Manifest) -> Manifest:
    """Add the members of ours to the ``.keras`` file at `path`; return it with its hash."""
    with zipfile.ZipFile(path, "a") as archive:
        for name, member in ARRAY_MEMBERS.items():
            value = getattr(manifest, member.field)
            if value is not None:
                archive.writestr(name, to_bytes(value), compress_type=zipfile.ZIP_DEFLATED)
        parts = {name: _sha256(archive, name) for name in archive.namelist()}
        text = json.dumps(manifest.to_json(parts), indent=1).encode()
        archive.writestr(MANIFEST, text, compress_type=zipfile.ZIP_DEFLATED)
    return replace(manifest, sha256=hashlib.sha256(text).hexdigest())


def read_manifest(path: str | Path) -> Manifest:
    """Check the file at `path`, its hashes included, and return what it says.

    Keras is not needed for this.

    Raises
    ------
    ModelFileError
        The file is missing, broken, changed, of a newer format, or not a model of ours.
    """
    with checked_parts(path) as parts:
        return parts.manifest


def manifest_json(path: str | Path) -> dict[str, Any]:
    """Check the file at `path` like `read_manifest`; return ``cellclassifier.json`` as it is."""
    with checked_parts(path) as parts:
        return parts.content


class CheckedParts(NamedTuple):
    """What a model file says, checked.

    Parameters
    ----------
    manifest, content
        ``cellclassifier.json`` with the arrays of other members, and as it is.
    architecture
        ``config.json``: the network as Keras writes it, parsed.
    read
        Returns another member by its name.
    """

    manifest: Manifest
    content: dict[str, Any]
    architecture: dict[str, Any]
    read: Callable[[str], bytes]


@contextmanager
def checked_parts(path: str | Path) -> Iterator[CheckedParts]:
    """Open the file and check it like `read_manifest`."""
    with _opened(Path(path)) as archive:
        yield _checked(archive)


def _checked(archive: zipfile.ZipFile) -> CheckedParts:
    text = _read(archive, MANIFEST)
    content = parse_json(text, MANIFEST)
    manifest = Manifest.from_json(content, hashlib.sha256(text).hexdigest())
    parts = content.get("parts")
    parts = parts if isinstance(parts, dict) else {}
    for name in sorted({*archive.namelist(), *parts} - {MANIFEST}):
        if name not in archive.namelist():
            raise ModelFileError(f"its part {name} is missing: get the file again")
        if _sha256(archive, name) != parts.get(name):
            raise ModelFileError(
                f"its part {name} is not the one it was written with (SHA-256 differs); "
                "the file was damaged or changed: get it again from its source"
            )
    architecture = parse_json(_read(archive, ARCHITECTURE), ARCHITECTURE)
    refuse_foreign_code(architecture)
    sizes = len(manifest.panel), len(manifest.label_space)
    fields = {
        member.field: member.read(_read(archive, name), *sizes)
        for name, member in ARRAY_MEMBERS.items()
        if name in archive.namelist()
    }
    manifest = replace(manifest, **cast("dict[str, Any]", fields))  # by name: no types
    needs_far = manifest.novelty is not None and manifest.novelty.asks_far
    if needs_far and manifest.adaptation is None:
        raise ModelFileError("its novelty needs weights for shifted cells, which it lacks")
    return CheckedParts(manifest, content, architecture, partial(_read, archive))


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.is_file():
        raise ModelFileError(f"there is no model file '{path}'")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive)
            yield archive
    except ModelFileError as error:
        raise ModelFileError(f"'{path}' cannot be loaded: {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, OSError) as error:
        raise ModelFileError(
            f"'{path}' is not a model file: {error} ({path.stat().st_size:,} bytes); "
            "a .keras file is a zip archive"
        ) from error


def _check_members(archive: zipfile.ZipFile) -> None:
    names = [member.filename for member in archive.infolist()]
    if MANIFEST not in names and set(KERAS_PARTS) <= set(names):
        raise ModelFileError(
            f"it is a Keras model without {MANIFEST}: its genes and labels are not known"
        )
    needed = set(MAX_BYTES) - set(ARRAY_MEMBERS)
    if len(set(names)) < len(names) or not needed <= set(names) <= set(MAX_BYTES):
        raise ModelFileError(
            f"it has the members {names}; it needs {sorted(needed)}, once each, and may have "
            f"{sorted(ARRAY_MEMBERS)}"
        )
    for member in archive.infolist():
        if member.file_size > MAX_BYTES[member.filename]:
            raise ModelFileError(
                f"its part {member.filename} unpacks to {member.file_size:,} bytes, more than "
                f"the {MAX_BYTES[member.filename]:,} allowed"
            )
        if member.compress_type not in COMPRESSIONS:
            raise ModelFileError(
                f"its part {member.filename} is packed by method {member.compress_type}; "
                "a model file's parts are stored or deflated"
            )


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with _member(archive, name) as member:
        return member.read()


def _sha256(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with _member(archive, name) as member:
        while chunk := member.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _member(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    try:
        with archive.open(name) as member:
            yield member
    except (OSError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ModelFileError(f"its part {name} cannot be read: {error}") from error
