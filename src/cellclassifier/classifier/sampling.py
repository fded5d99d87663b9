"""The cells that speak for all cells of a query: seeded runs of consecutive ones."""

import numpy as np
import numpy.typing as npt

# some runs all over the file, for files are often in the order of donors or types; and not single
# cells, each of which would cost a compressed file the reading of a whole chunk
N_RUNS, CELLS_PER_RUN = 40, 50
SAMPLE_CELLS = N_RUNS * CELLS_PER_RUN
SEED = 0


def sample_runs(n_cells: int, n_sampled: int | None = None) -> list[slice]:
    """Return runs of consecutive cells, in order; all cells where there are no more than asked for.

    2,000 cells are, unless `n_sampled` says otherwise.

    Examples
    --------
    >>> sample_runs(1_999)
    [slice(0, 1999, None)]
    >>> runs = sample_runs(1_000_000)
    >>> len(runs), sum(run.stop - run.start for run in runs)
    (40, 2000)
    """
    n_sampled = SAMPLE_CELLS if n_sampled is None else n_sampled
    if n_cells <= n_sampled:
        return [slice(0, n_cells)]
    n_runs = n_sampled // CELLS_PER_RUN
    numbers = np.random.default_rng(SEED).permutation(n_cells // CELLS_PER_RUN)[:n_runs]
    starts = np.sort(numbers) * CELLS_PER_RUN
    return [slice(int(start), int(start) + CELLS_PER_RUN) for start in starts]


def sample_rows(n_cells: int) -> npt.NDArray[np.intp]:
    """Return the cells of `sample_runs`, ascending.

    >>> len(sample_rows(1_000_000)), sample_rows(3).tolist()
    (2000, [0, 1, 2])
    """
    return np.concatenate([np.arange(run.start, run.stop) for run in sample_runs(n_cells)])
