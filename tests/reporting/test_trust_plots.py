"""Figures of trust: the right numbers, within the figure, in files of each kind."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cellclassifier import LabelSpace, Predictions, evaluate
from cellclassifier.reporting import plots, trust_plots

BEGINNINGS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


def evaluation_of(n_cells, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.5, 0.5, 0.5], size=n_cells).astype(np.float32)
    codes = (rng.random((n_cells, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    labels = np.array(["B", "NK", "T"])
    cells = pd.Index([f"cell{i}" for i in range(n_cells)])
    return evaluate(labels[codes], Predictions(LabelSpace(tuple(labels)), probabilities, cells))


@pytest.fixture(params=[5, 3000], ids=["few", "many"])
def evaluation(request):
    return evaluation_of(request.param)


@pytest.mark.parametrize("kind", plots.FIGURE_KINDS)
def test_figures_are_written(evaluation, tmp_path, kind):
    for name, drawn in (
        ("reliability", trust_plots.reliability(evaluation)),
        ("answered", trust_plots.answered(evaluation)),
    ):
        path = tmp_path / f"{name}{kind}"
        plots.save_figure(drawn, path)
        assert path.read_bytes().startswith(BEGINNINGS[kind])


def test_bars_are_the_accuracy_of_each_bin(evaluation):
    above, below = trust_plots.reliability(evaluation).figure.axes
    curve = evaluation.reliability
    seen = curve.n_cells > 0
    bars = sorted((bar.get_x(), bar.get_height()) for bar in above.patches)
    np.testing.assert_allclose([height for _, height in bars], curve.accuracy[seen])
    assert [bar.get_height() for bar in below.patches] == curve.n_cells.tolist()
    assert [text.get_text() for text in below.texts] == [f"{n:,}" for n in curve.n_cells[seen]]


def test_bins_of_few_cells_are_pale():
    above = trust_plots.reliability(evaluation_of(200))
    curve = evaluation_of(200).reliability
    many = (curve.n_cells >= trust_plots.MANY_CELLS).sum()
    strengths = [bar.get_alpha() for bar in above.patches]
    assert 0 < many < len(strengths)
    assert strengths.count(max(strengths)) == many


def test_the_title_says_the_error_and_its_side(evaluation):
    above = trust_plots.reliability(evaluation)
    gap = evaluation.reliability.overconfidence
    side = "over" if gap > 0 else "under"
    assert above.get_title() == (
        f"ECE {evaluation.ece:.3f}, {abs(gap):.3f} {side}-confident, {evaluation.n_cells:,} cells"
    )


def test_the_line_is_the_accuracy_of_the_surest(evaluation):
    ax = trust_plots.answered(evaluation)
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_ydata(), evaluation.answered.accuracy)
    assert line.get_xdata()[[0, -1]].tolist() == [0.01, 1.0]
    assert ax.get_legend() is None


def test_several_evaluations_are_told_apart():
    evaluations = {f"set {i}": evaluation_of(300, seed=i) for i in range(3)}
    ax = trust_plots.answered(evaluations)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(evaluations)
    assert len({line.get_color() for line in ax.lines}) == 3


def test_all_texts_lie_within_the_figure(evaluation):
    for figure in (
        trust_plots.reliability(evaluation).get_figure(root=True),
        trust_plots.answered(evaluation).get_figure(root=True),
    ):
        figure.draw_without_rendering()
        renderer = figure.canvas.get_renderer()
        for ax in figure.axes:
            texts = [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
            for box in (text.get_window_extent(renderer) for text in texts if text.get_text()):
                assert box.x0 >= 0
                assert box.y0 >= 0
                assert box.x1 <= figure.bbox.x1
                assert box.y1 <= figure.bbox.y1


def test_a_figure_and_axes_given_are_drawn_on(evaluation):
    for draw in (trust_plots.reliability, trust_plots.answered):
        ax = Figure().add_subplot()
        assert draw(evaluation, ax=ax) is ax
    placed = Figure().add_axes((0.1, 0.5, 0.8, 0.4))
    assert len(trust_plots.reliability(evaluation, ax=placed).child_axes) == 1
    axes = Figure().subplots(1, 2)
    trust_plots.reliability(evaluation, ax=axes[0])
    assert len(axes[0].figure.axes) == 3
    assert plt.get_fignums() == []
