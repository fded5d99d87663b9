"""What cells are, and what a model can be expected to make of them, before anything is named."""

from typing import Unpack

import anndata as ad
import numpy as np

from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.expectation import expect_accuracy
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import (
    READING_KEY,
    CountsArguments,
    GeneMatch,
    RawCounts,
    find_counts,
)
from cellclassifier.evaluation import InputReport, ModelFit

QUARTILES = (25, 50, 75)


def check(
    cells: ad.AnnData,
    classifier: CellTypeClassifier | None = None,
    *,
    map_orthologs: bool = False,
    seed: int = 0,
    **counts: Unpack[CountsArguments],
) -> InputReport:
    """Say what cells are, and how well a classifier can be expected to name them.

    Parameters
    ----------
    cells
        Are not changed.
    classifier
        Fitted or loaded; None looks at the cells alone.
    map_orthologs
        As in `CellTypeClassifier.classify`.
    seed
        Of the thinning behind the expected accuracy.
    **counts
        The keywords of `find_counts`.

    Raises
    ------
    CountsError
        No raw counts can be found or proved.
    GeneOverlapError
        Less than a fifth of the model's genes were measured, or those of another species.

    Examples
    --------
    >>> import numpy as np
    >>> report = check(ad.AnnData(np.array([[1.0, 4.0], [0.0, 2.0]], dtype="float32")))
    >>> report.counts, report.library_size
    ('raw counts in X', (2.75, 3.5, 4.25))
    """
    raw = find_counts(cells, **counts)
    fit = None
    if classifier is not None:
        fit = _fit_to(classifier, raw, map_orthologs=map_orthologs, seed=seed)
    low, middle, high = (float(size) for size in np.percentile(raw.library_size, QUARTILES))
    return InputReport(
        file_format=dict(cells.uns.get(READING_KEY, {})),
        n_cells=len(raw),
        n_genes=len(raw.genes),
        counts=raw.evidence,
        library_size=(low, middle, high),
        genes=str(raw.genes.resolution),
        species=raw.genes.species,
        model=fit,
    )


def _fit_to(
    classifier: CellTypeClassifier, raw: RawCounts, *, map_orthologs: bool, seed: int
) -> ModelFit:
    view = ModelView.of(classifier.check_fitted(), raw, map_orthologs=map_orthologs)
    return model_fit(classifier, view, view.match, seed=seed)


def model_fit(
    classifier: CellTypeClassifier, view: ModelView, match: GeneMatch, *, seed: int = 0
) -> ModelFit:
    """Return how the cells of a view fit a model; `match` is that of its genes, each once."""
    manifest = view.manifest
    # of all genes, also of those that were not measured
    depth = float(np.median(view.raw.library_size)) * view.library_factor
    trained = manifest.training.get("median_library_size")
    expected = None
    if manifest.sample is not None:
        expected = expect_accuracy(
            classifier.network_,
            manifest,
            manifest.sample,
            measured=match.measured,
            median_library_size=depth,
            seed=seed,
        )
    return ModelFit(
        n_panel=match.n_panel,
        n_by_id=match.n_by_id,
        n_by_name=match.n_by_symbol,
        n_orthologs=match.n_orthologs,
        relative_depth=depth / trained if trained else None,
        expected=expected,
    )
