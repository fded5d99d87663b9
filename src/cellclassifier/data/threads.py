"""Work on blocks of cells, several at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def for_blocks(
    work: Callable[[slice], None], n_cells: int, block_cells: int, n_threads: int
) -> None:
    """Call `work` on the rows of one block of cells after the other, on some threads.

    Worth it for what lets go of the interpreter's lock, as compiled functions do. The first error
    ends the rest.

    Parameters
    ----------
    work
        Takes the rows of a block; what it makes of them is its own affair.
    n_cells, block_cells
        In all, and in a block.
    n_threads
        How many blocks are worked on at once.

    Examples
    --------
    >>> for_blocks(print, 5, 2, n_threads=1)
    slice(0, 2, None)
    slice(2, 4, None)
    slice(4, 5, None)
    """
    blocks = [
        slice(start, min(start + block_cells, n_cells)) for start in range(0, n_cells, block_cells)
    ]
    if n_threads == 1 or len(blocks) <= 1:
        for block in blocks:
            work(block)
        return
    with ThreadPoolExecutor(n_threads) as threads:
        for _ in threads.map(work, blocks):
            pass  # which raises what was raised
