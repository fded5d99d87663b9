import ctypes
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from cellclassifier.data import freed_memory
from cellclassifier.data.freed_memory import hand_back_freed_memory

has_gnu = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


def megabytes():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@pytest.mark.skipif(not has_gnu, reason="needs the GNU C library")
def test_freed_pieces_are_handed_back():
    pieces = [np.ones(2**13, np.float64) for _ in range(3000)]  # small enough to be kept for later
    kept = pieces[::100]
    full = megabytes()
    del pieces
    hand_back_freed_memory()
    assert full - megabytes() > 150
    assert all(piece.sum() == 2**13 for piece in kept)


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_other_libraries_are_left_alone(monkeypatch, error):
    def no_library(_):
        raise error

    monkeypatch.setattr(freed_memory.ctypes, "CDLL", no_library)
    assert hand_back_freed_memory() is False
