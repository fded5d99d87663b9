"""Figures of genes and of cells in a plane: what they show is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cellclassifier.errors import InputError
from cellclassifier.evaluation import Explanation
from cellclassifier.evaluation.survey import GeneDots
from cellclassifier.reporting import explanation_plots, plots

BEGINNINGS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
DOTS = GeneDots(
    ("MS4A1", "CD79A", "CD3D"),
    ("B", "B", "T"),
    ("B", "T"),
    np.float32([[2, 4, 0], [0, 1, 3]]),
    np.float32([[0.5, 1, 0], [0, 0.25, 1]]),
)


@pytest.fixture
def explanation():
    table = pd.DataFrame(
        {
            "cell_type": ["B", "B", "T"],
            "rank": [1, 2, 1],
            "ensembl_id": ["ENSG00000156738", "ENSG00000105369", "ENSG00000167286"],
            "gene_symbol": ["MS4A1", "", "CD3D"],
            "contribution": [0.7, 0.4, 0.6],
            "by_presence": [0.8, 0.3, 0.6],
            "by_absence": [-0.1, 0.1, 0.0],
            "runner_up": ["T", "T", "B"],
        }
    )
    return Explanation(table, {"B": 9, "T": 5}, "mean", "cells given", DOTS)


def test_dots_have_the_area_of_shares_and_the_colour_of_means(explanation):
    ax = plots.markers(explanation)
    (drawn,) = ax.collections
    areas = drawn.get_sizes().reshape(2, 3)
    np.testing.assert_allclose(areas / explanation_plots.LARGEST, DOTS.share)
    np.testing.assert_allclose(
        np.asarray(drawn.get_array()).reshape(2, 3), [[1, 1, 0], [0, 0.25, 1]]
    )
    assert [text.get_text() for text in ax.get_xticklabels()] == list(DOTS.genes)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["B", "T"]
    assert ax.yaxis_inverted()


def test_bars_are_the_parts_of_contributions(explanation):
    ax = plots.contributions(explanation, "B")
    by_presence, by_absence = ([bar.get_width() for bar in bars] for bars in ax.containers)
    np.testing.assert_allclose(by_presence, [0.8, 0.3])
    np.testing.assert_allclose(by_absence, [-0.1, 0.1])
    starts = [bar.get_x() for bar in ax.containers[1]]
    np.testing.assert_allclose(np.minimum(starts, 0), 0)
    np.testing.assert_allclose(starts[1], 0.3)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["MS4A1", "ENSG00000105369"]
    assert ax.get_title() == "B rather than T"
    with pytest.raises(InputError, match="no cell was explained as 'Q'"):
        plots.contributions(explanation, "Q")


def test_cells_have_the_colours_of_the_legend():
    rng = np.random.default_rng(0)
    position = rng.normal(size=(300, 2))
    types = pd.Categorical(rng.choice(["B", "NK", "T"], 300), categories=["T", "NK", "B", "none"])
    ax = plots.embedding(position, types, title="type")
    (drawn,) = ax.collections
    legend = ax.get_legend()
    colour_of = {
        text.get_text().partition(" ")[0]: to_hex(handle.get_color())
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    assert list(colour_of) == ["T", "NK", "B"]
    assert f"T ({(types == 'T').sum():,})" in [text.get_text() for text in legend.get_texts()]
    where = {tuple(place): label for place, label in zip(position, types, strict=True)}
    for place, colour in zip(drawn.get_offsets(), drawn.get_facecolors(), strict=True):
        assert to_hex(colour) == colour_of[where[tuple(np.asarray(place))]]


def test_numbers_get_a_scale_with_the_highest_on_top():
    numbers = np.random.default_rng(0).random(50)
    ax = plots.embedding(np.random.default_rng(1).normal(size=(50, 2)), numbers, title="novelty")
    (drawn,) = ax.collections
    np.testing.assert_allclose(drawn.get_array(), np.sort(numbers))
    assert ax.get_legend() is None
    assert ax.figure.axes[1].get_ylabel() == "novelty"


def test_missing_types_and_wrong_shapes():
    ax = plots.embedding(np.zeros((3, 2)), ["B", None, "T"])
    assert len(ax.get_legend().get_texts()) == 3
    with pytest.raises(InputError, match=r"need \(3, 2\)"):
        plots.embedding(np.zeros((2, 2)), ["B", "B", "T"])


@pytest.mark.parametrize("kind", plots.FIGURE_KINDS)
def test_figures_are_written_on_axes_given(explanation, tmp_path, kind):
    one, two, three = Figure(figsize=(12, 4)).subplots(1, 3)
    assert plots.markers(explanation, ax=one) is one
    assert plots.contributions(explanation, "T", ax=two) is two
    assert plots.embedding(np.eye(2), ["B", "T"], ax=three) is three
    path = tmp_path / f"figure{kind}"
    plots.save_figure(one, path)
    assert path.read_bytes().startswith(BEGINNINGS[kind])
    assert plt.get_fignums() == []


def test_fifty_types_have_a_legend_within_the_figure():
    names = [f"a long name of a type {number}" for number in range(50)]
    ax = plots.embedding(np.random.default_rng(0).normal(size=(500, 2)), np.resize(names, 500))
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent(figure.canvas.get_renderer())
    assert box.x1 <= figure.bbox.x1 + 1
    assert box.y0 >= figure.bbox.y0 - 1
