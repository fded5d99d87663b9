"""Chunks of zarr, read from their files and unpacked by whoever needs them.

zarr takes each chunk through an event loop, codecs and copies, which together are several times as
long at work as what unpacks it. Stores that anndata writes need none of this.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from numcodecs import blosc, zstd
from zarr.codecs import BloscCodec, BytesCodec, ZstdCodec
from zarr.storage import LocalStore

from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.chunks import parts_of_chunks

# where the head of what Blosc packed, 16 bytes, says how many bytes it was and how many it is
BLOSC_SIZE, BLOSC_PACKED, BLOSC_HEAD = slice(4, 8), slice(12, 16), 16
# chunks of an array that wait for a further block
KEPT = 2

Array: TypeAlias = Any  # of zarr
Bytes = npt.NDArray[np.uint8]
# writes the bytes of a chunk into those given
Unpack = Callable[[Bytes, Bytes], None]


def unpacker_of(array: Array) -> Unpack | None:
    """Return what unpacks the chunks of an array of numbers; None where zarr alone can.

    The chunks are files of their own, with nothing done to them but Blosc or Zstandard.
    """
    is_plain = array.ndim == 1 and array.dtype.kind in "iuf" and array.dtype.isnative
    if not is_plain or not isinstance(array.store, LocalStore):
        return None
    metadata = array.metadata
    if metadata.zarr_format == 2:
        codecs = [*(metadata.filters or ()), metadata.compressor]
    else:
        first, *codecs = metadata.codecs
        if not isinstance(first, BytesCodec) or not _is_order_of_machine(first):
            return None  # shards, say
    if len(codecs) != 1:
        return None
    if isinstance(codecs[0], numcodecs.Blosc | BloscCodec):
        return _unpack_blosc
    return _unpack_zstd if isinstance(codecs[0], numcodecs.Zstd | ZstdCodec) else None


class BorderChunks:
    """Chunks in which one block of cells ends and the next one begins, unpacked for both.

    Of each array the last `KEPT` are held, for blocks are taken nearly in their order.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, Border] = {}
        self._asking = Lock()

    def of(self, path: Path) -> "Border":
        """Return the chunk of a file, which may be unpacked already; several threads may ask."""
        with self._asking:
            border = self._kept.pop(path, None) or Border()
            self._kept[path] = border
            others = [one for one in self._kept if one.parent == path.parent]
            for one in others[:-KEPT]:
                del self._kept[one]
            return border


class Border:
    """The values of a chunk, unpacked by the first one who needs them."""

    def __init__(self) -> None:
        self._values: npt.NDArray[Any] | None = None
        self._unpacking = Lock()

    def values(self, unpack: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return them; others wait for the first one."""
        with self._unpacking:
            if self._values is None:
                self._values = unpack()
            return self._values


@dataclass(frozen=True, eq=False)
class ZarrChunk:
    """A chunk in its file, and where some of its values go.

    Parameters
    ----------
    path
        The file.
    start
        The first one of its values that is wanted.
    out
        Shape (n_values,): where they go.
    length
        How many values there are in the chunk.
    unpack_bytes
        Unpacks it.
    buffers
        What the file is read into.
    borders
        Where values wait that another block may want; None unpacks them for this one alone.
    """

    path: Path
    start: int
    out: npt.NDArray[Any]
    length: int
    unpack_bytes: Unpack
    buffers: Buffers
    borders: BorderChunks | None = None

    def unpack(self) -> None:
        """Read the file, and write the values to where they go.

        Raises
        ------
        OSError
            The chunk is broken.
        """
        if len(self.out) == self.length:
            self._unpack_into(self.out)
            return
        border = Border() if self.borders is None else self.borders.of(self.path)
        self.out[:] = border.values(self._whole)[self.start : self.start + len(self.out)]

    def _whole(self) -> npt.NDArray[Any]:
        values = np.empty(self.length, self.out.dtype)
        self._unpack_into(values)
        return values

    def _unpack_into(self, values: npt.NDArray[Any]) -> None:
        with self.path.open("rb", buffering=0) as file:
            packed = self.buffers.of("packed", os.fstat(file.fileno()).st_size, np.uint8)
            n_read = file.readinto(packed.data)
        try:
            self.unpack_bytes(packed[:n_read], values.view(np.uint8))
        except (RuntimeError, ValueError) as error:
            raise OSError(f"a compressed chunk cannot be unpacked: {error}") from error


def take_chunks(
    array: Array,
    part: slice,
    out: npt.NDArray[Any],
    unpack: Unpack,
    buffers: Buffers,
    borders: BorderChunks | None = None,
) -> list[ZarrChunk]:
    """Find some values of an array that has an `unpacker_of`, and return what is to be unpacked.

    Parameters
    ----------
    array, part, out
        As in `take_deflated`. Chunks that were never written zarr fills in at once.
    unpack
        Of the array.
    buffers, borders
        As in `ZarrChunk`.
    """
    (length,), taken = array.chunks, []
    folder = Path(array.store.root) / array.path
    for first, own, to in parts_of_chunks(part, length, out):
        path = folder / array.metadata.encode_chunk_key((first // length,))
        if path.exists():
            start = own.start - first
            taken.append(ZarrChunk(path, start, to, length, unpack, buffers, borders))
        else:
            to[:] = array[own]
    return taken


def _is_order_of_machine(codec: BytesCodec) -> bool:
    return codec.endian is None or codec.endian.value == sys.byteorder


def _unpack_blosc(packed: Bytes, out: Bytes) -> None:
    size, of_packed = (
        int.from_bytes(packed[part].tobytes(), "little") for part in (BLOSC_SIZE, BLOSC_PACKED)
    )
    # Blosc itself would read beyond the end of a chunk that was cut off
    if len(packed) < max(BLOSC_HEAD, of_packed):
        raise ValueError(f"{len(packed):,} bytes of it are there in place of {of_packed:,}")
    if size != len(out):
        raise ValueError(f"it has {size:,} bytes in place of {len(out):,}")
    blosc.decompress(packed, out)


def _unpack_zstd(packed: Bytes, out: Bytes) -> None:
    unpacked = zstd.decompress(packed)
    if len(unpacked) != len(out):
        raise ValueError(f"it has {len(unpacked):,} bytes in place of {len(out):,}")
    out[:] = np.frombuffer(unpacked, np.uint8)
