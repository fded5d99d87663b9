"""Cells named block by block, from a file to a file."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, Unpack
from uuid import uuid4

from threadpoolctl import threadpool_limits

from cellclassifier.classifier.account import describe_model
from cellclassifier.classifier.comparison import QueryComparison
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.sampling import sample_runs
from cellclassifier.classifier.shifting import ShiftedPredictor, adapt
from cellclassifier.classifier.streaming_progress import CellsWatcher, watch_no_cells
from cellclassifier.classifier.trusting import Judge, TrustSettings
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import CountsArguments, RawCounts, match_genes
from cellclassifier.data.annotations import CONFIDENCE_KEY, LABEL_KEY, STATUS_KEY
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.data.streaming import (
    FileAnnotation,
    KeptBlocks,
    Results,
    SettledCounts,
    by_rows,
    check_unchanged,
    choose_output,
    finish_changes,
    identity_of,
    map_ahead,
    open_cells,
    provenance_of,
    to_arrays,
)
from cellclassifier.errors import InputError, InputWarning
from cellclassifier.networks import WideDeepOutput, choose_predictor
from cellclassifier.predictions import Predictions

BLOCK_CELLS = 2048


@dataclass(frozen=True, eq=False)
class BlockAnnotator:
    """Names blocks of cells, all by what was settled on a sample of them.

    Parameters
    ----------
    view
        The sample, as the model sees it.
    shifted
        The network, adapted to the shift.
    judge
        Says what labels are worth.
    """

    view: ModelView
    shifted: ShiftedPredictor
    judge: Judge
    _one_at_a_time: Lock = field(default_factory=Lock)

    @classmethod
    def of(
        cls,
        classifier: CellTypeClassifier,
        settled: SettledCounts,
        sample: RawCounts,
        *,
        map_orthologs: bool = False,
        shift: float | None = None,
        trust: TrustSettings | None = None,
    ) -> "BlockAnnotator":
        """Match the genes, and measure the shift where it is not given.

        Raises
        ------
        GeneOverlapError
            Less than a fifth of the model's genes were measured, or those of another species.
        InputError
            `shift` is negative or not a number.
        """
        manifest = classifier.check_fitted()
        match = match_genes(settled.genes, manifest.panel, map_orthologs=map_orthologs)
        view = ModelView(manifest, sample, settled.spread(match))
        moments = None if manifest.adaptation is None else manifest.adaptation.moments
        predict = choose_predictor(classifier.model_, classifier.engine, moments)
        shifted = adapt(view, predict, shift)
        return cls(view, shifted, Judge.of(view, trust, shifted.shift))

    def __call__(self, block: RawCounts) -> Predictions:
        """Return what the classifier says of a block; several threads may ask at once."""
        return self.judge(block, self._said_of(block))

    def _said_of(self, block: RawCounts) -> WideDeepOutput:
        if self.shifted.shift is not None:
            return self.shifted.predict(block)
        with self._one_at_a_time:  # Keras has all cores for itself
            return self.shifted.predict(block)

    def check_libraries(self, block: RawCounts) -> None:
        """Refuse library sizes that are sums of counts here, and were not in the sample.

        Raises
        ------
        InputError
            They are, or the reverse; they say whether the missing genes were counted.
        """
        if replace(self.view, raw=block).library_factor != self.view.library_factor:
            raise InputError(
                "the library sizes given are the sums of the counts in some cells and not in "
                f"others, such as {block.cell_names[:3].tolist()}: they have to be of all genes "
                "or of those present, for all cells"
            )


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
        Called after each block.
    """

    block_cells: int | None = None
    n_threads: int | None = None
    watch: CellsWatcher = watch_no_cells

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
    trust: TrustSettings | None = None,
    streaming: Streaming | None = None,
    **counts: Unpack[CountsArguments],
) -> FileAnnotation:
    """Name the cells of a file and write the names, block by block.

    The labels and probabilities are those of `CellTypeClassifier.classify`, bit by bit, however
    large the blocks are. What depends on the cells as a whole (where the counts are, what was done
    to them, the shift) is settled on a seeded sample of them; a later block that contradicts it
    ends the work. Finished blocks are kept in the folder ``OUT.partial`` until all is written: a
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
    map_orthologs, shift, trust
        As in `CellTypeClassifier.classify`.
    streaming
        How large the blocks are, and who watches.
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
        The file changed while it was read, or as in `CellTypeClassifier.classify`.
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
    finish_changes(path)
    cells = open_cells(path, genes_in=genes_in)
    output.check(cells)
    before = identity_of(path)
    asked = {"genes_in": genes_in, "map_orthologs": map_orthologs, "shift": shift, **counts}
    asked["trust"] = asdict(trust or TrustSettings())
    with by_rows(cells, counts.get("layer"), target.absolute().parent) as cells:
        settled, sample = SettledCounts.of(cells, sample_runs(cells.n_cells), **counts)
        annotator = BlockAnnotator.of(
            classifier, settled, sample, map_orthologs=map_orthologs, shift=shift, trust=trust
        )
        kept = _begin(classifier, target, before, asked, streaming.bounds(cells.n_cells))
        named = annotator(sample)
        advice = str(QueryComparison.of(annotator.view, sample, named))
        model = describe_model(classifier.check_fitted())
        provenance = provenance_of(named, {**model, "advice": advice})
        results = Results(kept, named.label_space, provenance, cells.table)
        with _kept_on_failure(kept), output.begun(cells) as finish:
            _name_blocks(settled, annotator, kept, streaming)
            _check_unchanged(path, before, kept)
            finish(results)
        return _end(target, named, settled, kept, advice)


def _begin(
    classifier: CellTypeClassifier,
    target: Path,
    before: Mapping[str, str | int],
    asked: Mapping[str, Any],
    bounds: list[tuple[int, int]],
) -> KeptBlocks:
    """Return the blocks that are kept from an earlier call of the same kind, or none."""
    manifest = {
        "input": before,
        # a model that is not in a file is never the same again
        "model": classifier.check_fitted().sha256 or f"not saved, {uuid4().hex}",
        "settings": {**asked, "block_cells": bounds[0][1] - bounds[0][0]},
        "version": version("cellclassifier"),
    }
    folder = target.with_name(f"{target.name}.partial")
    kept, note = KeptBlocks.begin(folder, manifest, bounds)
    if note:
        warnings.warn(f"began anew, not where '{folder}' ends: {note}", InputWarning, 3)
    return kept


def _end(
    target: Path, named: Predictions, settled: SettledCounts, kept: KeptBlocks, advice: str
) -> FileAnnotation:
    """Return what came of the cells, and delete the blocks."""
    annotation = FileAnnotation(
        target,
        named.label_space,
        kept.whole(LABEL_KEY),
        kept.whole(CONFIDENCE_KEY),
        named.gene_coverage,
        named.shift,
        settled.evidence,
        kept.whole(STATUS_KEY) if STATUS_KEY in kept.keys() else None,  # noqa: SIM118
        advice,
    )
    kept.remove()
    return annotation


def _name_blocks(
    settled: SettledCounts, annotator: BlockAnnotator, kept: KeptBlocks, streaming: Streaming
) -> None:
    """Name the blocks that are not kept yet, several at once."""

    def name(number: int) -> int:
        block = settled.block(*kept.bounds[number])
        if settled.given is not None:
            annotator.check_libraries(block)
        kept.save(number, to_arrays(annotator(block)))
        return len(block)

    missing = kept.missing()
    n_done = kept.n_cells_done(missing)
    streaming.watch(n_done, len(settled))
    n_threads = streaming.n_threads or max(n_cores(), 2)
    with threadpool_limits(1, user_api="blas"):
        for n_named in map_ahead(name, missing, n_threads):
            n_done += n_named
            streaming.watch(n_done, len(settled))


@contextmanager
def _kept_on_failure(kept: KeptBlocks) -> Iterator[None]:
    """Say of work that is interrupted how it goes on; leave nothing where nothing was done."""
    try:
        yield
    except KeyboardInterrupt:
        n_done, n_cells = kept.n_cells_done(kept.missing()), kept.n_cells_done([])
        kept.remove_if_empty()
        raise KeyboardInterrupt(
            f"interrupted: {n_done:,} of {n_cells:,} cells are named and kept in '{kept.folder}'; "
            "run the same command again, and it goes on"
        ) from None
    except BaseException:
        kept.remove_if_empty()
        raise


def _check_unchanged(path: Path, before: Mapping[str, str | int], kept: KeptBlocks) -> None:
    try:
        check_unchanged(path, before)
    except InputError:
        kept.remove()  # blocks of two files
        raise
