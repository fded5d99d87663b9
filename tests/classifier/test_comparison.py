"""Cells beside the training cells: a sentence for each way in which they differ."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from streamed_cells import TYPES, drawn

from cellclassifier.classifier.comparison import QueryComparison
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import find_counts
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import STATUSES, CellTrust, Predictions

ALIKE = QueryComparison(
    depth=1.0, genes_detected=100.0, gene_coverage=1.0, shift=0.0, novel=0.05, low_depth=0.0,
    changed_type=None,
)  # fmt: skip


def test_cells_like_the_training_cells_speak_for_themselves():
    assert ALIKE.warnings == []
    assert str(ALIKE) == (
        "The cells are like the training cells in depth, genes and what they look like: "
        "confidence, sets and novelty mean here what they say."
    )


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        pytest.param(
            {"gene_coverage": 0.85}, "only 85% of the model's genes were measured", id="genes"
        ),
        pytest.param({"gene_coverage": 0.25}, "25% .* too few to name cells well", id="few-genes"),
        pytest.param({"depth": 0.3}, "cells have 0.3 times the counts", id="shallow"),
        pytest.param({"depth": 4.0}, "cells have 4 times the counts", id="deep"),
        pytest.param(
            {"low_depth": 0.021}, "2.1% of the cells have too few counts", id="cells-of-few-counts"
        ),
        pytest.param(
            {"shift": 0.2},
            r"genes differ from the training cells' \(shift 0.20\).* no cell is called unknown",
            id="shift",
        ),
        pytest.param(
            {"depth": 0.6, "calibrated_depth": 0.6},
            "scores were calibrated for that",
            id="calibrated",
        ),
        pytest.param(
            {"depth": 0.8, "can_calibrate": False}, "cannot calibrate its scores", id="cannot"
        ),
        pytest.param(
            {"genes_detected": 50.0, "genes_usual": 120.0},
            "counts of 50 of the model's genes, training cells of 120",
            id="genes-detected",
        ),
        pytest.param(
            {"novel": 0.98, "foreign": True}, "does not seem to know what they are", id="foreign"
        ),
        pytest.param({"shift": 0.4}, r"genes differ much .*\(shift 0.40\)", id="much-shift"),
        pytest.param(
            {"novel": 0.3}, "30% of the cells look more novel than 95 % of known", id="novel"
        ),
        pytest.param(
            {"changed_type": "B"}, "most cells are 'B', and few training cells", id="other-type"
        ),
    ],
)
def test_each_difference_is_a_sentence(differs, said):
    found = replace(ALIKE, **differs)
    (warning,) = found.warnings
    assert str(found) == f"Read the labels with care: {warning}."
    assert len(str(found).splitlines()) == 1
    assert re.search(said, warning)


@pytest.mark.parametrize(
    "little",
    [
        {"gene_coverage": 0.9}, {"depth": 0.5}, {"depth": 3.0}, {"depth": None}, {"shift": 0.149},
        {"shift": None}, {"novel": 0.149}, {"novel": None}, {"low_depth": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_differs_little_or_is_not_known_is_not_spoken_of(little):
    assert replace(ALIKE, **little).warnings == []


def test_few_cells_are_not_compared():
    few = replace(ALIKE, n_cells=5)
    assert str(few) == "5 cells are too few to be compared with the training cells."
    assert replace(ALIKE, n_cells=5, gene_coverage=0.2).warnings


def test_of_another_tissue_from_elsewhere_cells_are_called_unknown():
    found = replace(ALIKE, shift=0.5, novel=1.0, foreign=True)
    assert "no cell is called unknown" not in str(found)


def test_shallow_cells_lack_genes_for_that():
    shallow = replace(ALIKE, depth=0.4, calibrated_depth=0.4, genes_detected=40, genes_usual=100)
    assert len(shallow.warnings) == 1


def test_several_differences_are_all_told():
    both = replace(ALIKE, depth=0.1, shift=0.2)
    assert len(both.warnings) == 2
    assert all(warning in str(both) for warning in both.warnings)


# --- as measured


@pytest.fixture
def named_as(classifier):
    """Return what makes predictions of cells: of which type, how novel, and of what status."""

    def make(cells, label="B", novelty=0.0, status="assigned", *, knows=True, shift=0.0):
        n_cells = cells.n_obs
        probabilities = np.zeros((n_cells, len(TYPES)), np.float32)
        probabilities[:, TYPES.index(label)] = 1
        trust = CellTrust(
            probabilities > 0, 0.9, np.full(n_cells, novelty, np.float32),
            np.full(n_cells, STATUSES.index(status), np.int8),
        )  # fmt: skip
        named = Predictions(
            LabelSpace(TYPES), probabilities, cells.obs_names, 1.0, shift, trust if knows else None
        )
        raw = find_counts(cells)
        return QueryComparison.of(ModelView.of(classifier.manifest_, raw), raw, named)

    return make


def test_cells_of_the_same_kind_are_alike(classifier):
    cells = drawn(600, seed=11)
    raw = find_counts(cells)
    view = ModelView.of(classifier.manifest_, raw)
    found = QueryComparison.of(view, raw, classifier.classify(cells))
    assert found.warnings == []
    assert found.depth == pytest.approx(1, abs=0.1)
    assert found.gene_coverage == 1
    assert found.genes_detected == pytest.approx(np.median((cells.X.toarray() > 0).sum(axis=1)))
    assert found.low_depth == 0
    assert found.novel < 0.15


def test_of_few_cells_all_are_looked_at(classifier):
    cells = drawn(300, seed=11, spread=0.3)
    raw, named = find_counts(cells), classifier.classify(cells)
    view = ModelView.of(classifier.manifest_, raw)
    assert QueryComparison.of_sample(view, named) == QueryComparison.of(view, raw, named)


def test_what_is_said_is_kept_with_the_annotation(classifier):
    cells = classifier.annotate(drawn(300, seed=11, spread=0.5))
    assert "genes differ much" in cells.uns["cellclassifier"]["advice"]


def test_cells_from_elsewhere_are_told(classifier):
    cells = drawn(600, seed=11, spread=0.5)
    raw = find_counts(cells)
    view = ModelView.of(classifier.manifest_, raw)
    assert "genes differ much" in str(QueryComparison.of(view, raw, classifier.classify(cells)))


def test_depth_is_a_multiple_of_the_training_cells(named_as):
    cells = drawn(90, seed=11)
    deeper = cells.copy()
    deeper.X = sum(drawn(90, seed=seed).X for seed in range(4))
    assert named_as(deeper).depth == pytest.approx(4 * named_as(cells).depth, rel=0.1)


@pytest.mark.parametrize(("novelty", "share"), [(1.0, 0.0), (1.31, 1.0)])
def test_novel_is_what_few_known_cells_are(named_as, novelty, share):
    assert named_as(drawn(90, seed=11), novelty=novelty).novel == share


def test_cells_of_few_counts_are_counted(named_as):
    assert named_as(drawn(90, seed=11), status="low_depth").low_depth == 1


def test_without_trust_nothing_is_said_of_novelty(named_as):
    found = named_as(drawn(90, seed=11), knows=False)
    assert (found.novel, found.low_depth) == (None, None)
    assert str(found) == "The cells are like the training cells in depth and genes."


@pytest.mark.parametrize(("n_trained", "changed"), [(90, "B"), (120, None)])
def test_a_type_that_most_cells_are_and_few_training_cells_were(
    classifier, named_as, monkeypatch, n_trained, changed
):
    sizes = {"B": n_trained, "NK": 360 - n_trained, "T": 0}
    training = {**classifier.manifest_.training, "n_cells_per_type": sizes}
    monkeypatch.setattr(classifier, "manifest_", replace(classifier.manifest_, training=training))
    assert named_as(drawn(90, seed=11)).changed_type == changed


def test_no_cells_have_no_type(classifier):
    cells = drawn(30, seed=11)
    raw = find_counts(cells)
    none = Predictions(LabelSpace(TYPES), np.empty((0, 3), np.float32), pd.Index([]))
    view = ModelView.of(classifier.manifest_, raw)
    assert QueryComparison.of(view, raw, none).changed_type is None
