"""Memory that is read into again and again."""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

# blocks differ in how many values they have
ROOM = 1.2


class Buffers(threading.local):
    """Memory that a thread reads into again and again.

    To ask the system for other memory for each block costs as much time as to read it, and where
    the library's own notes come to lie between the blocks, what they leave cannot be used again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, npt.NDArray[Any]] = {}

    def of(self, name: str, length: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return `length` values, which the next call with this name in this thread overwrites."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < length or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(int(ROOM * length), dtype)
        return kept[:length]
