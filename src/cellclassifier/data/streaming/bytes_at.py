"""Bytes of a file at a place, all that were asked for."""

from typing import IO


def read_at(file: IO[bytes], place: int, n_bytes: int) -> bytes:
    """Read so many bytes, or up to the end."""
    file.seek(place)
    parts = []
    while n_bytes and (part := file.read(n_bytes)):
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)


def write_at(file: IO[bytes], place: int, content: memoryview) -> None:
    """Write all of it."""
    file.seek(place)
    while len(content):
        content = content[file.write(content) :]
