"""What kept blocks were made of, so that they outlast the repair of a file that broke.

A file that was copied anew has another time of change, and may hold other cells. So when a file
turns out to be broken, sums of the rows of each kept block are taken, from the file as it is; then
the next call reads the same rows of the file that it finds, and keeps what was made of equal ones.
Nothing of this is done while cells are named.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from cellclassifier.data.counts.raw import RawCounts
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.streaming.kept import KeptBlocks, write_text
from cellclassifier.data.streaming.settling import SettledCounts
from cellclassifier.errors import InputError

# among the kept blocks
SUMS = "made_of.json"
SAMPLE = "sample"


@dataclass(frozen=True, eq=False)
class RowSums:
    """Sums of the rows that blocks are made of, and of all that was settled for them.

    Parameters
    ----------
    settled
        Where the counts are.
    sample
        What that was settled on.
    runs
        Where the sample's cells are.
    """

    settled: SettledCounts
    sample: RawCounts
    runs: Sequence[slice]

    def note(self, kept: KeptBlocks) -> None:
        """Write down of what the blocks were made that are kept; those of rows now broken are not.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        missing = set(kept.missing())
        sums = {SAMPLE: self._of_sample()}
        for number, (start, stop) in enumerate(kept.bounds):
            if number not in missing:
                try:
                    sums[str(number)] = self._of_rows(start, stop)
                except InputError:
                    continue
        write_text(kept.folder / SUMS, json.dumps(sums))

    def retain(self, kept: KeptBlocks) -> bool:
        """Delete the blocks that were made of other rows; say whether others may be kept.

        They may not where nothing was noted, or where what all cells are named by has changed.
        """
        try:
            noted = json.loads((kept.folder / SUMS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if noted[SAMPLE] != self._of_sample():
            return False
        for number, (start, stop) in enumerate(kept.bounds):
            if not self._is(noted.get(str(number)), start, stop):
                kept.discard(number)
        # what is noted holds for the blocks of this moment
        (kept.folder / SUMS).unlink()
        return True

    def _is(self, noted: str | None, start: int, stop: int) -> bool:
        try:
            return noted is not None and noted == self._of_rows(start, stop)
        except InputError:  # it is broken there, and says so when its turn comes
            return False

    def _of_rows(self, start: int, stop: int) -> str:
        digest = hashlib.blake2b(digest_size=16)
        _add_rows(digest, self.settled.cells.rows(self.settled.place, start, stop))
        return digest.hexdigest()

    def _of_sample(self) -> str:
        """Return a sum of the sample, the genes, the place, and library sizes that are given."""
        settled, digest = self.settled, hashlib.blake2b(digest_size=16)
        texts = [settled.place, settled.evidence, settled.is_estimated, *_texts(settled.columns)]
        digest.update(json.dumps(texts).encode())
        for run in self.runs:
            _add_rows(digest, settled.cells.rows(settled.place, run.start, run.stop))
        digest.update(np.ascontiguousarray(self.sample.library_size).data)
        if settled.given is not None:
            digest.update(np.ascontiguousarray(settled.given).data)
        return digest.hexdigest()


def _add_rows(digest: "hashlib.blake2b", rows: sparse.csr_matrix) -> None:
    digest.update(np.diff(rows.indptr).astype(np.int64).data)
    digest.update(rows.indices.astype(np.int64).data)
    digest.update(np.ascontiguousarray(rows.data).data)


def _texts(genes: GenePanel) -> list[list[str]]:
    return [genes.ensembl_ids.tolist(), genes.symbols.tolist()]
