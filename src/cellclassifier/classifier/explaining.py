"""Which genes a classifier goes by: per type, those that push cells toward it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Unpack, get_args

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.classifier.shifting import BLOCK_CELLS, adapt_wide_deep
from cellclassifier.classifier.speaking import gene_dots
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import AlignedCounts, CountsArguments, find_counts, read_labels
from cellclassifier.errors import InputError, LabelError
from cellclassifier.evaluation import Explanation
from cellclassifier.evaluation.explanation import gene_names
from cellclassifier.labels import shown
from cellclassifier.modelfile import Manifest
from cellclassifier.networks import (
    Attributor,
    Predictor,
    WideDeepPredictor,
    choose_attributor,
)

if TYPE_CHECKING:
    from cellclassifier.classifier.estimator import CellTypeClassifier

# of larger sets a seeded sample is looked at
MAX_CELLS = 10_000
# dense at a time
DENSE_CELLS = 256

Baseline = Literal["mean", "zero"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ExplainSettings:
    """How genes are weighed.

    Parameters
    ----------
    baseline
        The cell that says nothing: ``"mean"``, with the mean expression of the training cells, so
        that a gene that is lower than usual speaks, too; ``"zero"``, without any counts. None is
        the mean where the model knows it, which all do but those imported from Keras 2.
    n_genes
        The best genes of each type to return; None for all that were measured.
    cells_per_type
        How many cells of each type, drawn by the seed, are taken apart.
    seed
        Of the cells drawn.

    Raises
    ------
    InputError
        A number is not positive, or there is no such baseline.
    """

    baseline: Baseline | None = None
    n_genes: int | None = 100
    cells_per_type: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.baseline not in (None, *get_args(Baseline)):
            raise InputError(f"a baseline is 'mean' or 'zero', not {self.baseline!r}")
        for name, number in (("genes", self.n_genes), ("cells a type", self.cells_per_type)):
            if number is not None and number < 1:
                raise InputError(f"an explanation needs one of the {name} or more, not {number}")


class ExplainArguments(CountsArguments, total=False):
    """The keywords of `explain`."""

    labels_key: str | None
    map_orthologs: bool
    shift: float | None
    settings: ExplainSettings | None


def explain(
    classifier: "CellTypeClassifier",
    cells: ad.AnnData | None = None,
    *,
    labels_key: str | None = None,
    map_orthologs: bool = False,
    shift: float | None = None,
    settings: ExplainSettings | None = None,
    **counts: Unpack[CountsArguments],
) -> Explanation:
    """Say which genes push cells toward each type, and away from the type that comes next.

    For each cell the difference between the logit of its type and that of its runner-up is split
    among the genes, by integrated gradients from a baseline (Sundararajan et al. 2017); the
    contributions of a cell add up to what that difference is beyond the baseline's. They are
    averaged over the cells of a type. `docs/decisions/0027-explanations.md` says why so.

    Parameters
    ----------
    classifier
        Fitted or loaded.
    cells
        To explain, 10,000 of them at most, drawn by the seed. None takes those that the model's
        file keeps, which training had set apart, by their true type.
    labels_key
        The column of ``obs`` with the type that a cell is explained as; None explains each as what
        the classifier calls it. Cells of types that the model does not know are left out.
    map_orthologs, shift
        As in `CellTypeClassifier.classify`.
    settings
        The baseline, and how many cells and genes.
    **counts
        The keywords of `find_counts`.

    Raises
    ------
    InputError
        No cells are given, and the model keeps none.
    LabelError
        None of the labels is a type of the model.
    CountsError
        No raw counts can be found or proved.
    GeneOverlapError
        Less than a fifth of the model's genes were measured, or those of another species.

    Examples
    --------
    >>> from cellclassifier import CellTypeClassifier
    >>> counts = np.random.default_rng(0).poisson([[6, 1, 3]] * 20 + [[1, 6, 3]] * 20)
    >>> cells = ad.AnnData(
    ...     counts.astype("float32"),
    ...     obs=pd.DataFrame({"cell_type": ["B"] * 20 + ["T"] * 20}, index=map(str, range(40))),
    ...     var=pd.DataFrame(index=["MS4A1", "CD3D", "ACTB"]),
    ... )
    >>> classifier = CellTypeClassifier("linear").fit(cells, labels_key="cell_type")
    >>> explain(classifier, cells).genes_of("T", 1)
    ['CD3D']
    """
    settings = settings or ExplainSettings()
    if cells is None:
        seen = _kept_cells(classifier)
    else:
        rng = np.random.default_rng(settings.seed)
        if cells.n_obs > MAX_CELLS:
            cells = cells[np.sort(rng.permutation(cells.n_obs)[:MAX_CELLS])]
        labels = None if labels_key is None else read_labels(cells, labels_key)
        raw = find_counts(cells, **counts)
        view = ModelView.of(classifier.check_fitted(), raw, map_orthologs=map_orthologs)
        seen = _given_cells(classifier, view, labels, shift)
    return _explanation(classifier, seen, settings)


def explain_view(
    classifier: "CellTypeClassifier",
    view: ModelView,
    labels: npt.NDArray[np.object_],
    *,
    shift: float | None = None,
    settings: ExplainSettings | None = None,
) -> Explanation:
    """Do what `explain` does for cells that the model sees already, each as the type of a label."""
    seen = _given_cells(classifier, view, labels, shift)
    return _explanation(classifier, seen, settings or ExplainSettings())


class _Seen(NamedTuple):
    """Cells as a network sees them.

    Parameters
    ----------
    expression
        Shape (n_cells, n_panel), CSR, zero where a gene was not measured.
    codes, runner_up
        Shape (n_cells,): the type that each cell is explained as, and the one that comes next.
    measured
        Shape (n_panel,).
    predict
        The network, adapted to the shift.
    n_types
        Of the model.
    source, shift
        For the record.
    """

    expression: sparse.csr_matrix
    codes: npt.NDArray[np.intp]
    runner_up: npt.NDArray[np.intp]
    measured: npt.NDArray[np.bool_]
    predict: Predictor
    n_types: int
    source: str
    shift: float | None

    def directions(self, rows: npt.NDArray[np.intp]) -> Floats:
        """Return 1 at the type of some cells and -1 at the runner-up, (n_rows, n_types)."""
        types = np.eye(self.n_types, dtype=np.float32)
        return types[self.codes[rows]] - types[self.runner_up[rows]]


def _kept_cells(classifier: "CellTypeClassifier") -> _Seen:
    manifest = classifier.check_fitted()
    sample = manifest.sample
    if sample is None:
        raise InputError(
            "this model keeps no cells to explain: give some, explain(cells) or --cells CELLS on "
            "the command line, or train it without --no-keep-cells"
        )
    kept = AlignedCounts(sample.counts, sample.library_size, 1.0)
    expression = manifest.normalisation.apply(kept)
    predict, codes = classifier.predictor(), sample.codes.astype(np.intp)
    runner_up = _next_best(predict(expression, None), codes)
    everything = np.ones(len(manifest.panel), dtype=np.bool_)
    source = "cells that training set apart, by their true type"
    n_types = len(manifest.label_space)
    return _Seen(expression, codes, runner_up, everything, predict, n_types, source, None)


def _given_cells(
    classifier: "CellTypeClassifier",
    view: ModelView,
    labels: npt.NDArray[np.object_] | None,
    shift: float | None,
) -> _Seen:
    predict = classifier.predictor()
    if isinstance(predict, WideDeepPredictor):
        adapted = adapt_wide_deep(view, predict, shift)
        predict, shift = adapted.predict, adapted.shift
    expression = view.manifest.normalisation.apply(view.aligned(view.raw))
    logits = np.concatenate(
        [
            predict(expression[start : start + BLOCK_CELLS], view.stand_in)
            for start in range(0, expression.shape[0], BLOCK_CELLS)
        ]
    )
    codes, source = logits.argmax(axis=1), "cells given, by their predicted type"
    if labels is not None:
        codes, rows = _known_codes(view.manifest, labels)
        expression, logits = expression[rows], logits[rows]
        source = "cells given, by their label"
    runner_up, measured = _next_best(logits, codes), view.match.measured
    n_types = logits.shape[1]
    return _Seen(expression, codes, runner_up, measured, predict, n_types, source, shift)


def _known_codes(
    manifest: Manifest, labels: npt.NDArray[np.object_]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the codes of the labels that the model knows, and the rows that have them."""
    rows = np.flatnonzero(np.isin(labels, manifest.label_space.labels))
    if not len(rows):
        raise LabelError(
            f"none of the labels {shown(pd.unique(labels))} is a type of the model, which knows "
            f"{shown(manifest.label_space.labels)}"
        )
    return manifest.label_space.encode(labels[rows]).astype(np.intp), rows


