"""Classifiers trained on cells that stay on disk, of one file or several."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, Unpack
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.account import ReferenceFacts, describe_fit
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.fitting import FittedNetwork, PanelCells, fit_to_panel
from cellclassifier.classifier.from_memory import fit_in_memory
from cellclassifier.classifier.panel import MeasuredGenes, choose_columns
from cellclassifier.classifier.plan import FitPlan
from cellclassifier.classifier.reference_files import GoesOn, ReferenceFiles, check_distinct
from cellclassifier.classifier.together import (
    CELLS,
    WHOLE,
    WRITTEN,
    find_cells,
    said_on_interrupt,
    storage_of,
)
from cellclassifier.classifier.uniting import unite
from cellclassifier.data import CountsArguments
from cellclassifier.data.ranking import rank_tallied
from cellclassifier.data.row_sources import NormalisedRows
from cellclassifier.data.streaming import (
    KeptBlocks,
    by_rows,
    check_unchanged,
    claimed,
    identity_of,
    open_cells,
)
from cellclassifier.data.streaming.cache import CacheLayout, CountsCache, check_room, write_cache
from cellclassifier.data.streaming.reference import StoredReference
from cellclassifier.errors import InputError, InputWarning
from cellclassifier.files import check_writable, partial_folder, replacing
from cellclassifier.modelfile.model import check_model_path
from cellclassifier.training import (
    ALONE,
    Checkpoints,
    OthersDone,
    Ranks,
    Upkeep,
    check_ranks,
    train_network,
)

COLUMNS, BATCHES = "genes.npy", "batches.npy"


def fit_file(
    classifier: CellTypeClassifier,
    path: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    labels_key: str,
    keep_cells: bool = True,
    files: ReferenceFiles | None = None,
    ranks: Ranks = ALONE,
    **counts: Unpack[CountsArguments],
) -> CellTypeClassifier:
    """Train a classifier on labelled cells in files, and save it.

    What does not fit in memory stays on disk. The cells are gone through twice then: once to prove
    their counts and rank the genes, once to keep the counts of the genes that are looked at, as
    small numbers, in the folder ``OUT.partial``. From there minibatches are read. The network is
    that of `CellTypeClassifier.fit` on the same cells, bit by bit. The state of the training is
    kept in that folder after each epoch: a call with the same arguments goes on where another one
    was ended. The folder is removed at the end.

    Parameters
    ----------
    classifier
        Says what to train; it is fitted.
    path
        Any file that `read_cells` reads, or several, which are one reference; ``.h5ad`` and
        ``.zarr`` are read in blocks.
    out
        The model file to write, ``.keras``.
    labels_key
        The column of ``obs`` with the types.
    keep_cells
        As in `CellTypeClassifier.save`.
    files
        How the files are gone through.
    ranks
        Which of several processes this is that all make the same call, see `Meeting.join`. Cells
        stay on disk then; the first process goes through them and writes `out`, the others read
        their part of each minibatch, and load the model in the end.
    **counts
        The keywords of `find_counts`.

    Raises
    ------
    LabelError
        Labels are missing, too few, or not in the label map.
    CountsError
        No raw counts can be found or proved, or a block holds others than the sample.
    FileFormatError
        A file is broken: the chunk is named.
    InputError
        A file changed while it was read, or as in `CellTypeClassifier.fit`.
    OutputError
        There is no room beside `out`, or it cannot be written.
    ClusterError
        Another process is gone, or does not see the same files.

    Examples
    --------
    >>> fit_file(CellTypeClassifier(), "cells.h5ad", "model.keras", labels_key="cell_type")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: there is no file 'cells.h5ad'; ...
    """
    asked = files or ReferenceFiles()
    out = check_writable(check_model_path(out))
    paths = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    check_distinct(paths)
    storage = storage_of(ranks, paths, from_disk=asked.from_disk, memory_gb=asked.memory_gb)
    asked.tell(storage)
    if not storage.from_disk:
        fit_in_memory(classifier, paths[0], labels_key, asked, counts).save(
            out, keep_cells=keep_cells
        )
        return classifier
    with claimed(out) if ranks.is_first else nullcontext():
        job = _Job.of(classifier, paths, out, labels_key, asked, counts, ranks)
        if not ranks.is_first:
            return job.lend_hand(out)
        job.say_what_is_kept()
        with job.opened() as reference, said_on_interrupt(job.kept.folder):
            with job.cached(reference) as (cache, columns):
                job.check_unchanged()
                fitted = job.fit(reference, cache, columns)
            facts = job.facts(reference, cache)
        classifier.model_ = fitted.model
        classifier.manifest_ = describe_fit(job.plan.origin, job.plan.design, facts, fitted)
        classifier.save(out, keep_cells=keep_cells)
        job.kept.remove()
    ranks.tell(WRITTEN, str(out))
    ranks.disband()
    return classifier


@dataclass(frozen=True, eq=False)
class _Job:
    """One classifier to be trained on some files.

    Parameters
    ----------
    classifier
        What to train.
    paths, identities
        The files, and what they were at the beginning.
    asked, counts
        How they are gone through, and the keywords of `find_counts`.
    plan
        What follows from the classifier.
    kept
        The folder of what is done, beside the output.
    manifest
        What makes it what it is.
    ranks
        Which of how many processes this is.
    """

    classifier: CellTypeClassifier
    paths: list[Path]
    identities: list[dict[str, str | int]]
    asked: ReferenceFiles
    counts: CountsArguments
    plan: FitPlan
    kept: KeptBlocks
    manifest: dict[str, Any]
    ranks: Ranks

    @classmethod
    def of(
        cls,
        classifier: CellTypeClassifier,
        paths: list[Path],
        out: Path,
        labels_key: str,
        asked: ReferenceFiles,
        counts: CountsArguments,
        ranks: Ranks,
    ) -> Self:
        """Begin, or go on where the same job was ended."""
        plan = FitPlan.of(classifier, labels_key, asked.batch_key)
        check_ranks(ranks, plan.design.training, classifier.engine)
        for path in paths:
            open_cells(path, genes_in=asked.genes_in)  # which says what is wrong with it
        identities = [identity_of(path) for path in paths]
        manifest = {
            "input": identities,
            "settings": {
                "reading": [dict(counts), asked.strict, asked.label_map, asked.genes_of],
                "design": repr(plan.design),
                "origin": repr(plan.origin),
                # nothing tells whether a function of the caller's is the one it was
                "network": "by name" if isinstance(classifier.network, str) else uuid4().hex,
            },
            "version": version("cellclassifier"),
        }
        folder = partial_folder(out)
        kept, note = KeptBlocks(folder, [(0, 0)]), ""
        if ranks.is_first:
            kept, note = KeptBlocks.begin(folder, manifest, [(0, 0)])
        if note:
            warnings.warn(f"began anew, not where '{folder}' ends: {note}", InputWarning, 4)
        return cls(classifier, paths, identities, asked, counts, plan, kept, manifest, ranks)

    @contextmanager
    def opened(self) -> Iterator[StoredReference]:
        """Yield the cells, their counts settled."""
        layer, folder = self.counts.get("layer"), self.kept.folder
        try:
            with ExitStack() as stack:
                files = [
                    stack.enter_context(
                        by_rows(open_cells(path, genes_in=self.asked.genes_in), layer, folder)
                    )
                    for path in self.paths
                ]
                yield unite(
                    files,
                    self.plan.origin.labels_key,
                    strict=self.asked.strict,
                    label_map=self.asked.label_map,
                    genes_of=self.asked.genes_of,
                    batch_key=self.asked.batch_key,
                    **self.counts,
                )
        except BaseException:
            if not (folder / WHOLE).exists():
                self.kept.remove()
            raise

    @contextmanager
    def cached(
        self, reference: StoredReference
    ) -> Iterator[tuple[CountsCache, npt.NDArray[np.intp]]]:
        """Yield the counts of the genes to look at, and which genes these are."""
        folder = self.kept.folder
        if not (folder / WHOLE).exists():
            self._write_cache(reference)
        with self._opened_cache() as opened:
            yield opened

    def say_what_is_kept(self) -> None:
        """Say how far a training is that goes on; nothing of one that begins."""
        folder = self.kept.folder
        if (folder / WHOLE).exists():
            n_done = Checkpoints(folder).n_epochs_done()
            self.asked.tell(GoesOn(self._layout().n_cells, n_done))

    def _layout(self) -> CacheLayout:
        whole = (self.kept.folder / WHOLE).read_text(encoding="utf-8")
        return CacheLayout(**json.loads(whole))

    @contextmanager
    def _opened_cache(self) -> Iterator[tuple[CountsCache, npt.NDArray[np.intp]]]:
        folder = self.kept.folder
        cache = CountsCache.open(folder, self._layout())
        try:
            yield cache, np.load(folder / COLUMNS, allow_pickle=False)
        finally:
            cache.close()

    def _write_cache(self, reference: StoredReference) -> None:
        """Go through the cells twice: rank their genes, and keep the counts of some."""
        folder, codes = self.kept.folder, reference.codes
        tally = reference.tally(self.asked.watch_cells)
        sizes = np.bincount(codes, minlength=len(reference.label_space))
        measured = MeasuredGenes(
            reference.genes,
            tally.largest > 0,
            lambda: rank_tallied(tally.n_cells, sizes, reference.genes),
        )
        design = self.plan.design
        columns = choose_columns(measured, design.genes, design.gene_order)
        layout = CacheLayout.of(
            len(codes),
            tally.n_detected[columns],
            float(tally.largest[columns].max(initial=0)),
            is_whole=not any(part.settled.is_estimated for part in reference.parts),
        )
        check_room(folder, layout)
        blocks = reference.blocks(columns, self.asked.watch_cells)
        write_cache(folder, layout, blocks, codes).close()
        np.save(folder / COLUMNS, columns)
        if reference.batch_codes is not None:  # for processes that do not look at the files
            np.save(folder / BATCHES, reference.batch_codes)
        with replacing(folder / WHOLE) as temporary:
            temporary.write_text(json.dumps(asdict(layout)), encoding="utf-8")

    def check_unchanged(self) -> None:
        """Refuse to train on files that changed while they were read."""
        try:
            for path, identity in zip(self.paths, self.identities, strict=True):
                check_unchanged(path, identity)
        except InputError:
            self.kept.remove()  # blocks of two files
            raise

    def fit(
        self, reference: StoredReference, cache: CountsCache, columns: npt.NDArray[np.intp]
    ) -> FittedNetwork:
        """Train."""
        self.ranks.tell(CELLS, str(len(reference.label_space)))
        cells = PanelCells(
            reference.genes[columns],
            cache,
            NormalisedRows(cache, cache.library_size, self.plan.design.normalisation),
            cache.library_size,
            cache.codes,
            len(reference.label_space),
            reference.batch_codes,
        )
        return fit_to_panel(
            self.plan.build,
            self.plan.design.training,
            cells,
            seed=self.plan.origin.seed,
            engine=self.plan.origin.engine,
            watch=self.asked.watch,
            upkeep=self._upkeep,
        )

    @property
    def _upkeep(self) -> Upkeep:
        return Upkeep(Checkpoints(self.kept.folder), self.ranks)

    def lend_hand(self, out: Path) -> CellTypeClassifier:
        """Take part in the steps of the first process, and load the model that it writes."""
        origin, design, folder = self.plan.origin, self.plan.design, self.kept.folder
        n_types = find_cells(self.ranks, folder, self.manifest)
        batch_codes = None
        if origin.batch_key is not None:
            batch_codes = np.load(folder / BATCHES, allow_pickle=False)
        with self._opened_cache() as (cache, columns), suppress(OthersDone):
            train_network(
                self.plan.build(len(columns), n_types, seed=origin.seed),
                NormalisedRows(cache, cache.library_size, design.normalisation),
                cache.codes,
                design.training,
                seed=origin.seed,
                engine=origin.engine,
                watch=self.asked.watch,
                upkeep=self._upkeep,
                batch_codes=batch_codes,
            )
        self.ranks.hear(WRITTEN)
        self.ranks.disband()
        saved = CellTypeClassifier.load(out, engine=origin.engine)
        self.classifier.network_, self.classifier.manifest_ = saved.network_, saved.manifest_
        return self.classifier

    def facts(self, reference: StoredReference, cache: CountsCache) -> ReferenceFacts:
        """Return what the model file says of the reference."""
        several = len(self.paths) > 1
        files = [
            {
                "name": part.path.name,
                "n_cells": int((part.codes >= 0).sum()),
                "n_genes_measured": len(part.settled.genes),
                "genes_of": self.asked.genes_of,
            }
            for part in reference.parts
        ]
        return ReferenceFacts(
            reference.evidence,
            cache.codes,
            reference.label_space,
            reference.n_unlabelled,
            cache.library_size,
            reference.genes,
            files if several else (),
            reference.batch_codes,
        )
