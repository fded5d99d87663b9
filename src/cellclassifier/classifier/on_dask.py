"""Blocks of cells named by the workers of a Dask cluster.

Each worker opens the file itself, settles on the same sample of cells what the client settled, and
writes what it names into the folder of finished blocks. So little more than numbers of blocks goes
over the network, a block that is named twice is the same, and work that ends can go on.
"""

import re
import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from threadpoolctl import threadpool_limits

from cellclassifier.classifier.block_annotator import Asked, BlockAnnotator
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.shifting import ShiftedPredictor
from cellclassifier.data.streaming import KeptBlocks, by_rows, check_unchanged, open_cells
from cellclassifier.data.streaming.kept import Bounds
from cellclassifier.errors import ClusterError, InputError, MissingExtraError
from cellclassifier.modelfile.model import write_model
from cellclassifier.networks import Engine

if TYPE_CHECKING:
    from distributed import Client

# in the folder of finished blocks
MODEL = "model.keras"
# named by a worker before it asks for more: some seconds of work
PART_BLOCKS = 8
# in seconds, for a scheduler to answer and a worker to be there
PATIENCE = 30
# looks in a row that find no worker at work
MAX_EMPTY = 2
# any free port, for the pages of a scheduler that is begun here
LOOPBACK = "127.0.0.1:0"
LOCAL = re.compile(r"local(?::(\d+))?")


@dataclass(frozen=True)
class Job:
    """All that a worker has to know to name blocks; it travels with each part of the work.

    Parameters
    ----------
    before
        The file, and what it was when the work began, see `identity_of`.
    asked
        Of the annotation; shift and depth are those that the client measured.
    folder, mark
        Where finished blocks are kept, and what they are marked by, see `KeptBlocks`. The model
        lies there, too.
    engine
        What runs the network.
    version
        Of this package.
    """

    before: tuple[tuple[str, str | int], ...]
    asked: Asked
    folder: Path
    mark: str
    engine: Engine
    version: str

    @classmethod
    def of(
        cls,
        classifier: CellTypeClassifier,
        asked: Asked,
        shifted: ShiftedPredictor,
        kept: KeptBlocks,
        before: Mapping[str, str | int],
    ) -> "Job":
        """Put a model among the finished blocks, for workers to find."""
        write_model(kept.folder / MODEL, classifier.model_, classifier.check_fitted())
        return cls(
            tuple(before.items()),
            replace(asked, shift=shifted.shift, depth=shifted.depth or 1.0),
            kept.folder.absolute(),
            kept.mark,
            classifier.engine,
            version("cellclassifier"),
        )

    @property
    def cells(self) -> Path:
        """The file."""
        return Path(str(dict(self.before)["path"]))

    def kept(self, bounds: Bounds) -> KeptBlocks:
        """Return some of the blocks, by their first and last cells."""
        return KeptBlocks(self.folder, bounds, self.mark)


def named_on_dask(address: str, job: Job, missing: Bounds) -> Generator[int]:
    """Have blocks named by a cluster; yield how many cells each finished part has.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://host:8786``, or ``local`` or ``local:4`` for processes of
        this machine.
    job
        What is to be done.
    missing
        The first and last cell, not included, of each block.

    Raises
    ------
    ClusterError
        No scheduler or worker answers, or workers are lost again and again.
    MissingExtraError
        Dask is not installed.
    CellClassifierError
        As in `annotate_file`, by a worker.
    """
    parts = [missing[n : n + PART_BLOCKS] for n in range(0, len(missing), PART_BLOCKS)]
    with connected(address) as client:
        futures = client.map(name_part, parts, job=job, pure=False)
        try:
            for future in _finished(client, futures, address):
                yield _result(future, address)
        finally:
            client.cancel(futures)


def _finished(client: "Client", futures: Sequence[Any], address: str) -> Iterator[Any]:
    """Yield each future when it is finished.

    Raises
    ------
    ClusterError
        There are no workers any more.
    """
    from distributed import wait

    waiting, n_empty = set(futures), 0
    while waiting:
        try:
            done, waiting = wait(waiting, timeout=PATIENCE, return_when="FIRST_COMPLETED")
        except TimeoutError:
            # a nanny begins a worker anew where it ends, and so for ever where it cannot begin
            n_empty = 0 if client.nthreads() else n_empty + 1
            if n_empty < MAX_EMPTY:
                continue
            raise ClusterError(
                f"the Dask scheduler at '{address}' has had no worker for {n_empty * PATIENCE} "
                "seconds, and their logs say why: most often they cannot import cellclassifier. "
                "What is named is kept: run the same command again, and it goes on"
            ) from None
        except CancelledError:
            raise _gone(address) from None
        n_empty = 0
        yield from done


