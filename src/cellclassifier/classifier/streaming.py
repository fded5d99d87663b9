"""Cells named block by block, from a file to a file."""

import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

from threadpoolctl import threadpool_limits

from cellclassifier.classifier.account import describe_model
from cellclassifier.classifier.block_annotator import Asked, BlockAnnotator, WhenKept
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.on_dask import Job, named_on_dask
from cellclassifier.classifier.streaming_progress import watch_no_cells
from cellclassifier.classifier.trusting import TrustSettings
from cellclassifier.classifier.voters import check_voters, with_votes
from cellclassifier.classifier.voting import VoteSettings
from cellclassifier.data import CountsArguments
from cellclassifier.data.annotations import (
    CONFIDENCE_KEY,
    LABEL_KEY,
    NOVELTY_KEY,
    SET_KEY,
    STATUS_KEY,
)
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.data.streaming import (
    FileAnnotation,
    GatheredCells,
    KeptBlocks,
    Looks,
    Results,
    RowSums,
    by_rows,
    check_unchanged,
    choose_output,
    claimed,
    finish_changes,
    identity_of,
    map_ahead,
    may_be_same,
    old_objects_set_aside,
    open_cells,
    provenance_of,
    sum_of_sample,
)
from cellclassifier.data.streaming.changes import INPUT
from cellclassifier.data.streaming.gathering import LIKELIEST
from cellclassifier.errors import FileFormatError, InputError, InputWarning, OutputError
from cellclassifier.files import wants_room
from cellclassifier.predictions import Predictions
from cellclassifier.training.progress import CellsWatcher

BLOCK_CELLS = 2048
# of what is kept of work that was ended
FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """How the cells of a file are gone through.

    Parameters
    ----------
    block_cells
        How many cells are read and named at a time; None for 2,048. It bounds the memory, and
        changes no result.
    n_threads
        Blocks that are worked on at once, of which one is read; None takes as many as there are
        cores, and two where there is one.
    watch
        Called after each block, with `dask` after some.
    dask
        Have the cells named by a Dask cluster: ``"local:4"`` for four processes of this machine, or
        the address of a scheduler, such as ``"tcp://host:8786"``, whose workers see the file and
        the output under the same paths. None works in this process. It changes no result.
    """

    block_cells: int | None = None
    n_threads: int | None = None
    watch: CellsWatcher = watch_no_cells
    dask: str | None = None

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InputError(f"a block has one cell or more, not {self.block_cells}")

    @property
    def step(self) -> int:
        """The cells of a block."""
        return BLOCK_CELLS if self.block_cells is None else self.block_cells

    def bounds(self, n_cells: int) -> list[tuple[int, int]]:
        """Return the first and last cell, not included, of each block."""
        starts = range(0, n_cells, self.step)
        return [(start, min(start + self.step, n_cells)) for start in starts]


