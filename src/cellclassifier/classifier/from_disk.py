"""Classifiers trained on cells that stay on disk, of one file or several."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self, Unpack
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.account import Origin, ReferenceFacts, describe_fit
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.fitting import Design, FittedNetwork, PanelCells, fit_to_panel
from cellclassifier.classifier.panel import MeasuredGenes, choose_columns
from cellclassifier.classifier.recipes import network_name
from cellclassifier.classifier.storage import Storage, choose_storage
from cellclassifier.classifier.streaming_progress import CellsWatcher, watch_no_cells
from cellclassifier.classifier.uniting import GenesOf, map_labels, unite
from cellclassifier.data import CountsArguments, read_cells
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.data.ranking import rank_tallied
from cellclassifier.data.row_sources import NormalisedRows
from cellclassifier.data.streaming import (
    KeptBlocks,
    by_rows,
    check_unchanged,
    identity_of,
    open_cells,
)
from cellclassifier.data.streaming.cache import CacheLayout, CountsCache, check_room, write_cache
from cellclassifier.data.streaming.reference import StoredReference
from cellclassifier.errors import InputError, InputWarning
from cellclassifier.files import check_writable, replacing
from cellclassifier.modelfile.model import check_model_path
from cellclassifier.networks import NetworkBuilder, choose_builder
from cellclassifier.training import Checkpoints, Watcher, check_seed, watch_nothing

WHOLE, COLUMNS = "cache.json", "genes.npy"


@dataclass(frozen=True, kw_only=True)
class ReferenceFiles:
    """How files of labelled cells are gone through.

    Parameters
    ----------
    strict
        Whether to refuse cells without a label, instead of leaving them out.
    label_map
        What each label is to become, such as `read_label_map` reads it; None leaves them.
    genes_of
        Of several files: ``"shared"`` looks at the genes that all of them measured; ``"all"`` at
        those that any did, and takes what a file did not measure for no counts.
    genes_in
        As in `read_cells`.
    from_disk
        Whether to leave the cells on disk; None reads them into memory where they fit.
    memory_gb
        What training in memory may take; None for half of what is free.
    tell
        Called with where the cells are trained on; its text says why.
    watch_cells
        Called after each block of cells, in two passes over the files.
    watch
        Called after each epoch.
    """

    strict: bool = False
    label_map: Mapping[str, str] | None = None
    genes_of: GenesOf = "shared"
    genes_in: GenesIn | None = None
    from_disk: bool | None = None
    memory_gb: float | None = None
    tell: Callable[[Storage], object] = str
    watch_cells: CellsWatcher = watch_no_cells
    watch: Watcher = watch_nothing


def fit_file(
    classifier: CellTypeClassifier,
    path: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    labels_key: str,
    keep_cells: bool = True,
    files: ReferenceFiles | None = None,
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
    if not paths:
        raise InputError("there is no file of labelled cells; give one or more")
    storage = choose_storage(paths, from_disk=asked.from_disk, memory_gb=asked.memory_gb)
    asked.tell(storage)
    if not storage.from_disk:
        return _fit_in_memory(classifier, paths[0], out, labels_key, keep_cells, asked, counts)
    job = _Job.of(classifier, paths, out, labels_key, asked, counts)
    with job.opened() as reference, _said_on_interrupt(job.kept.folder):
        with job.cached(reference) as (cache, columns):
            job.check_unchanged()
            fitted = job.fit(reference, cache, columns)
        facts = job.facts(reference, cache)
    classifier.model_ = fitted.model
    classifier.manifest_ = describe_fit(job.origin, job.design, facts, fitted)
    classifier.save(out, keep_cells=keep_cells)
    job.kept.remove()
    return classifier


def _fit_in_memory(
    classifier: CellTypeClassifier,
    path: Path,
    out: Path,
    labels_key: str,
    keep_cells: bool,  # noqa: FBT001  (as the caller has it)
    asked: ReferenceFiles,
    counts: CountsArguments,
) -> CellTypeClassifier:
    cells = read_cells(path, genes_in=asked.genes_in)
    if asked.label_map is not None and labels_key in cells.obs:
        cells.obs[labels_key] = map_labels(cells.obs[labels_key], asked.label_map, path.name)
    classifier.fit(cells, labels_key=labels_key, strict=asked.strict, watch=asked.watch, **counts)
    classifier.save(out, keep_cells=keep_cells)
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
    design, origin, build
        What follows from the classifier.
    kept
        The folder of what is done, beside the output.
    """

    classifier: CellTypeClassifier
    paths: list[Path]
    identities: list[dict[str, str | int]]
    asked: ReferenceFiles
    counts: CountsArguments
    design: Design
    origin: Origin
    build: NetworkBuilder
    kept: KeptBlocks

    @classmethod
    def of(
        cls,
        classifier: CellTypeClassifier,
        paths: list[Path],
        out: Path,
        labels_key: str,
        asked: ReferenceFiles,
        counts: CountsArguments,
    ) -> Self:
        """Begin, or go on where the same job was ended."""
        seed = check_seed(classifier.seed)
        design = Design.asked_for(
            classifier.network,
            classifier.genes,
            classifier.gene_order,
            classifier.normalisation,
            classifier.training,
        )
        build, options = choose_builder(classifier.network, classifier.network_options or {})
        name = network_name(classifier.network)
        origin = Origin(name, options, labels_key, seed, classifier.engine)
        for path in paths:
            open_cells(path, genes_in=asked.genes_in)  # which says what is wrong with it
        identities = [identity_of(path) for path in paths]
        by_name = isinstance(classifier.network, str)
        manifest = {
            "input": identities,
            "settings": {
                "reading": [dict(counts), asked.strict, asked.label_map, asked.genes_of],
                "design": repr(design),
                "origin": repr(origin),
                # nothing tells whether a function of the caller's is the one it was
                "network": "by name" if by_name else uuid4().hex,
            },
            "version": version("cellclassifier"),
        }
        folder = out.absolute().with_name(f"{out.name}.partial")
        kept, note = KeptBlocks.begin(folder, manifest, [(0, 0)])
        if note:
            warnings.warn(f"began anew, not where '{folder}' ends: {note}", InputWarning, 4)
        return cls(classifier, paths, identities, asked, counts, design, origin, build, kept)

    @contextmanager
    def opened(self) -> Iterator[StoredReference]:
        """Yield the cells, their counts settled."""
        layer, folder = self.counts.get("layer"), self.kept.folder
        with ExitStack() as stack:
            files = [
                stack.enter_context(
                    by_rows(open_cells(path, genes_in=self.asked.genes_in), layer, folder)
                )
                for path in self.paths
            ]
            try:
                yield unite(
                    files,
                    self.origin.labels_key,
                    strict=self.asked.strict,
                    label_map=self.asked.label_map,
                    genes_of=self.asked.genes_of,
                    **self.counts,
                )
            except BaseException:
                if not (self.kept.folder / WHOLE).exists():
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
        layout = CacheLayout(**json.loads((folder / WHOLE).read_text(encoding="utf-8")))
        cache = CountsCache.open(folder, layout)
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
        columns = choose_columns(measured, self.design.genes, self.design.gene_order)
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
        cells = PanelCells(
            reference.genes[columns],
            cache,
            NormalisedRows(cache, cache.library_size, self.design.normalisation),
            cache.library_size,
            cache.codes,
            len(reference.label_space),
        )
        return fit_to_panel(
            self.build,
            self.design.training,
            cells,
            seed=self.origin.seed,
            engine=self.origin.engine,
            watch=self.asked.watch,
            checkpoints=Checkpoints(self.kept.folder),
        )

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
        )


@contextmanager
def _said_on_interrupt(folder: Path) -> Iterator[None]:
    """Say of a training that is interrupted how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if not (folder / WHOLE).exists():
            raise
        raise KeyboardInterrupt(
            f"interrupted: the counts and the finished epochs are kept in '{folder}'; run the same "
            "command again, and it goes on"
        ) from None
