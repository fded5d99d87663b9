"""Figures of genes: the ranking, and the scores of panels by size; reached as `plots`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy import sparse

from cellclassifier.data import GeneRanking
from cellclassifier.errors import InputError
from cellclassifier.reporting.canvas import new_figure
from cellclassifier.reporting.panel_table import METHOD_NAMES, SCORE_NAMES

SHOWN_CELLS = 300
# columns of the picture of all genes: more could not be told apart
SHOWN_COLUMNS = 400
# the best genes are shown one by one
BEST_GENES = 100
# colours saturate here, so that a few very high counts do not darken all others
SATURATED_PERCENTILE = 99.5
LETTER = 0.085
ROW_OF_LABEL = 0.2

METHOD_STYLES = {"redundancy_aware": ("#1b6ca8", "o"), "most_divergent": ("#c0653a", "s")}
# what the command panel writes
CHOSEN = "redundancy_aware"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Sample:
    """Cells to draw, sorted by type: their rows, and the code of each."""

    rows: npt.NDArray[np.intp]
    codes: npt.NDArray[np.intp]
    labels: list[str]
    note: str

    @property
    def ends(self) -> npt.NDArray[np.intp]:
        """The row after the last one of each type, shape (n_types,)."""
        return np.cumsum(np.bincount(self.codes))


def genes(
    ranking: GeneRanking,
    counts: sparse.csr_matrix,
    labels: npt.ArrayLike,
    *,
    n_cells: int = SHOWN_CELLS,
    seed: int = 0,
    figure: Figure | None = None,
) -> Figure:
    """Draw cells by genes: in the file's order, by divergence, and the best genes one by one.

    Parameters
    ----------
    ranking
        Of all genes.
    counts
        The raw counts that were ranked, shape (n_cells, n_genes).
    labels
        The type of each cell, shape (n_cells,).
    n_cells
        How many cells to draw at most; of each type the same number, as far as it has them.
    seed
        Of the choice of cells, which the figure tells.
    figure
        Where to draw; None makes a figure large enough for the labels.

    Raises
    ------
    InputError
        Counts, labels and ranking do not fit, or `n_cells` is not positive.
    """
    names = [str(label) for label in np.asarray(labels, dtype=object)]
    if counts.shape != (len(names), len(ranking.genes)) or n_cells < 1:
        raise InputError(
            f"the plot needs one cell or more, and counts of {len(names):,} labelled cells by "
            f"{len(ranking.genes):,} ranked genes; got the shape {counts.shape}, {n_cells} cells"
        )
    sample = _sampled(names, n_cells, seed)
    values = sparse.csr_matrix(counts[sample.rows]).log1p()
    figure = _wide_figure(sample.labels) if figure is None else figure
    bar, native, ranked, best = figure.subplots(
        1, 4, sharey=True, gridspec_kw={"width_ratios": (0.04, 1, 1, 1)}
    )
    _draw_labels(bar, sample)
    order, n_genes = ranking.order, len(ranking.genes)
    all_genes = _binned(values), _binned(values[:, order])
    top = max(map(_ceiling, all_genes))
    titles = "in the file's order", "by divergence"
    for ax, image, title in zip((native, ranked), all_genes, titles, strict=True):
        drawn = _draw_cells(ax, image, sample, top, n_genes)
        ax.set_title(f"{n_genes:,} genes {title}", fontsize=10)
        _add_scale(drawn, ax, -(-n_genes // SHOWN_COLUMNS))
    n_best = min(BEST_GENES, n_genes)
    shown = values[:, order[:n_best]].toarray()
    drawn = _draw_cells(best, shown, sample, _ceiling(shown), n_best)
    best.set_title(f"the {n_best} most divergent, one by one", fontsize=10)
    _add_scale(drawn, best, 1)
    figure.suptitle(sample.note, fontsize=9, color="0.35")
    return figure


def panel(summary: pd.DataFrame, *, figure: Figure | None = None) -> Figure:
    """Draw accuracy and macro-F1 against the number of genes, with intervals.

    Parameters
    ----------
    summary
        What `PanelCurve.summary` returns: ``method``, ``n_genes``, and of each score the mean and
        the ends of its interval.
    figure
        Where to draw; None makes one.
    """
    figure = new_figure(9.0, 3.8) if figure is None else figure
    for ax, score in zip(figure.subplots(1, len(SCORE_NAMES)), SCORE_NAMES, strict=True):
        draw_curves(ax, summary, score)
    return figure


def read_panel_scores(path: str | Path) -> pd.DataFrame:
    """Return what `panel` draws, of the table that ``cellclassifier panel`` wrote.

    Raises
    ------
    InputError
        It cannot be read, or is another table.
    """
    scores = [f"{score}{end}" for score in SCORE_NAMES for end in ("", "_low", "_high")]
    try:
        table = pd.read_csv(path)
        summary = table[["panel_size", *scores]].drop_duplicates().dropna()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"'{path}' is not a table of the command panel, with the columns panel_size and "
            f"{', '.join(scores)}: {error}"
        ) from error
    return summary.rename(columns={"panel_size": "n_genes"}).assign(method=CHOSEN)


def draw_curves(ax: Axes, summary: pd.DataFrame, score: str) -> Axes:
    """Draw one score of each method against the number of genes, on a logarithmic axis."""
    for method, (colour, marker) in METHOD_STYLES.items():
        own = summary[summary["method"] == method].sort_values("n_genes")
        if own.empty:
            continue
        size, mean = own["n_genes"].to_numpy(), own[score].to_numpy()
        low, high = own[f"{score}_low"].to_numpy(), own[f"{score}_high"].to_numpy()
        ax.fill_between(size, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(size, mean, color=colour, marker=marker, markersize=4.5, label=METHOD_NAMES[method])
    sizes = sorted(set(summary["n_genes"]))
    ax.set_xscale("log")
    ax.set_xticks(sizes)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    ax.set_xlabel("genes in the panel")
    ax.set_ylabel(f"{SCORE_NAMES[score]} on held-out cells")
    ax.grid(color="0.9", linewidth=0.7)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, loc="lower right", title="mean, 95 % interval of five folds")
    return ax


def _sampled(names: list[str], n_cells: int, seed: int) -> _Sample:
    labels, codes = np.unique(np.array(names, dtype=object), return_inverse=True)
    rng = np.random.default_rng(seed)
    each = max(n_cells // len(labels), 1)
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(codes == code))[:each] for code in range(len(labels))]
    )
    note = f"{len(rows):,} of {len(names):,} cells, at most {each} a type, drawn with seed {seed}"
    if len(rows) == len(names):
        note = f"all {len(names):,} cells"
    return _Sample(rows, codes[rows], [str(label) for label in labels], note)


def _binned(values: sparse.csr_matrix) -> Floats:
    """Return the mean of runs of consecutive genes, shape (n_cells, at most SHOWN_COLUMNS)."""
    n_genes = values.shape[1]
    width = -(-n_genes // SHOWN_COLUMNS)
    column = np.arange(n_genes) // width
    size = np.bincount(column)
    mean = sparse.csr_matrix((1 / size[column], (np.arange(n_genes), column)))
    return np.asarray((values @ mean).toarray(), dtype=np.float64)


def _ceiling(values: npt.NDArray[np.floating]) -> float:
    filled = values[values > 0]
    return float(np.percentile(filled, SATURATED_PERCENTILE)) if filled.size else 1.0


def _draw_cells(
    ax: Axes, image: npt.NDArray[np.floating], sample: _Sample, top: float, n_genes: int
) -> AxesImage:
    drawn = ax.imshow(
        image, cmap="magma_r", vmin=0, vmax=top, aspect="auto", interpolation="nearest",
        extent=(0, n_genes, len(image), 0),
    )  # fmt: skip
    ax.hlines(sample.ends[:-1], 0, n_genes, color="0.45", linewidth=0.4)
    ax.set_xlabel("gene")
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda gene, _: f"{gene:,.0f}"))
    return drawn


def _add_scale(drawn: AxesImage, ax: Axes, genes_per_column: int) -> None:
    bar = ax.figure.colorbar(drawn, ax=ax, location="bottom", shrink=0.8, aspect=40)
    meaning = "log1p of counts"
    if genes_per_column > 1:
        meaning = f"mean log1p of counts, {genes_per_column} genes a column"
    bar.set_label(meaning, fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _draw_labels(ax: Axes, sample: _Sample) -> None:
    colours = colormaps["tab20"](np.arange(len(sample.labels)) % 20)
    ax.imshow(colours[sample.codes][:, None], aspect="auto", extent=(0, 1, len(sample.codes), 0))
    middles = sample.ends - np.bincount(sample.codes) / 2
    ax.set_yticks(middles, sample.labels, fontsize=9)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _wide_figure(labels: list[str]) -> Figure:
    room = LETTER * max(map(len, labels))
    return new_figure(11.0 + room, max(4.2, ROW_OF_LABEL * len(labels) + 1.6))
