"""Chunks of zarr, taken from their files as they are and unpacked by whoever needs them.

zarr takes each chunk through an event loop, codecs and copies, which together are several times as
long at work as what unpacks it. Stores that anndata writes need none of this.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from numcodecs import blosc, zstd
from zarr.codecs import BloscCodec, BytesCodec, ZstdCodec
from zarr.storage import LocalStore

from cellclassifier.data.streaming.chunks import parts_of_chunks

# where the head of what Blosc packed, 16 bytes, says how many bytes it was and how many it is
BLOSC_SIZE, BLOSC_PACKED, BLOSC_HEAD = slice(4, 8), slice(12, 16), 16

Array: TypeAlias = Any  # of zarr
Bytes = npt.NDArray[np.uint8]
# writes the bytes of a chunk into those given
Unpack = Callable[[bytes, Bytes], None]


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


@dataclass(frozen=True, eq=False)
class ZarrChunk:
    """A chunk as it is in its file, and where some of its values go.

    Parameters
    ----------
    packed
        The chunk.
    start
        The first one of its values that is wanted.
    out
        Shape (n_values,): where they go.
    length
        How many values there are in the chunk.
    unpack_bytes
        Unpacks it.
    """

    packed: bytes
    start: int
    out: npt.NDArray[Any]
    length: int
    unpack_bytes: Unpack

    def unpack(self) -> None:
        """Write the values to where they go.

        Raises
        ------
        OSError
            The chunk is broken.
        """
        is_whole = len(self.out) == self.length
        values = self.out if is_whole else np.empty(self.length, self.out.dtype)
        try:
            self.unpack_bytes(self.packed, values.view(np.uint8))
        except (RuntimeError, ValueError) as error:
            raise OSError(f"a compressed chunk cannot be unpacked: {error}") from error
        if not is_whole:
            self.out[:] = values[self.start : self.start + len(self.out)]


def take_chunks(
    array: Array, part: slice, out: npt.NDArray[Any], unpack: Unpack
) -> list[ZarrChunk]:
    """Read some values of an array that has an `unpacker_of`, and return those to be unpacked.

    Parameters
    ----------
    array, part, out
        As in `take_deflated`. Chunks that were never written zarr fills in at once.
    unpack
        Of the array.
    """
    (length,), taken = array.chunks, []
    folder = Path(array.store.root) / array.path
    for first, own, to in parts_of_chunks(part, length, out):
        try:
            packed = (folder / array.metadata.encode_chunk_key((first // length,))).read_bytes()
        except FileNotFoundError:
            to[:] = array[own]
        else:
            taken.append(ZarrChunk(packed, own.start - first, to, length, unpack))
    return taken


def _is_order_of_machine(codec: BytesCodec) -> bool:
    return codec.endian is None or codec.endian.value == sys.byteorder


def _unpack_blosc(packed: bytes, out: Bytes) -> None:
    size, of_packed = (
        int.from_bytes(packed[part], "little") for part in (BLOSC_SIZE, BLOSC_PACKED)
    )
    # Blosc itself would read beyond the end of a chunk that was cut off
    if len(packed) < max(BLOSC_HEAD, of_packed):
        raise ValueError(f"{len(packed):,} bytes of it are there in place of {of_packed:,}")
    if size != len(out):
        raise ValueError(f"it has {size:,} bytes in place of {len(out):,}")
    blosc.decompress(packed, out)


def _unpack_zstd(packed: bytes, out: Bytes) -> None:
    unpacked = zstd.decompress(packed)
    if len(unpacked) != len(out):
        raise ValueError(f"it has {len(unpacked):,} bytes in place of {len(out):,}")
    out[:] = np.frombuffer(unpacked, np.uint8)
