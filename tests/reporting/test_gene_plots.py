import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cellclassifier.data import find_counts, rank_genes, read_labels
from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace
from cellclassifier.reporting import gene_plots, plots


@pytest.fixture
def ranked(toy_reference):
    labels = read_labels(toy_reference, "cell_type")
    raw = find_counts(toy_reference)
    return rank_genes(raw.counts, LabelSpace.of(labels).encode(labels), raw.genes), raw, labels


@pytest.fixture
def summary():
    rows = [
        (method, size, mean, mean - 0.05, mean + 0.05, mean - 0.1, mean - 0.2, mean)
        for method, mean in (("redundancy_aware", 0.9), ("most_divergent", 0.8))
        for size in (10, 30)
    ]
    scores = [
        f"{score}{end}" for score in ("accuracy", "macro_f1") for end in ("", "_low", "_high")
    ]
    return pd.DataFrame(rows, columns=["method", "n_genes", *scores])


def pictures(figure):
    return [axes.images[0].get_array() for axes in figure.axes[:4]]


def test_the_columns_drawn_are_the_counts_in_both_orders(ranked):
    ranking, raw, labels = ranked
    figure = plots.genes(ranking, raw.counts, labels)
    _, native, by_divergence, best = pictures(figure)
    counts = np.log1p(raw.counts.toarray())
    for label, rows in (("B", slice(40)), ("NK", slice(40, 80)), ("T", slice(80, None))):
        of_type = np.sort(counts[labels == label], axis=0)
        np.testing.assert_allclose(np.sort(native[rows], axis=0), of_type, rtol=1e-6)
    np.testing.assert_allclose(native[:, ranking.order], by_divergence)
    np.testing.assert_allclose(by_divergence, best)


def test_genes_that_share_a_column_are_averaged(ranked, monkeypatch):
    monkeypatch.setattr(gene_plots, "SHOWN_COLUMNS", 20)
    ranking, raw, labels = ranked
    _, native, by_divergence, best = pictures(plots.genes(ranking, raw.counts, labels))
    assert native.shape == by_divergence.shape == (120, 20)
    np.testing.assert_allclose(by_divergence[:, 0], best[:, :3].mean(axis=1), rtol=1e-6)
    figure = plots.genes(ranking, raw.counts, labels)
    assert "3 genes a column" in "".join(axes.get_xlabel() for axes in figure.axes)


def test_the_figure_tells_how_many_cells_it_shows_and_by_which_seed(ranked):
    ranking, raw, labels = ranked
    figure = plots.genes(ranking, raw.counts, labels, n_cells=30, seed=7)
    assert figure.get_suptitle() == "30 of 120 cells, at most 10 a type, drawn with seed 7"
    assert all(len(picture) == 30 for picture in pictures(figure))
    assert plots.genes(ranking, raw.counts, labels).get_suptitle() == "all 120 cells"


def test_the_same_seed_draws_the_same_cells(ranked):
    ranking, raw, labels = ranked
    one, again, other = (
        pictures(plots.genes(ranking, raw.counts, labels, n_cells=30, seed=seed))[1]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_labels_stand_beside_their_cells(ranked):
    ranking, raw, labels = ranked
    bar = plots.genes(ranking, raw.counts, labels, n_cells=30).axes[0]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["B", "NK", "T"]
    assert bar.get_yticks().tolist() == [5, 15, 25]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_figures_are_drawn_into_the_one_given_and_saved(ranked, summary, tmp_path, ending):
    ranking, raw, labels = ranked
    figure = Figure(figsize=(8, 3))
    assert plots.genes(ranking, raw.counts, labels, figure=figure) is figure
    for name, drawn in (("genes", figure), ("panel", plots.panel(summary))):
        path = tmp_path / f"{name}.{ending}"
        plots.save_figure(drawn, path)
        assert path.stat().st_size > 1000
    if ending == "png":
        assert matplotlib.image.imread(tmp_path / "panel.png").std() > 0.05


def test_counts_that_do_not_fit_the_labels_are_refused(ranked):
    ranking, raw, labels = ranked
    with pytest.raises(InputError, match="counts of 119 labelled cells"):
        plots.genes(ranking, raw.counts, labels[:-1])
    with pytest.raises(InputError, match="0 cells"):
        plots.genes(ranking, raw.counts, labels, n_cells=0)


def test_the_panel_plot_shows_both_methods_with_intervals_for_both_scores(summary):
    figure = plots.panel(summary)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "accuracy on held-out cells", "macro-F1 on held-out cells",
    ]  # fmt: skip
    for axes, mean in zip(figure.axes, (0.9, 0.8), strict=True):
        aware, plain = axes.get_lines()
        assert aware.get_xdata().tolist() == plain.get_xdata().tolist() == [10, 30]
        assert aware.get_ydata() == pytest.approx([mean] * 2)
        assert plain.get_ydata() == pytest.approx([mean - 0.1] * 2)
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [
            "redundancy-aware", "most divergent",
        ]  # fmt: skip
        assert len(axes.collections) == 2
