"""The members of a model file that hold arrays: ``.npz`` archives, nothing that executes."""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cellclassifier.data import GeneFactors
from cellclassifier.errors import ModelFileError
from cellclassifier.modelfile.adaptation import Adaptation
from cellclassifier.modelfile.sample import ValidationSample
from cellclassifier.trust import ConformalScores, NoveltyModel

Arrays = Mapping[str, npt.NDArray[np.generic]]


class Storable(Protocol):
    """What can be a member: it says which arrays it is made of."""

    def to_arrays(self) -> Arrays:
        """Return the arrays by name."""


@dataclass(frozen=True)
class ArrayMember:
    """A member of named arrays that a model file may have.

    Parameters
    ----------
    field
        The manifest's, None where the file lacks the member.
    holds
        What it holds, in the words of an error.
    max_bytes
        What it may unpack to.
    from_arrays
        Makes the field's value of the arrays and the numbers of genes and types; raises KeyError,
        TypeError or ValueError where it cannot.
    """

    field: str
    holds: str
    max_bytes: int
    from_arrays: Callable[[Arrays, int, int], Storable]

    def read(self, content: bytes, n_genes: int, n_types: int) -> Storable:
        """Return the field's value from the member's content, trusting nothing in it.

        Raises
        ------
        ModelFileError
            It is broken, or does not fit a model of so many genes and types.
        """
        try:
            return self.from_arrays(_stored_arrays(content), n_genes, n_types)
        except (
            KeyError, ValueError, TypeError, OverflowError, MemoryError, EOFError, OSError,
            RuntimeError, zipfile.BadZipFile,
        ) as error:  # fmt: skip
            raise ModelFileError(f"its {self.holds} are broken: {error!r}") from error


def _factors(arrays: Arrays, n_genes: int, _: int) -> GeneFactors:
    return GeneFactors.from_arrays(arrays, n_genes=n_genes)


def _scores(arrays: Arrays, _: int, n_types: int) -> ConformalScores:
    return ConformalScores.from_arrays(arrays, n_types=n_types)


# each by its name in the archive; a new one is a line here and a field of the manifest
ARRAY_MEMBERS: Mapping[str, ArrayMember] = MappingProxyType(
    {
        "validation.npz": ArrayMember(
            "sample", "validation cells", 8 * 2**30, ValidationSample.from_arrays
        ),
        "genes.npz": ArrayMember("factors", "gene factors", 2**30, _factors),
        "shift.npz": ArrayMember(
            "adaptation", "weights for shifted cells", 8 * 2**30, Adaptation.from_arrays
        ),
        "sets.npz": ArrayMember("conformal", "scores of held-out cells", 2**30, _scores),
        "novelty.npz": ArrayMember(
            "novelty", "statistics of known cells", 2**30, NoveltyModel.from_arrays
        ),
    }
)


def to_bytes(value: Storable) -> bytes:
    """Return the content of a member: an ``.npz`` archive, its own members not packed."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = dict(value.to_arrays())
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _stored_arrays(content: bytes) -> Arrays:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        packed = [m.filename for m in archive.infolist() if m.compress_type != zipfile.ZIP_STORED]
    if packed:  # stored members cannot unpack to more than the bytes that are here
        raise ValueError(f"{packed[0]} is packed")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
