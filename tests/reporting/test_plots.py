"""Figures: the right numbers, in files of each kind, with labels that can be read."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cellclassifier import Evaluation, LabelSpace, Predictions, evaluate
from cellclassifier.errors import OutputError
from cellclassifier.reporting import plots

BEGINNINGS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
NAMES = ("CD8+ Naive Cytotoxic T", "CD14+ Monocyte", "B", "Dendritic", "CD4+/CD25 T Regulatory")


def evaluation_of(n_types: int) -> Evaluation:
    """Score 20 cells of each type, every fifth of which is named as the next type."""
    labels = tuple(f"{NAMES[i % len(NAMES)]} {i}" for i in range(n_types))
    truth = np.repeat(np.arange(n_types), 20)
    named = np.where(np.arange(len(truth)) % 5 == 0, (truth + 1) % n_types, truth)
    probabilities = np.eye(n_types, dtype=np.float32)[named]
    cells = pd.Index([f"cell{i}" for i in range(len(truth))])
    return evaluate(np.array(labels)[truth], Predictions(LabelSpace(labels), probabilities, cells))


@pytest.fixture(params=[3, 10, 50], ids=lambda n_types: f"{n_types}-types")
def evaluation(request):
    return evaluation_of(request.param)


@pytest.fixture
def unbalanced():
    """Eight cells of A, two of them named B; two cells of B, both named so; nothing named C."""
    truth = ["A"] * 8 + ["B"] * 2
    named = [0] * 6 + [1] * 4
    cells = pd.Index([f"cell{i}" for i in range(10)])
    probabilities = np.eye(3, dtype=np.float32)[named]
    return evaluate(truth, Predictions(LabelSpace(("A", "B", "C")), probabilities, cells))


def shown_numbers(ax):
    return {text.get_position()[::-1]: text.get_text() for text in ax.texts}


@pytest.mark.parametrize("kind", plots.FIGURE_KINDS)
def test_confusion_is_written(evaluation, tmp_path, kind):
    path = tmp_path / f"confusion{kind}"
    plots.save_figure(plots.confusion(evaluation), path)
    assert path.read_bytes().startswith(BEGINNINGS[kind])
    assert list(tmp_path.iterdir()) == [path]


def test_tick_labels_do_not_overlap(evaluation):
    ax = plots.confusion(evaluation)
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    for axis in (ax.xaxis, ax.yaxis):
        boxes = [label.get_window_extent(renderer) for label in axis.get_ticklabels()]
        assert len(boxes) == len(evaluation.labels)
        assert not any(first.overlaps(second) for first, second in pairwise(boxes))


def test_everything_lies_within_the_figure(evaluation):
    ax = plots.confusion(evaluation)
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label, ax.title]
    for text in texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text


def test_labels_stand_in_order(evaluation):
    ax = plots.confusion(evaluation)
    assert [label.get_text() for label in ax.get_xticklabels()] == list(evaluation.labels)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        f"{label} (20)" for label in evaluation.labels
    ]
    assert ax.get_xlabel() == "predicted type"
    assert ax.get_ylabel() == "true type (cells)"


@pytest.mark.parametrize(
    ("normalise", "expected", "numbers"),
    [
        pytest.param(
            "true",
            [[75, 25, 0], [0, 100, 0], [0, 0, 0]],
            {(0, 0): "75", (0, 1): "25", (1, 1): "100"},
            id="true",
        ),
        pytest.param(
            "predicted",
            [[100, 50, 0], [0, 50, 0], [0, 0, 0]],
            {(0, 0): "100", (0, 1): "50", (1, 1): "50"},
            id="predicted",
        ),
        pytest.param(
            "none",
            [[6, 2, 0], [0, 2, 0], [0, 0, 0]],
            {(0, 0): "6", (0, 1): "2", (1, 1): "2"},
            id="none",
        ),
    ],
)
def test_numbers_of_each_normalisation(unbalanced, normalise, expected, numbers):
    ax = plots.confusion(unbalanced, normalise=normalise)
    np.testing.assert_allclose(ax.images[0].get_array(), expected)
    assert shown_numbers(ax) == numbers


def test_numbers_are_left_out_where_there_is_no_room():
    assert shown_numbers(plots.confusion(evaluation_of(plots.MAX_NUMBERED)))
    assert not shown_numbers(plots.confusion(evaluation_of(plots.MAX_NUMBERED + 1)))


def test_numbers_can_be_read_on_dark_and_light(unbalanced):
    colours = {
        text.get_position()[::-1]: text.get_color() for text in plots.confusion(unbalanced).texts
    }
    assert colours == {(0, 0): "white", (0, 1): "black", (1, 1): "white"}


def test_title_says_the_scores(unbalanced):
    title = plots.confusion(unbalanced).get_title()
    assert title == f"accuracy 0.800, macro-F1 {unbalanced.macro_f1:.3f}, 10 cells"


def test_axes_given_are_drawn_on(unbalanced):
    ax = Figure().add_subplot()
    assert plots.confusion(unbalanced, ax=ax) is ax
    assert len(ax.images) == 1


def test_no_window_is_opened(unbalanced):
    plots.confusion(unbalanced)
    assert plt.get_fignums() == []


def test_other_kind_of_file(unbalanced, tmp_path):
    with pytest.raises(OutputError, match=r"name it one of \.png, \.svg, \.pdf"):
        plots.save_figure(plots.confusion(unbalanced), tmp_path / "confusion.gif")


def test_axes_without_a_figure(unbalanced, tmp_path):
    ax = plots.confusion(unbalanced)
    ax.remove()
    with pytest.raises(OutputError, match="removed from their figure"):
        plots.save_figure(ax, tmp_path / "confusion.png")
