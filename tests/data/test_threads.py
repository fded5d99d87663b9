"""Blocks of cells on threads."""

import threading

import pytest

from cellclassifier.data.threads import for_blocks


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("n_cells", [0, 1, 4, 9])
def test_each_cell_is_worked_on_once(n_cells, n_threads):
    seen = [0] * n_cells

    def work(rows):
        for row in range(rows.start, rows.stop):
            seen[row] += 1

    for_blocks(work, n_cells, 4, n_threads)
    assert seen == [1] * n_cells


def test_blocks_are_worked_on_at_once():
    both = threading.Barrier(2, timeout=30)
    for_blocks(lambda _: both.wait(), 8, 4, n_threads=2)


def test_what_a_block_raises_is_raised():
    def work(rows):
        if rows.start == 4:
            raise ValueError("the second block")

    for n_threads in (1, 2):
        with pytest.raises(ValueError, match="the second block"):
            for_blocks(work, 12, 4, n_threads)
