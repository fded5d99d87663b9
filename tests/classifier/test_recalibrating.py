"""Shallow cells: scores by known cells that are thinned to their depth."""

from copy import copy
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from streamed_cells import TYPES, drawn

from cellclassifier import CellTypeClassifier, evaluate, find_counts, read_cells
from cellclassifier.classifier import recalibrating
from cellclassifier.classifier.recalibrating import depth_kept, recalibrate
from cellclassifier.classifier.streaming import Streaming, annotate_file
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import read_predictions
from cellclassifier.errors import InputError


def thinned(cells, kept, seed=0):
    """Keep each count with the same probability."""
    counts = sparse.csr_matrix(cells.X, dtype=np.float32, copy=True)
    drawn_counts = np.random.default_rng(seed).binomial(counts.data.astype(int), kept)
    counts.data = drawn_counts.astype(np.float32)
    counts.eliminate_zeros()
    return ad.AnnData(counts, obs=cells.obs.copy(), var=cells.var.copy())


@pytest.fixture(scope="module")
def deep():
    return drawn(300, seed=8)


@pytest.fixture(scope="module")
def shallow(deep):
    return thinned(deep, 0.4)


def view_of(classifier, cells):
    return ModelView.of(classifier.manifest_, find_counts(cells))


def found_for(classifier, cells):
    return recalibrate(view_of(classifier, cells), classifier.predictor(), None, judged=True)


def test_cells_as_deep_as_known_ones_are_left_alone(classifier, deep):
    assert found_for(classifier, deep) is None
    assert found_for(classifier, thinned(deep, 0.95)) is None
    named = classifier.classify(deep)
    assert named.calibrated_depth is None


def test_shallow_cells_are_told_by_their_depth(classifier, shallow):
    found = found_for(classifier, shallow)
    assert found.kept == pytest.approx(0.4, abs=0.05)
    assert found.stretch >= 1
    assert found.conformal.sizes.sum() == len(classifier.manifest_.sample.codes)
    cells = shallow.copy()
    classifier.annotate(cells)
    assert cells.uns["cellclassifier"]["calibrated_depth"] == found.kept
    assert read_predictions(cells).calibrated_depth == found.kept
    assert "scores were calibrated for that" in cells.uns["cellclassifier"]["advice"]


