"""How well panels of each size tell the types apart, by cross-validation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse, stats
from sklearn.model_selection import StratifiedKFold

from cellclassifier.classifier.recipes import find_recipe
from cellclassifier.data import (
    AlignedCounts,
    GeneChoice,
    RawCounts,
    choose_genes,
    rank_genes,
)
from cellclassifier.data.redundancy import CANDIDATES
from cellclassifier.errors import InputError, LabelError
from cellclassifier.evaluation.metrics import confusion_matrix, per_type_scores
from cellclassifier.files import replacing
from cellclassifier.labels import LabelSpace, shown
from cellclassifier.networks import build_linear, logits_model, predict_logits
from cellclassifier.training import Watcher, train_network, watch_nothing

NETWORK = "linear"
SIZES = (10, 30, 100, 300)
N_FOLDS = 5
CONFIDENCE_LEVEL = 0.95
# the two ways to choose a panel, as they are called in tables
METHODS = REDUNDANCY_AWARE, MOST_DIVERGENT = "redundancy_aware", "most_divergent"
SCORES = ("accuracy", "macro_f1")

Rows = npt.NDArray[np.intp]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class PanelCurve:
    """A panel, and what each size of it is expected to reach.

    Parameters
    ----------
    choice
        The panel of the largest size, chosen on all cells.
    sizes
        The sizes scored, ascending.
    scores
        One row a method (``redundancy_aware``, ``most_divergent``), size and fold: ``method``,
        ``n_genes``, ``fold``, ``accuracy``, ``macro_f1``; each panel was chosen and each classifier
        trained without the fold's cells.
    """

    choice: GeneChoice
    sizes: tuple[int, ...]
    scores: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Return mean and 95 % interval over the folds, one row a method and size."""
        return summarise_folds(self.scores)

    def to_frame(self) -> pd.DataFrame:
        """Return the table that ``cellclassifier panel`` writes, best gene first.

        ``panel_size`` is the smallest size that holds the gene; the columns after it are what that
        panel reaches.
        """
        n_genes = len(self.choice)
        sizes = np.array(self.sizes)
        genes = pd.DataFrame(
            {
                "rank": np.arange(1, n_genes + 1),
                "ensembl_id": self.choice.genes.ensembl_ids,
                "gene_symbol": self.choice.genes.symbols,
                "gain": self.choice.gain,
                "panel_size": sizes[np.searchsorted(sizes, np.arange(1, n_genes + 1))],
            }
        )
        summary = self.summary()
        reached = summary[summary["method"] == REDUNDANCY_AWARE].drop(columns="method")
        reached = reached.rename(columns={"n_genes": "panel_size"})
        return genes.merge(reached, on="panel_size", how="left")

    def save(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        with replacing(path) as temporary:
            self.to_frame().to_csv(temporary, index=False, float_format="%.6g")


def panel_curve(
    raw: RawCounts,
    labels: Iterable[str],
    *,
    sizes: Sequence[int] = SIZES,
    candidates: int = CANDIDATES,
    seed: int = 0,
    watch: Watcher = watch_nothing,
) -> PanelCurve:
    """Choose a panel, and cross-validate it at each size beside the most divergent genes.

    In each of five stratified folds the genes are chosen and a linear classifier is trained on the
    other folds' cells alone.

    Parameters
    ----------
    raw
        The reference.
    labels
        The type of each cell, shape (n_cells,).
    sizes
        The numbers of genes to score.
    candidates
        How many of the most divergent genes to choose from.
    seed
        Of the folds and of the training.
    watch
        Called after each classifier with its scores.

    Raises
    ------
    InputError
        A size or the seed is negative, or a size is more than the genes detected in three cells of
        every fold.
    LabelError
        A type has fewer cells than there are folds.

    Examples
    --------
    >>> import anndata
    >>> from cellclassifier.data import find_counts
    >>> labels = np.repeat(["B", "T"], 20)
    >>> rates = np.where(labels == "B", [[9], [1], [2]], [[1], [9], [2]])
    >>> counts = np.random.default_rng(0).poisson(rates.T).astype("float32")
    >>> curve = panel_curve(find_counts(anndata.AnnData(counts)), labels, sizes=[1, 2])
    >>> curve.summary()["n_genes"].tolist()
    [1, 2, 1, 2]
    """
    if seed < 0:
        raise InputError(f"a seed is a whole number from 0 on, not {seed}")
    codes = _codes(labels)
    sizes = _checked_sizes(sizes)
    splitter = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(codes, codes))
    # all panels come before any training, so that a size that does not fit is told at once
    choice = choose_genes(raw, codes, sizes[-1], candidates=candidates)
    panels = [_panels(raw[kept], codes[kept], sizes[-1], candidates) for kept, _ in folds]
    expression = _expression(raw)
    rows: list[dict[str, object]] = []
    for fold, method, size in product(range(N_FOLDS), METHODS, sizes):
        columns = panels[fold][method][:size]
        scores = score_panel(expression[:, columns], codes, *folds[fold], seed=seed)
        rows.append({"method": method, "n_genes": size, "fold": fold, **scores})
        watch(len(rows), N_FOLDS * len(METHODS) * len(sizes), scores)
    return PanelCurve(choice, sizes, pd.DataFrame(rows))