@contextmanager
def connected(address: str) -> Iterator["Client"]:
    """Connect to a scheduler that has a worker, or begin processes of this machine.

    Raises
    ------
    ClusterError
        There is none.
    InputError
        `address` is none.
    MissingExtraError
        Dask is not installed.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtraError(
            "a Dask cluster needs the package distributed: pip install 'cellclassifier[dask]'"
        ) from error
    local = LOCAL.fullmatch(address)
    if local is None and "://" not in address:
        raise InputError(
            "a Dask cluster is local, local:4 for four processes of this machine, or the address "
            f"of a scheduler such as tcp://host:8786, not '{address}'"
        )
    with ExitStack() as stack:
        scheduler: Any = address
        if local is not None:
            n_workers = None if local[1] is None else int(local[1])
            with _deaf_to_ctrl_c():
                cluster = LocalCluster(
                    n_workers=n_workers, threads_per_worker=1, dashboard_address=LOOPBACK
                )
            scheduler = stack.enter_context(cluster)
        try:
            client = stack.enter_context(Client(scheduler, timeout=PATIENCE))
            client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"no Dask scheduler with a worker answers at '{address}' within {PATIENCE} "
                "seconds. Begin one with 'dask scheduler' and 'dask worker ADDRESS', or take "
                f"processes of this machine: local:4 ({error})"
            ) from error
        yield client


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Have processes that are begun by threads begun here, now or later, never see Ctrl-C.

    A terminal sends it to all of them, and each would tell where it was interrupted. They are
    ended by this process, which sees it when the block ends.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # where it begins later it lets the signal through again, in the thread that begins workers
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _result(future: Any, address: str) -> int:  # noqa: ANN401  (distributed has no types)
    from distributed import KilledWorker

    try:
        return cast("int", future.result())
    except KilledWorker as error:
        raise ClusterError(
            f"workers of '{address}' were lost again and again at the same cells, most often for "
            f"want of memory: give them more, or less to do at a time (--block-cells) ({error})"
        ) from error
    except CancelledError as error:
        raise _gone(address) from error


def _gone(address: str) -> ClusterError:
    return ClusterError(
        f"the Dask scheduler at '{address}' is gone. What is named is kept: run the same command "
        "again with a scheduler, or without, and it goes on"
    )


def name_part(bounds: Bounds, job: Job) -> int:
    """Name some blocks and keep them; return how many cells they have. Runs in a worker.

    Raises
    ------
    ClusterError
        The worker has another version of this package.
    InputError
        The worker sees another file than the client.
    """
    with _PREPARING:
        worker = _prepared(job)
    kept = job.kept(bounds)
    with threadpool_limits(1, user_api="blas"):
        return sum(worker.annotator.keep(kept, number) for number in range(len(bounds)))


@dataclass(frozen=True, eq=False)
class _Worker:
    """A job, in the process of a worker."""

    annotator: BlockAnnotator
    turned: ExitStack


_PREPARING = Lock()


@lru_cache(maxsize=1)
def _prepared(job: Job) -> _Worker:
    """Open the cells and load the model, once for all parts that this process is given."""
    here = version("cellclassifier")
    if here != job.version:
        raise ClusterError(
            f"a Dask worker has cellclassifier {here}, and the command {job.version}: install the "
            "same version in both places"
        )
    check_unchanged(job.cells, dict(job.before))
    classifier = CellTypeClassifier.load(job.folder / MODEL, engine=job.engine)
    # what has to be turned lies among the finished blocks, and is deleted with them
    turned = ExitStack()
    cells = open_cells(job.cells, genes_in=job.asked.genes_in)
    layer = job.asked.counts_arguments.get("layer")
    by_row = turned.enter_context(by_rows(cells, layer, job.folder))
    return _Worker(BlockAnnotator.of(classifier, by_row, job.asked), turned)