def _next_best(logits: Floats, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the most probable type of each cell but for the one given, (n_cells,)."""
    others = logits.copy()
    others[np.arange(len(codes)), codes] = -np.inf
    return np.asarray(others.argmax(axis=1), dtype=np.intp)


def _explanation(
    classifier: "CellTypeClassifier", seen: _Seen, settings: ExplainSettings
) -> Explanation:
    manifest = classifier.check_fitted()
    baseline, name = _baseline(manifest, settings.baseline)
    attribute = choose_attributor(classifier.model_, seen.predict, baseline)
    labels, rng = manifest.label_space.labels, np.random.default_rng(settings.seed)
    panel = {"ensembl_id": manifest.panel.ensembl_ids, "gene_symbol": manifest.panel.symbols}
    tables, n_cells = [], {}
    for code in np.unique(seen.codes):
        own = np.flatnonzero(seen.codes == code)
        rows = np.sort(rng.permutation(own)[: settings.cells_per_type])
        weighed = _weighed(seen, rows, attribute, baseline)
        genes = pd.DataFrame({**panel, **weighed, **_profile(seen, code)})[seen.measured]
        genes = genes.sort_values("by_presence", ascending=False, kind="stable")
        genes = genes.head(settings.n_genes or len(genes))
        genes.insert(0, "cell_type", labels[code])
        genes.insert(1, "rank", np.arange(1, len(genes) + 1))
        genes["runner_up"] = labels[np.bincount(seen.runner_up[rows]).argmax()]
        tables.append(genes)
        n_cells[labels[code]] = len(rows)
    table = pd.concat(tables, ignore_index=True)
    by_type = table.groupby("cell_type", sort=False)
    best = {str(name): [str(gene) for gene in gene_names(rows)] for name, rows in by_type}
    dots = gene_dots(seen.expression, seen.codes, labels, manifest.panel.names, best)
    return Explanation(table, n_cells, name, seen.source, dots, seen.shift)


def _baseline(manifest: Manifest, asked: Baseline | None) -> tuple[Floats, Baseline]:
    """Return the expression that says nothing, (n_panel,), and its name."""
    if asked == "mean" and manifest.factors is None:
        raise InputError(
            "this model does not know the mean expression of its training cells; ask for the "
            "baseline 'zero'"
        )
    if asked == "zero" or manifest.factors is None:
        return np.zeros(len(manifest.panel), np.float32), "zero"
    return manifest.factors.mean, "mean"


def _weighed(
    seen: _Seen, rows: npt.NDArray[np.intp], attribute: Attributor, baseline: Floats
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the mean contribution of each gene, and its parts by presence and by absence."""
    total, by_presence = np.zeros(len(baseline)), np.zeros(len(baseline))
    for start in range(0, len(rows), DENSE_CELLS):
        some = rows[start : start + DENSE_CELLS]
        cells = seen.expression[some].toarray()
        # a gene that was not measured says nothing
        cells[:, ~seen.measured] = baseline[~seen.measured]
        contributions = attribute(cells, seen.directions(some))
        total += contributions.sum(axis=0, dtype=np.float64)
        by_presence += np.where(cells > baseline, contributions, 0).sum(axis=0, dtype=np.float64)
    n_cells = len(rows)
    return {
        "contribution": total / n_cells,
        "by_presence": by_presence / n_cells,
        "by_absence": (total - by_presence) / n_cells,
    }


def _profile(seen: _Seen, code: int) -> dict[str, npt.NDArray[np.float64]]:
    """Return the expression of each gene in the cells of a type, and in all others."""
    is_own = seen.codes == code
    columns = {}
    for ending, rows in (("", is_own), ("_rest", ~is_own)):
        cells, n_cells = seen.expression[rows], max(int(rows.sum()), 1)
        columns[f"mean_expression{ending}"] = np.asarray(cells.sum(axis=0)).ravel() / n_cells
        columns[f"share_expressing{ending}"] = cells.getnnz(axis=0) / n_cells
    return columns