def annotate_file(
    classifier: CellTypeClassifier,
    path: str | Path,
    out: str | Path | None,
    *,
    genes_in: GenesIn | None = None,
    map_orthologs: bool = False,
    shift: float | None = None,
    depth: float | None = None,
    trust: TrustSettings | None = None,
    streaming: Streaming | None = None,
    vote: VoteSettings | None = None,
    **counts: Unpack[CountsArguments],
) -> FileAnnotation:
    """Name the cells of a file and write the names, block by block.

    The labels and probabilities are those of `CellTypeClassifier.classify`, bit by bit, however
    large the blocks are. What depends on the cells as a whole (where the counts are, what was done
    to them, shift and depth) is settled on a seeded sample of them; a later block that contradicts
    it ends the work. Finished blocks are kept in the folder ``OUT.partial`` until all is written: a
    call with the same arguments goes on where another one was ended.

    Parameters
    ----------
    classifier
        Fitted or loaded.
    path
        Any file that `read_cells` reads; ``.h5ad``, ``.zarr`` and 10x ``.h5`` are read in blocks.
    out
        ``.h5ad`` or ``.zarr``: a copy of the cells with the keys of `CellTypeClassifier.annotate`;
        ``.csv``, ``.csv.gz`` or ``.parquet``: the annotations alone; None: into the file itself.
    genes_in
        As in `read_cells`.
    map_orthologs, shift, depth, trust
        As in `CellTypeClassifier.classify`.
    streaming
        How large the blocks are, and who watches.
    vote
        Have clusters of cells vote, once all are named; written into columns of its own.
    **counts
        The keywords of `find_counts`.

    Raises
    ------
    CountsError
        No raw counts can be found or proved, or a block holds others than the sample.
    GeneOverlapError
        Less than a fifth of the model's genes were measured, or those of another species.
    FileFormatError
        The file is of another kind, or broken: the chunk is named.
    InputError
        The file changed while it was read, there are no clusters to vote, or as in
        `CellTypeClassifier.classify`.
    OutputError
        `out` cannot be written, or the disk is full.

    Examples
    --------
    >>> annotate_file(CellTypeClassifier(), "cells.h5ad", "named.h5ad")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.NotFittedError: this classifier knows no types yet: ...
    """
    classifier.check_fitted()
    streaming, path = streaming or Streaming(), Path(path)
    target = path if out is None else Path(out)
    output = choose_output(None if out is None else target)
    trust, of_counts = trust or TrustSettings(), tuple(counts.items())
    asked = Asked(genes_in, map_orthologs, shift, trust, of_counts, depth)
    if out is None and not path.exists():
        open_cells(path)  # which says so
    with ExitStack() as stack:
        folder = stack.enter_context(claimed(target))
        finish_changes(path)
        cells = open_cells(path, genes_in=genes_in)
        output.check(cells)
        check_voters(vote, cells.table)
        before = identity_of(path)
        if out is not None:
            # what is to be changed may still be open, by cells that nobody has any more
            stack.enter_context(old_objects_set_aside())
        cells = stack.enter_context(by_rows(cells, counts.get("layer"), folder))
        annotator = BlockAnnotator.of(classifier, cells, asked)
        sums = RowSums(annotator.settled, before)
        manifest = _manifest(classifier, before, annotator, asked)
        kept = _begin(folder, manifest, streaming.bounds(cells.n_cells), sums)
        named = annotator(annotator.sample, n_cores())
        advice = annotator.advice_on(named)
        model = describe_model(classifier.check_fitted())
        provenance = provenance_of(named, {**model, "advice": advice})
        results = Results(kept, named.label_space, provenance, cells.table)
        gathered = GatheredCells(kept)
        # who votes is known when all are named
        ahead = results if vote is None else None
        with _kept_on_failure(kept), output.begun(cells, ahead) as writing:
            if streaming.dask is None:
                told = gathered.add, writing.add
                parts = _named_here(annotator, kept, streaming.n_threads, told)
            else:
                job = Job.of(classifier, asked, annotator.shifted, kept, before)
                missing = [kept.bounds[number] for number in kept.missing()]
                parts = named_on_dask(streaming.dask, job, missing)
            # what threads are at when it ends is kept before the folder is let go of
            with _of_one_file(path, before, kept, sums), closing(parts):
                _watch(parts, kept, streaming.watch, Looks(path, before))
                results, said = with_votes(results, vote, annotator.view, annotator.settled)
            writing.finish(results)
        return replace(_end(target, named, annotator, gathered, advice), vote=said)


def _manifest(
    classifier: CellTypeClassifier,
    before: Mapping[str, str | int],
    annotator: BlockAnnotator,
    asked: Asked,
) -> Mapping[str, Any]:
    """Return what blocks are made of, and with."""
    return {
        "format": FORMAT,
        INPUT: before,
        "sample": sum_of_sample(annotator.settled, annotator.sample),
        # a model that is not in a file is never the same again
        "model": classifier.check_fitted().sha256 or f"not saved, {uuid4().hex}",
        "settings": asked.to_json(),
        "version": version("cellclassifier"),
    }


