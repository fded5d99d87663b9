"""Arrays of HDF5 that are compressed by gzip, taken as they are and unpacked by whoever needs them.

HDF5 unpacks one chunk at a time, for one thread, and takes longer for it than naming the cells
does. Its files are read by one thread at a time; what was read can be unpacked by several.
"""

from dataclasses import dataclass
from typing import Any, cast

import h5py
import numpy as np
import numpy.typing as npt

from cellclassifier.data.streaming.chunks import filters_of, parts_of_chunks

try:
    from isal import isal_zlib as gzip_library  # several times as fast
except ImportError:  # it was left out, where there is no wheel
    import zlib as gzip_library  # type: ignore[no-redef]

SHUFFLE, DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
# what the library says of bytes that are not its own
BROKEN = cast("tuple[type[Exception], ...]", (gzip_library.error, ValueError))


def is_deflated(array: h5py.Dataset) -> bool:
    """Whether chunks of numbers are compressed by gzip, with or without the shuffle, no more."""
    return filters_of(array) in ([DEFLATE], [SHUFFLE, DEFLATE])


@dataclass(frozen=True, eq=False)
class Deflated:
    """A chunk as it is in the file, and where some of its values go.

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
    is_shuffled
        Whether the first bytes of all values stand before their second ones.
    """

    packed: bytes
    start: int
    out: npt.NDArray[Any]
    length: int
    is_shuffled: bool

    def unpack(self) -> None:
        """Write the values to where they go.

        Raises
        ------
        OSError
            The chunk is broken.
        """
        width = self.out.dtype.itemsize
        try:
            unpacked = gzip_library.decompress(self.packed)
        except BROKEN as error:
            raise OSError(f"a compressed chunk cannot be unpacked: {error}") from error
        if len(unpacked) != self.length * width:
            raise OSError(
                f"a compressed chunk has {len(unpacked):,} bytes in place of "
                f"{self.length * width:,}"
            )
        if self.is_shuffled:
            unpacked = np.frombuffer(unpacked, np.uint8).reshape(width, -1).T.tobytes()
        values = np.frombuffer(unpacked, self.out.dtype)
        self.out[:] = values[self.start : self.start + len(self.out)]


def take_deflated(array: h5py.Dataset, part: slice, out: npt.NDArray[Any]) -> list[Deflated]:
    """Read some values of an array that `is_deflated`, and return those that are to be unpacked.

    Chunks that were not compressed, or never written, HDF5 reads at once.

    Parameters
    ----------
    array
        The array.
    part
        Which of its values.
    out
        Shape (n_values,), of the type of the array: where they go.

    Raises
    ------
    OSError
        The file is broken there.
    """
    (length,), is_shuffled, taken = array.chunks, array.shuffle, []
    for first, own, to in parts_of_chunks(part, length, out):
        try:
            skipped, packed = array.id.read_direct_chunk((first,))
        except (OSError, RuntimeError, ValueError):
            skipped, packed = 1, b""  # HDF5 knows what to do, or what to say
        if skipped:
            array.read_direct(to, own)
        else:
            taken.append(Deflated(packed, own.start - first, to, length, is_shuffled))
    return taken
