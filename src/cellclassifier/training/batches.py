"""Minibatches of cells in random order, read from memory or disk some thousand cells at a time."""

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from cellclassifier.data.splitting import Rows
from cellclassifier.training.examples import Examples

# Consecutive cells are read together, and as many such runs are mixed: single rows from all over a
# file would take a disk a thousand times as long.
RUN_CELLS, RUNS_MIXED = 64, 64
POOL_CELLS = RUN_CELLS * RUNS_MIXED


def mixed_order(n_cells: int, rng: np.random.Generator) -> Rows:
    """Return all cells in random order, in which some thousand come from few places of a file.

    Runs of 64 consecutive cells come in random order, and the cells of 64 runs are shuffled
    together; no more than 4,096 cells are shuffled altogether. Where a run is shorter, at the end
    of a file, it comes last.

    >>> order = mixed_order(10_000, np.random.default_rng(0))
    >>> bool(np.array_equal(np.sort(order), np.arange(10_000)))
    True
    >>> len(np.unique(order[:4096] // 64))
    64
    """
    if n_cells <= POOL_CELLS:
        return rng.permutation(n_cells)
    n_runs = n_cells // RUN_CELLS
    starts = rng.permutation(n_runs) * RUN_CELLS
    cells = (starts[:, None] + np.arange(RUN_CELLS)).ravel()
    n_pooled = len(cells) // POOL_CELLS * POOL_CELLS
    pools = rng.permuted(cells[:n_pooled].reshape(-1, POOL_CELLS), axis=1)
    rest = np.concatenate([cells[n_pooled:], np.arange(n_runs * RUN_CELLS, n_cells)])
    return np.concatenate([pools.ravel(), rng.permutation(rest)])


class Batch(NamedTuple):
    """Some cells in memory, and which they are."""

    rows: Rows
    cells: Examples


class BatchReader:
    """Batches of cells in some order; while some thousand are used, the next ones are read.

    Parameters
    ----------
    examples
        The cells.
    batch_size
        Of each batch but the last.
    order
        Shape (n_cells,).

    Examples
    --------
    >>> from scipy import sparse
    >>> cells = Examples(sparse.csr_matrix([[1.0], [2.0]]), np.int32([0, 1]), np.float32([1, 1]))
    >>> with BatchReader(cells, batch_size=1, order=np.array([1, 0])) as reader:
    ...     reader[0].cells.expression.toarray().tolist()
    [[2.0]]
    """

    def __init__(self, examples: Examples, batch_size: int, order: Rows) -> None:
        self._examples, self._batch_size = examples, batch_size
        # batches never lie across two readings
        self._step = max(POOL_CELLS // batch_size, 1) * batch_size
        self._ahead = ThreadPoolExecutor(1)
        self.begin(order)

    def begin(self, order: Rows) -> None:
        """Go on in another order, from its first batch."""
        self._order = order
        self._reading: dict[int, Future[Examples]] = {}
        self._read_ahead(0)

    def __getitem__(self, number: int) -> Batch:
        """Return a batch; they are asked for one after the other."""
        first = number * self._batch_size
        rows = self._order[first : first + self._batch_size]
        window = first // self._step
        self._read_ahead(window)
        pool = self._reading[window].result()
        self._read_ahead(window + 1)
        self._reading = {n: read for n, read in self._reading.items() if n >= window}
        within = slice(first - window * self._step, first - window * self._step + len(rows))
        part = Examples(pool.expression[within], pool.codes[within], pool.cell_weights[within])
        return Batch(rows, part)

    def _read_ahead(self, window: int) -> None:
        rows = self._order[window * self._step : (window + 1) * self._step]
        if len(rows) and window not in self._reading:
            self._reading[window] = self._ahead.submit(_in_memory, self._examples[rows])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ahead.shutdown(cancel_futures=True)


def _in_memory(examples: Examples) -> Examples:
    return Examples(examples.expression, examples.codes, examples.cell_weights)