def test_cells_without_many_genes_are_calibrated_too(classifier, deep):
    few = deep[:, np.random.default_rng(0).permutation(deep.n_vars)[: deep.n_vars // 2]].copy()
    found = found_for(classifier, few)
    assert found is not None
    assert classifier.classify(few).calibrated_depth == found.kept


def test_one_small_kind_of_cell_is_not_shallow(classifier):
    cells = drawn(200, seed=9)
    manifest, predict = classifier.manifest_, classifier.predictor()
    sample = manifest.sample
    # B cells are small here: also the known ones
    small = replace(
        sample, library_size=np.where(sample.codes == 0, 0.3, 1.0) * sample.library_size
    )
    only_b = thinned(cells[cells.obs["cell_type"] == TYPES[0]].copy(), 0.3)
    view = view_of(classifier, only_b)
    assert depth_kept(view, small, predict) == 1.0
    assert depth_kept(view, sample, predict) < 0.5


def test_a_model_without_cells_says_that_it_cannot(classifier, shallow):
    bare = copy(classifier)
    bare.manifest_ = replace(classifier.manifest_, sample=None)
    cells = shallow.copy()
    bare.annotate(cells)
    assert "calibrated_depth" not in cells.uns["cellclassifier"]
    assert "cannot calibrate its scores" in cells.uns["cellclassifier"]["advice"]


def test_a_handful_of_kept_cells_is_not_enough(classifier, shallow, monkeypatch):
    n_known = len(classifier.manifest_.sample.codes)
    monkeypatch.setattr(recalibrating, "MIN_KNOWN", n_known)
    assert found_for(classifier, shallow) is not None
    monkeypatch.setattr(recalibrating, "MIN_KNOWN", n_known + 1)
    assert found_for(classifier, shallow) is None


def test_the_farther_away_cells_come_from_the_less_is_done(classifier, shallow):
    found = found_for(classifier, shallow)
    near, between, beyond, far = (found.at(shift) for shift in (0.1, 0.2, 0.4, 0.45))
    assert far is None
    assert near.logits.scale == found.logits.scale
    scales = [np.log(of.logits.scale) for of in (near, between, beyond)]
    assert scales == pytest.approx(np.array([1, 5 / 6, 1 / 6]) * scales[0])
    assert between.conformal is found.conformal
    assert beyond.conformal is None


def test_from_disk_and_by_predict_the_same_comes_out(classifier, shallow, tmp_path):
    whole = classifier.classify(shallow)
    np.testing.assert_array_equal(classifier.predict_proba(shallow), whole.probabilities)
    shallow.write_h5ad(tmp_path / "cells.h5ad")
    annotate_file(
        classifier,
        tmp_path / "cells.h5ad",
        tmp_path / "out.h5ad",
        streaming=Streaming(block_cells=70),
    )
    named = read_predictions(ad.read_h5ad(tmp_path / "out.h5ad"))
    np.testing.assert_array_equal(named.probabilities, whole.probabilities)
    np.testing.assert_array_equal(named.trust.sets, whole.trust.sets)
    np.testing.assert_array_equal(named.trust.novelty, whole.trust.novelty)
    assert named.calibrated_depth == whole.calibrated_depth


def test_the_same_cells_are_calibrated_alike_again(classifier, shallow):
    once, again = (found_for(classifier, shallow) for _ in range(2))
    assert once.logits.scale == again.logits.scale
    np.testing.assert_array_equal(once.logits.offsets, again.logits.offsets)
    assert once.stretch == again.stretch


def test_a_given_depth_is_taken_and_a_given_shift_names_each_cell_for_itself(classifier, shallow):
    assert classifier.classify(shallow, shift=0.0).calibrated_depth is None
    measured = classifier.classify(shallow)
    given = classifier.classify(
        shallow[:60].copy(), shift=measured.shift, depth=measured.calibrated_depth
    )
    np.testing.assert_array_equal(given.probabilities, measured.probabilities[:60])
    np.testing.assert_array_equal(given.trust.novelty, measured.trust.novelty[:60])
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(InputError, match="a depth is a share"):
            classifier.classify(shallow, depth=wrong)


# --- real cells


@pytest.fixture(scope="module")
def real(shared_data):
    cells = read_cells(shared_data("pbmc3k.h5ad")).to_memory()
    order = np.random.default_rng(0).permutation(cells.n_obs)
    training, test = cells[np.sort(order[:1800])].copy(), cells[np.sort(order[1800:])].copy()
    return CellTypeClassifier(seed=0).fit(training, labels_key="cell_type"), test


@pytest.mark.parametrize("kept", [0.5, 0.2])
def test_scores_of_shallow_cells_mean_what_they_say(real, monkeypatch, kept):
    classifier, test = real
    cells = thinned(test, kept)
    truth = cells.obs["cell_type"]
    found = evaluate(truth, classifier.classify(cells, library_size_key="genes_present"))
    monkeypatch.setattr(recalibrating, "ENOUGH_COUNTS", 0.0)
    before = evaluate(truth, classifier.classify(cells, library_size_key="genes_present"))
    assert found.accuracy > before.accuracy + 0.03
    assert found.log_loss < 0.7 * before.log_loss
    assert found.ece < 0.07 < before.ece
    assert abs(found.sets.coverage - 0.9) < 0.04 < 0.9 - before.sets.coverage
    assert found.by_status["unknown"].n_cells < 0.06 * found.n_cells


def test_cells_of_another_tissue_are_unknown_and_not_named(real, shared_data):
    classifier, _ = real
    cells = read_cells(shared_data("baron_pancreas.h5ad")).to_memory()
    classifier.annotate(cells)
    assert (cells.obs["predicted_cell_type_status"] == "unknown").mean() > 0.95
    assert "does not seem to know what they are" in cells.uns["cellclassifier"]["advice"]
