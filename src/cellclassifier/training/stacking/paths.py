"""What logistic regression passes through on the way to its optimum."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from scipy.optimize import OptimizeResult

from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.freed_memory import hand_back_freed_memory
from cellclassifier.data.row_sources import NormalisedRows
from cellclassifier.data.splitting import Rows
from cellclassifier.training.examples import Examples
from cellclassifier.training.softmax_loss import DenseWeights, SoftmaxLoss, one_blas_thread

# iterations after which the weights are kept: an early one is regularised in another way than by a
# penalty, and where types are close, or their labels noisy, it is by far the better one
CHECKPOINTS = (12, 20, 30, 60)
# a linear fit gains little from more
MAX_CELLS = 20_000
THREADS_FROM_DISK = 2


@dataclass(frozen=True)
class Head:
    """How one kind of linear head is fitted.

    Parameters
    ----------
    view
        Which of the network's views it looks at.
    penalty
        As in `SoftmaxLoss`.
    gene_scaled
        As in `SoftmaxLoss.of`.
    checkpoints
        The iterations after which its weights are kept, in ascending order.
    balanced
        Whether each type counts the same; otherwise cells count as in the examples.
    """

    view: int
    penalty: float
    gene_scaled: bool = False
    checkpoints: tuple[int, ...] = CHECKPOINTS
    balanced: bool = False


def descent_path(examples: Examples, n_types: int, head: Head) -> list[DenseWeights]:
    """Fit a head by L-BFGS (Liu & Nocedal 1989); return its weights at each checkpoint.

    Where the descent ends before a checkpoint, the end stands for it.

    Parameters
    ----------
    examples
        The head's view of the cells.
    n_types
        How many types there are; some may have no cell.
    head
        What to fit.

    Returns
    -------
    list of DenseWeights
        For expression as it is, one for each checkpoint.
    """
    return _descended(_loss_of(examples, n_types, head), head)


def _loss_of(examples: Examples, n_types: int, head: Head) -> SoftmaxLoss:
    if head.balanced:
        sizes = np.bincount(examples.codes, minlength=n_types)
        weights = (1 / np.maximum(sizes, 1))[examples.codes].astype(np.float32)
        examples = replace(examples, cell_weights=weights)
    # several heads are fitted at once, each on a thread
    return SoftmaxLoss.of(
        examples, n_types, head.penalty, gene_scaled=head.gene_scaled, n_threads=1
    )


def _descended(loss: SoftmaxLoss, head: Head) -> list[DenseWeights]:
    kept: list[DenseWeights] = []
    iteration = 0

    def keep(result: OptimizeResult) -> None:
        nonlocal iteration
        iteration += 1
        if iteration in head.checkpoints:
            kept.append(loss.weights(result.x))

    end = loss.minimise(head.checkpoints[-1], keep)
    return kept + [loss.weights(end)] * (len(head.checkpoints) - len(kept))


def fit_heads(
    views: Sequence[Examples], n_types: int, tasks: Sequence[tuple[Head, Rows]]
) -> list[list[DenseWeights]]:
    """Return the path of each task: a head, and the rows of its view that it is fitted to.

    Parameters
    ----------
    views
        What heads can look at.
    n_types
        How many types there are.
    tasks
        In any order; they are done on all cores.
    """
    # to make a head's matrices takes twice the memory that they take
    making = Lock()

    def fit(task: tuple[Head, Rows]) -> list[DenseWeights]:
        head, rows = task
        with making:
            loss = _loss_of(views[head.view][rows], n_types, head)
        return _descended(loss, head)

    # each holds its cells, twice: where they come from disk, no more of them than memory allows
    from_disk = isinstance(views[0].stored, NormalisedRows)
    n_threads = min(n_cores(), THREADS_FROM_DISK) if from_disk else n_cores()
    hand_back_freed_memory()
    with one_blas_thread(), ThreadPoolExecutor(n_threads) as threads:
        return list(threads.map(fit, tasks))