def summarise_folds(scores: pd.DataFrame) -> pd.DataFrame:
    """Return mean and 95 % interval of each score over the folds, by method and size.

    The intervals are Student's; as the folds share training cells, they are a guide.
    """
    groups = scores.groupby(["method", "n_genes"], sort=True)
    half_width = stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, N_FOLDS - 1) / np.sqrt(N_FOLDS)
    columns = {}
    for score in SCORES:
        mean, margin = groups[score].mean(), half_width * groups[score].std()
        columns[score] = mean
        columns[f"{score}_low"] = (mean - margin).clip(lower=0)
        columns[f"{score}_high"] = (mean + margin).clip(upper=1)
    return pd.DataFrame(columns).reset_index()


def score_panel(
    expression: sparse.csr_matrix, codes: Codes, training: Rows, test: Rows, *, seed: int
) -> dict[str, float]:
    """Train the linear classifier on some cells and score it on others.

    Parameters
    ----------
    expression
        Of the panel's genes, shape (n_cells, n_genes).
    codes
        The type of each cell, shape (n_cells,).
    training, test
        Row numbers.
    seed
        Of the training.

    Returns
    -------
    dict
        ``accuracy`` and ``macro_f1`` on the test cells.
    """
    n_types = int(codes.max()) + 1
    model = build_linear(expression.shape[1], n_types, seed=seed)
    config = find_recipe(NETWORK).training
    train_network(model, expression[training], codes[training], config, seed=seed)
    predicted = predict_logits(logits_model(model), expression[test]).argmax(axis=1)
    confusion = confusion_matrix(codes[test], predicted, n_types)
    f1 = per_type_scores(confusion)[confusion.sum(axis=1) > 0, 2]
    return {
        "accuracy": float(np.trace(confusion) / confusion.sum()),
        "macro_f1": float(f1.mean()),
    }


def _expression(raw: RawCounts) -> sparse.csr_matrix:
    normalisation = find_recipe(NETWORK).normalisation
    return normalisation.apply(AlignedCounts(raw.counts, raw.library_size, 1.0))


def _panels(
    raw: RawCounts, codes: Codes, n_genes: int, candidates: int
) -> dict[str, npt.NDArray[np.intp]]:
    """Return the columns of the largest panel of each method; smaller ones are its beginning."""
    return {
        REDUNDANCY_AWARE: choose_genes(raw, codes, n_genes, candidates=candidates).columns,
        MOST_DIVERGENT: rank_genes(raw.whole, codes, raw.genes).detected[:n_genes],
    }


def _codes(labels: Iterable[str]) -> Codes:
    """Return the types as codes, each of enough cells for all folds."""
    labels = list(labels)
    label_space = LabelSpace.of(labels)
    codes = label_space.encode(labels)
    small = np.flatnonzero(np.bincount(codes) < N_FOLDS)
    if len(small):
        raise LabelError(
            f"types with fewer than {N_FOLDS} cells cannot be cross-validated in {N_FOLDS} folds: "
            f"{shown(label_space.decode(small))}. Drop or merge them"
        )
    if len(label_space) < 2:
        raise LabelError(f"a panel tells two types or more apart, not {shown(label_space.labels)}")
    return codes


def _checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes ascending, each once."""
    if not len(sizes) or min(sizes) < 1:
        raise InputError(
            f"panel sizes are one number or more, none below 1, such as 10,30,100; not "
            f"{shown(sizes)}"
        )
    return tuple(sorted(set(sizes)))
