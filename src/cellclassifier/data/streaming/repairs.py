"""What kept blocks were made of, so that they outlast a change of the file.

A file that was copied anew has another time of change, and may hold other cells. So when a file
turns out to be broken, sums of the rows of each kept block are taken, from the file as it is; then
the next call reads the same rows of the file that it finds, and keeps what was made of equal ones.

A file of which nothing but the time changed is most often the same, and nobody knew beforehand that
it would be touched. For that each block keeps a sum of what costs next to nothing while it is at
hand: the counts and genes of each cell, in number, and some of its values. The cells that all was
settled on are compared value by value, in the manifest.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import isal_zlib
from scipy import sparse

from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.counts.raw import RawCounts
from cellclassifier.data.streaming.ahead import map_ahead
from cellclassifier.data.streaming.identity import may_be_same
from cellclassifier.data.streaming.kept import KeptBlocks, write_text
from cellclassifier.data.streaming.settling import SettledCounts
from cellclassifier.errors import InputError

# among the kept blocks
SUMS = "made_of.json"
# among the arrays of a block: shape (16,), uint8
MADE_OF = "made_of"
# one value of so many, and its gene, is in the sum that each block keeps
EVERY = 1024


def sum_of(block: RawCounts) -> npt.NDArray[np.uint8]:
    """Return a sum of a block of cells; two blocks that differ have another, but for few cases.

    Examples
    --------
    >>> block = RawCounts(sparse.csr_matrix([[1, 0, 2]]), np.array([3.0]), None, ["a"], "")
    >>> sum_of(block).shape
    (16,)
    """
    counts, digest = block.counts, hashlib.blake2b(digest_size=16)
    digest.update(np.diff(counts.indptr).astype(np.int32).data)
    digest.update(np.ascontiguousarray(block.library_size).data)
    digest.update(counts.indices[::EVERY].astype(np.int64).data)
    digest.update(np.ascontiguousarray(counts.data[::EVERY]).data)
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def sum_of_sample(settled: SettledCounts, sample: RawCounts) -> str:
    """Return a sum of the sample, the genes, the place, and library sizes that are given."""
    digest = hashlib.blake2b(digest_size=16)
    columns, counts = settled.columns, sample.counts
    told = settled.place, settled.evidence, str(settled.is_estimated)
    texts = *told, *columns.ensembl_ids, *columns.symbols
    digest.update("\n".join(texts).encode())
    digest.update(counts.indptr.astype(np.int64).data)
    for values in (counts.indices, counts.data):  # large, and summed many times as fast so
        digest.update(isal_zlib.crc32(np.ascontiguousarray(values).data).to_bytes(4, "little"))
    digest.update(np.ascontiguousarray(sample.library_size).data)
    if settled.given is not None:
        digest.update(np.ascontiguousarray(settled.given).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class RowSums:
    """Sums of the rows that blocks are made of.

    Parameters
    ----------
    settled
        Where the counts are.
    made_of
        The file, see `identity_of`.
    """

    settled: SettledCounts
    made_of: Mapping[str, Any]

    def note(self, kept: KeptBlocks) -> None:
        """Write down of what the blocks were made that are kept; those of rows now broken are not.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        missing, sums = set(kept.missing()), {}
        for number, (start, stop) in enumerate(kept.bounds):
            if number not in missing:
                try:
                    sums[f"{start}-{stop}"] = self._of_rows(start, stop)
                except InputError:
                    continue
        write_text(kept.folder / SUMS, json.dumps(sums))

    def retain(self, kept: KeptBlocks, made_of: Mapping[str, Any]) -> bool:
        """Delete the blocks that were made of other rows; say whether others may be kept.

        They may where their rows were noted, or where nothing but the time of the file changed.
        """
        noted = self._noted(kept)
        if noted is None and not may_be_same(made_of, self.made_of):
            return False

        def is_same(number: int) -> bool:
            start, stop = kept.bounds[number]
            try:
                if noted is not None:
                    return noted.get(f"{start}-{stop}") == self._of_rows(start, stop)
                return np.array_equal(
                    kept.block(number)[MADE_OF], sum_of(self.settled.block(start, stop))
                )
            except InputError:  # it is broken there, and says so when its turn comes
                return False
            except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
                return False  # the block is

        there = kept.there()
        for number, same in zip(there, map_ahead(is_same, there, n_cores()), strict=True):
            if not same:
                kept.discard(number)
        # what is noted holds for the blocks of this moment
        (kept.folder / SUMS).unlink(missing_ok=True)
        return True

    def _noted(self, kept: KeptBlocks) -> dict[str, str] | None:
        try:
            noted: dict[str, str] = json.loads((kept.folder / SUMS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return noted

    def _of_rows(self, start: int, stop: int) -> str:
        digest = hashlib.blake2b(digest_size=16)
        _add_rows(digest, self.settled.cells.rows(self.settled.place, start, stop))
        return digest.hexdigest()


def _add_rows(digest: "hashlib.blake2b", rows: sparse.csr_matrix) -> None:
    digest.update(np.diff(rows.indptr).astype(np.int64).data)
    digest.update(rows.indices.astype(np.int64).data)
    digest.update(np.ascontiguousarray(rows.data).data)