def _begin(
    folder: Path, manifest: Mapping[str, Any], bounds: list[tuple[int, int]], sums: RowSums
) -> KeptBlocks:
    """Return the blocks that are kept from an earlier call of the same kind, or none."""
    kept, note = KeptBlocks.begin(folder, manifest, bounds, sums.retain)
    if note:
        warnings.warn(f"began anew, not where '{folder}' ends: {note}", InputWarning, 3)
    return kept


def _end(
    target: Path,
    named: Predictions,
    annotator: BlockAnnotator,
    gathered: GatheredCells,
    advice: str,
) -> FileAnnotation:
    """Return what came of the cells, and delete the blocks."""
    told = gathered.wholes()
    annotation = FileAnnotation(
        target,
        named.label_space,
        told[LABEL_KEY],
        told[CONFIDENCE_KEY],
        named.gene_coverage,
        named.shift,
        annotator.settled.evidence,
        told.get(STATUS_KEY),
        advice,
        told[LIKELIEST],
        told.get(SET_KEY),
        told.get(NOVELTY_KEY),
        none_unknown=annotator.judge.none_unknown,
    )
    gathered.kept.remove()
    return annotation


def _watch(parts: Iterator[int], kept: KeptBlocks, watch: CellsWatcher, looks: Looks) -> None:
    """Have all parts of the work done, which tell how many cells each had."""
    n_done, n_cells = kept.n_cells_done(kept.missing()), kept.n_cells_done([])
    watch(n_done, n_cells)
    for n_named in parts:
        n_done += n_named
        watch(n_done, n_cells)
        looks.look()


def _named_here(
    annotator: BlockAnnotator,
    kept: KeptBlocks,
    n_threads: int | None,
    told: Sequence[WhenKept],
) -> Generator[int]:
    """Name the blocks that are not kept yet, several at once, and tell of each."""

    def name(number: int) -> int:
        return annotator.keep(kept, number, *told)

    # what runs without Keras has no use for BLAS, of which to find all copies takes a while
    has_blas = not annotator.shifted.adapts
    with threadpool_limits(1, user_api="blas") if has_blas else nullcontext():
        yield from map_ahead(name, kept.missing(), n_threads or max(n_cores(), 2))


@contextmanager
def _kept_on_failure(kept: KeptBlocks) -> Iterator[None]:
    """Say of work that is ended how it goes on; leave nothing where nothing was done."""
    try:
        yield
    except KeyboardInterrupt:
        told = kept.told()
        kept.remove_if_empty()
        raise KeyboardInterrupt(
            f"interrupted: {told}; run the same command again, and it goes on"
        ) from None
    except OutputError as error:
        if kept.is_empty():
            kept.remove()
            raise
        room = "make room and " if wants_room(error) else ""
        raise OutputError(
            f"{error}. {kept.told()}: {room}run the same command again, and it goes on"
        ) from error
    except BaseException:
        kept.remove_if_empty()
        raise


@contextmanager
def _of_one_file(
    path: Path, before: Mapping[str, str | int], kept: KeptBlocks, sums: RowSums
) -> Iterator[None]:
    """Have all that is read come from one file; what looks broken in one that changes is not."""
    try:
        yield
    except FileFormatError as error:
        _check_unchanged(path, before, kept)
        if kept.is_empty():
            raise
        sums.note(kept)
        _check_unchanged(path, before, kept)
        raise FileFormatError(
            f"{error}. {kept.told()}: with the whole file in its place the same command goes on"
        ) from error
    except InputError:
        _check_unchanged(path, before, kept)
        raise
    _check_unchanged(path, before, kept)


def _check_unchanged(path: Path, before: Mapping[str, str | int], kept: KeptBlocks) -> None:
    """Refuse a file that changed; what was done stays where it may be the same file."""
    try:
        check_unchanged(path, before)
    except InputError as error:
        is_other = path.exists() and not may_be_same(before, identity_of(path))
        if kept.is_empty() or is_other:
            kept.remove()  # blocks of two files
            raise
        kept.doubt()
        raise InputError(f"{error}. {kept.told()}: those of the same counts stay") from error
