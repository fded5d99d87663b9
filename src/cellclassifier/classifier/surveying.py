"""What came of the cells of a file, looked at from all sides, for a report."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.account import describe_model
from cellclassifier.classifier.advising import CARE
from cellclassifier.classifier.checking import QUARTILES, model_fit
from cellclassifier.classifier.drawing import DrawnCells, read_some, some_of_each
from cellclassifier.classifier.embedding import embed_cells
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.explaining import explain_view
from cellclassifier.classifier.sampling import SEED, sample_runs
from cellclassifier.classifier.speaking import gene_dots
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import CountsArguments, match_genes
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.data.streaming import FileAnnotation, SettledCounts, by_rows, open_cells
from cellclassifier.errors import InputError
from cellclassifier.evaluation import InputReport, ModelFit
from cellclassifier.evaluation.survey import (
    AnnotationSurvey,
    CellMap,
    DepthComparison,
    SharedSet,
    TypeCount,
    UnknownCells,
)
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.model import package_versions
from cellclassifier.predictions import STATUSES, UNKNOWN

# drawn in a report: more make a file too large to mail, and show nothing more
MAX_DRAWN_CELLS = 50_000
MAX_SHARED_SETS = 12
# of a type, for those that speak for another one more are shown there
GENES_LOOKED_AT = 30


def survey_annotation(
    classifier: CellTypeClassifier,
    path: str | Path,
    named: FileAnnotation,
    *,
    genes_in: GenesIn | None = None,
    map_orthologs: bool = False,
    settings: Mapping[str, str] | None = None,
    **counts: Unpack[CountsArguments],
) -> AnnotationSurvey:
    """Look at what `annotate_file` made of a file, for `write_annotation_report`.

    At most 50,000 cells are read again, in seeded runs of 50 consecutive ones: the counts of the
    model's genes alone. All else is told of all cells.

    Parameters
    ----------
    classifier
        That named the cells.
    path
        The file that was named.
    named
        What `annotate_file` returned.
    genes_in, map_orthologs
        As they were for `annotate_file`.
    settings
        More to tell of how the report came about: names and values, in words.
    **counts
        The keywords of `find_counts`, as they were for `annotate_file`.

    Raises
    ------
    InputError
        The file has another number of cells than were named.
    CellClassifierError
        As `annotate_file`, where the file changed since.

    Examples
    --------
    >>> survey_annotation(CellTypeClassifier(), "cells.h5ad", None)
    Traceback (most recent call last):
    ...
    cellclassifier.errors.NotFittedError: this classifier knows no types yet: ...
    """
    manifest, path = classifier.check_fitted(), Path(path)
    cells = open_cells(path, genes_in=genes_in)
    if cells.n_cells != len(named.codes):
        raise InputError(
            f"'{path}' has {cells.n_cells:,} cells, and {len(named.codes):,} were named; "
            "annotate it again"
        )
    with by_rows(cells, counts.get("layer"), named.out.absolute().parent) as cells:
        settled, sample = SettledCounts.of(cells, sample_runs(cells.n_cells), **counts)
        match = match_genes(settled.genes, manifest.panel, map_orthologs=map_orthologs)
        view = ModelView(manifest, sample, settled.spread(match))
        drawn = DrawnCells.read(settled, view, sample_runs(cells.n_cells, MAX_DRAWN_CELLS))
        explained = _explained(classifier, settled, view, named)
    fit = model_fit(classifier, view, match)
    labels = _labels(named)
    return AnnotationSurvey(
        file=path.name,
        input=_input(settled, drawn, fit),
        labels=labels,
        types=_types(named, labels),
        statuses=_statuses(named.status),
        shared_sets=_shared_sets(named),
        unknown=_unknown(named),
        advice=named.advice.removeprefix(CARE),
        cautious=named.advice.startswith(CARE),
        shift=named.shift,
        none_unknown=named.none_unknown,
        drawn=_map(drawn, named),
        dots=gene_dots(
            drawn.expression, named.codes[drawn.rows], labels, manifest.panel.names, explained
        ),
        depth=_depth(drawn, manifest),
        provenance=_provenance(manifest, named, settings or {}),
    )


def _explained(
    classifier: CellTypeClassifier, settled: SettledCounts, view: ModelView, named: FileAnnotation
) -> dict[str, list[str]]:
    """Return the genes by which the model names each type here, the best first."""
    rows = some_of_each(named.codes, len(named.label_space))
    if not len(rows):
        return {}
    some = replace(view, raw=read_some(settled, rows))
    labels = named.label_space.decode(named.codes[rows])
    explanation = explain_view(classifier, some, labels, shift=named.shift)
    return {name: explanation.genes_of(name, GENES_LOOKED_AT) for name in explanation.types}


def _labels(named: FileAnnotation) -> tuple[str, ...]:
    """Return the types, and ``unknown`` after them where there is a code for it."""
    labels = named.label_space.labels
    return (*labels, UNKNOWN) if named.codes.max(initial=0) >= len(labels) else labels


def _input(settled: SettledCounts, drawn: DrawnCells, fit: ModelFit) -> InputReport:
    low, middle, high = (float(size) for size in np.percentile(drawn.library_size, QUARTILES))
    return InputReport(
        file_format={},
        n_cells=len(settled),
        n_genes=len(settled.genes),
        counts=settled.evidence,
        library_size=(low, middle, high),
        genes=str(settled.genes.resolution or settled.columns.resolution),
        species=settled.columns.species,
        model=fit,
    )


def _types(named: FileAnnotation, labels: Sequence[str]) -> tuple[TypeCount, ...]:
    """Count the cells of each type, the commonest first."""
    counted = []
    for code in np.flatnonzero(np.bincount(named.codes, minlength=len(labels))):
        own = named.codes == code
        confidence = named.confidence[own]
        counted.append(
            TypeCount(
                label=labels[int(code)],
                n_cells=int(own.sum()),
                mean_confidence=float(confidence.mean(dtype=np.float64)),
                median_confidence=float(np.median(confidence)),
                statuses={} if named.status is None else _statuses(named.status[own]),
                novelty=None if named.novelty is None else float(np.median(named.novelty[own])),
            )
        )
    return tuple(sorted(counted, key=lambda found: -found.n_cells))


def _statuses(status: npt.NDArray[np.int8] | None) -> dict[str, int]:
    """Return how many cells have each status, the best first."""
    if status is None:
        return {}
    sizes = np.bincount(status, minlength=len(STATUSES))
    return {name: int(size) for name, size in zip(STATUSES[::-1], sizes[::-1], strict=True) if size}


def _shared_sets(named: FileAnnotation) -> tuple[SharedSet, ...]:
    """Return the commonest sets of several types among ambiguous cells."""
    if named.packed_sets is None or named.status is None:
        return ()
    ambiguous = named.packed_sets[named.status == STATUSES.index("ambiguous")]
    packed, sizes = np.unique(ambiguous, axis=0, return_counts=True)
    order = np.argsort(-sizes, kind="stable")[:MAX_SHARED_SETS]
    labels = named.label_space.labels
    sets = np.unpackbits(packed[order], axis=1, count=len(labels)).astype(bool)
    return tuple(
        SharedSet(tuple(labels[code] for code in np.flatnonzero(held)), int(size))
        for held, size in zip(sets, sizes[order], strict=True)
    )


def _unknown(named: FileAnnotation) -> UnknownCells | None:
    if named.status is None or named.novelty is None or named.likeliest is None:
        return None
    own = named.status == STATUSES.index(UNKNOWN)
    resembled = Counter(named.label_space.decode(named.likeliest[own]).tolist())
    novelty = float(np.median(named.novelty[own])) if own.any() else 0.0
    return UnknownCells(int(own.sum()), novelty, dict(resembled.most_common()))


def _map(drawn: DrawnCells, named: FileAnnotation) -> CellMap:
    position, method = embed_cells(drawn.expression)
    rows = drawn.rows
    if len(rows) < len(named.codes):
        method = (
            f"{len(rows):,} of the {len(named.codes):,} cells, in runs of consecutive ones drawn "
            f"with seed {SEED}; {method}"
        )
    sets = named.packed_sets
    n_types = len(named.label_space)
    return CellMap(
        position=position,
        cell_names=drawn.names,
        codes=named.codes[rows],
        confidence=named.confidence[rows],
        novelty=None if named.novelty is None else named.novelty[rows],
        sets=None if sets is None else np.unpackbits(sets[rows], axis=1, count=n_types) > 0,
        status=None if named.status is None else named.status[rows],
        method=method,
    )


def _depth(drawn: DrawnCells, manifest: Manifest) -> DepthComparison:
    sample = manifest.sample
    return DepthComparison(
        library_size=drawn.library_size,
        genes_detected=np.diff(drawn.expression.indptr),
        trained_library_size=None if sample is None else sample.library_size,
        trained_genes_detected=None if sample is None else np.diff(sample.counts.indptr),
        trained_median=manifest.training.get("median_library_size"),
    )


def _provenance(
    manifest: Manifest, named: FileAnnotation, settings: Mapping[str, str]
) -> dict[str, str]:
    model = describe_model(manifest)
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    return {
        "written to": named.out.name,
        **settings,
        "model": f"{model['network']}, {model['n_genes']:,} genes, "
        f"{len(manifest.label_space)} types, made {manifest.created}",
        "model SHA-256": str(model["model_sha256"]),
        "trained on": _reference(manifest.training),
        "report made": dt.datetime.now(dt.UTC).isoformat(sep=" ", timespec="seconds"),
        "versions": versions,
    }


def _reference(training: Mapping[str, Any]) -> str:
    if "n_cells" not in training:
        return "not known"
    return f"{training['n_cells']:,} cells, labels in .obs['{training.get('labels_key')}']"
