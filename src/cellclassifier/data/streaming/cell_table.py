"""The table of cells, of which a few columns and rows are read where they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import zarr
from anndata.io import read_elem

from cellclassifier.data.formats.on_disk import Group


class CellTable(Protocol):
    """What there is in ``obs``."""

    def __len__(self) -> int:
        """Return the number of cells."""
        ...

    @property
    def columns(self) -> list[str]:
        """Their names."""
        ...

    def names(self, start: int, stop: int) -> pd.Index:
        """Return the names of consecutive cells."""
        ...

    def encoded_names(self, start: int, stop: int) -> list[bytes]:
        """Return the names of consecutive cells in UTF-8."""
        ...

    def names_of(self, runs: Sequence[slice]) -> list[str]:
        """Return the names of several runs of cells."""
        ...

    def column(self, key: str) -> pd.Series:
        """Return a column of all cells, its index their numbers."""
        ...


@dataclass(frozen=True, eq=False)
class TableInMemory:
    """A table that was read."""

    obs: pd.DataFrame

    def __len__(self) -> int:
        return len(self.obs)

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return list(self.obs.columns)

    def names(self, start: int, stop: int) -> pd.Index:
        """Return the names of consecutive cells."""
        names: pd.Index = self.obs.index[start:stop]
        return names

    def encoded_names(self, start: int, stop: int) -> list[bytes]:
        """Return the names of consecutive cells in UTF-8."""
        return [str(name).encode() for name in self.names(start, stop)]

    def names_of(self, runs: Sequence[slice]) -> list[str]:
        """Return the names of several runs of cells."""
        return [name for run in runs for name in self.obs.index[run]]

    def column(self, key: str) -> pd.Series:
        """Return a column of all cells, its index their numbers."""
        return self.obs[key].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class TableInFile:
    """A table of AnnData in a file of HDF5 or zarr.

    Parameters
    ----------
    group
        The table, as anndata writes it since 0.7.
    """

    group: Group
    _index: dict[str, Any] = field(default_factory=dict)

    @property
    def _names(self) -> Any:  # noqa: ANN401  (an array of h5py or zarr, or in memory)
        if not self._index:
            node = self.group[self.group.attrs["_index"]]
            # numbers, and texts with values missing, are rare
            is_text = hasattr(node, "shape") and node.dtype.kind in "OSUT"
            self._index["names"] = node if is_text else np.asarray(read_elem(node)).astype(str)
        return self._index["names"]

    def __len__(self) -> int:
        return int(self._names.shape[0])

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return [str(name) for name in self.group.attrs["column-order"]]

    def names(self, start: int, stop: int) -> pd.Index:
        """Return the names of consecutive cells."""
        names = self._names
        if isinstance(names, zarr.Array):
            some = self._from_chunks(names, start, stop)
        else:
            some = (names.asstr() if isinstance(names, h5py.Dataset) else names)[start:stop]
        index: pd.Index = pd.Index(np.asarray(some, dtype=object), dtype=object)
        return index

    def encoded_names(self, start: int, stop: int) -> list[bytes]:
        """Return the names of consecutive cells in UTF-8, in which HDF5 has them."""
        if isinstance(self._names, h5py.Dataset):
            encoded: list[bytes] = self._names[start:stop].tolist()
            b"".join(encoded).decode()  # or there is an error, as in `names`
            return encoded
        return [name.encode() for name in self.names(start, stop)]

    def _from_chunks(self, names: Any, start: int, stop: int) -> Any:  # noqa: ANN401
        """Return names in zarr, which unpacks chunks whole: these wait for the next cells."""
        first, last, unpacked = self._index.get("chunks", (0, 0, None))
        if not first <= start <= stop <= last:
            length = names.chunks[0]
            first, last = start // length * length, min(-(-stop // length) * length, len(self))
            unpacked = names[first:last]
            self._index["chunks"] = first, last, unpacked
        return unpacked[start - first : stop - first]

    def names_of(self, runs: Sequence[slice]) -> list[str]:
        """Return the names of several runs of cells; a chunk of zarr is unpacked once for all."""
        if isinstance(self._names, zarr.Array):
            names: list[str] = np.asarray(self._names.oindex[_numbers(runs)], dtype=object).tolist()
            return names
        return [name for run in runs for name in self.names(run.start, run.stop)]

    def column(self, key: str) -> pd.Series:
        """Return a column of all cells, its index their numbers."""
        return pd.Series(read_elem(self.group[key]))


def rows_of(table: CellTable, runs: Sequence[slice], columns: Sequence[str]) -> pd.DataFrame:
    """Return some columns of runs of cells, under the names of the cells."""
    numbers = _numbers(runs)
    return pd.DataFrame(
        {key: table.column(key).iloc[numbers].array for key in columns},
        index=pd.Index(table.names_of(runs), dtype=object),
    )


def _numbers(runs: Sequence[slice]) -> npt.NDArray[np.intp]:
    return np.concatenate([np.arange(run.start, run.stop, dtype=np.intp) for run in runs])
