"""Minibatches of cells in random order, read from memory or disk some thousand cells at a time."""

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from scipy import sparse

from cellclassifier.data.splitting import Rows
from cellclassifier.training.examples import Examples
from cellclassifier.training.exchange import exchanged
from cellclassifier.training.ranks import ALONE, Ranks

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


def order_of_part(order: Rows, batch_size: int, ranks: Ranks) -> Rows:
    """Return the cells that a process takes of all batches, batch by batch.

    >>> order_of_part(np.arange(10), 4, Ranks(1, 2)).tolist()
    [2, 3, 6, 7, 9]
    """
    n_whole = len(order) // batch_size * batch_size
    whole = order[:n_whole].reshape(-1, batch_size)[:, ranks.part(batch_size)]
    rest = order[n_whole:]
    return np.concatenate([whole.ravel(), rest[ranks.part(len(rest))]])


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
    ranks
        Which process this is: it reads its part of each batch only.
    whole
        Whether it is given the whole batches all the same. On one machine it reads them, which
        another process has just done; on several, processes exchange what they read, the sparse
        rows of some thousand cells at a time.

    Examples
    --------
    >>> cells = Examples(sparse.csr_matrix([[1.0], [2.0]]), np.int32([0, 1]), np.float32([1, 1]))
    >>> with BatchReader(cells, batch_size=1, order=np.array([1, 0])) as reader:
    ...     reader[0].cells.expression.toarray().tolist()
    [[2.0]]
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        order: Rows,
        ranks: Ranks = ALONE,
        *,
        whole: bool = False,
    ) -> None:
        self._examples, self._batch_size = examples, batch_size
        self._given_to = ALONE if whole else ranks
        self._ranks = ALONE if whole and ranks.on_one_machine else ranks
        # batches never lie across two readings
        self._n_read = max(POOL_CELLS // batch_size, 1)
        self._ahead = ThreadPoolExecutor(1)
        self.begin(order)

    def begin(self, order: Rows) -> None:
        """Go on in another order, from its first batch."""
        self._read = order_of_part(order, self._batch_size, self._ranks)
        self._given = order_of_part(order, self._batch_size, self._given_to)
        self._read_bounds = _bounds(len(order), self._batch_size, self._ranks)
        self._given_bounds = _bounds(len(order), self._batch_size, self._given_to)
        self._reading: dict[int, Future[Examples]] = {}
        self._pool: tuple[int, Examples] | None = None
        self._read_ahead(0)

    def __getitem__(self, number: int) -> Batch:
        """Return a batch; they are asked for one after the other."""
        rows = self._given[slice(*self._given_bounds[number : number + 2])]
        window = number // self._n_read
        if self._pool is None or self._pool[0] != window:
            self._pool = window, self._pool_of(window)
        _, pool = self._pool
        first = self._given_bounds[number] - self._given_bounds[window * self._n_read]
        within = slice(first, first + len(rows))
        part = Examples(pool.expression[within], pool.codes[within], pool.cell_weights[within])
        return Batch(rows, part)

    def _pool_of(self, window: int) -> Examples:
        """Return the cells of some batches, as they are given, and begin to read the next ones."""
        self._read_ahead(window)
        reading = self._reading.pop(window, None)
        pool = _no_cells(self._examples) if reading is None else reading.result()
        self._read_ahead(window + 1)
        if self._given_to == self._ranks:
            return pool
        expression = exchanged(pool.expression, self._ranks)
        rows = self._rows_of(window, self._given, self._given_bounds)
        of_each = [Ranks(number, self._ranks.count) for number in range(self._ranks.count)]
        came = np.concatenate([order_of_part(rows, self._batch_size, rank) for rank in of_each])
        by_row = np.argsort(came)
        places = by_row[np.searchsorted(came, rows, sorter=by_row)]
        codes, weights = self._examples.codes[rows], self._examples.cell_weights[rows]
        return Examples(expression[places], codes, weights)

    def _rows_of(self, window: int, order: Rows, bounds: list[int]) -> Rows:
        of_window = bounds[window * self._n_read : (window + 1) * self._n_read + 1]
        return order[of_window[0] : of_window[-1]] if of_window else order[:0]

    def _read_ahead(self, window: int) -> None:
        rows = self._rows_of(window, self._read, self._read_bounds)
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


def _bounds(n_cells: int, batch_size: int, ranks: Ranks) -> list[int]:
    """Return where each batch begins in the order of a process, and where the last one ends."""
    n_whole, rest = divmod(n_cells, batch_size)
    sizes = [batch_size] * n_whole + [rest] * bool(rest)
    of_part = [ranks.part(size).stop - ranks.part(size).start for size in sizes]
    return [0, *accumulate(of_part)]


def _no_cells(examples: Examples) -> Examples:
    nothing = sparse.csr_matrix(np.empty((0, examples.n_genes), dtype=np.float32))
    return Examples(nothing, examples.codes[:0], examples.cell_weights[:0])


def _in_memory(examples: Examples) -> Examples:
    return Examples(examples.expression, examples.codes, examples.cell_weights)
