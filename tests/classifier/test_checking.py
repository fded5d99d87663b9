"""The report on cells, and the accuracy to expect."""

import json

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from cellclassifier import CellTypeClassifier, InputReport, TrainingConfig, check
from cellclassifier.classifier.expectation import expect_accuracy
from cellclassifier.cli import main
from cellclassifier.errors import CountsError, GeneOverlapError, NotFittedError
from cellclassifier.networks import logits_model, predict_logits

KEY = "cell_type"


@pytest.fixture
def classifier(toy_reference):
    training = TrainingConfig(solver="lbfgs", validation_fraction=0.4, refit=True)
    return CellTypeClassifier("linear", training=training).fit(toy_reference, labels_key=KEY)


def expected(classifier, measured=None, depth=np.inf, seed=0):
    manifest = classifier.manifest_
    return expect_accuracy(
        classifier.model_,
        manifest,
        manifest.sample,
        measured=np.ones(len(manifest.panel), bool) if measured is None else measured,
        median_library_size=depth,
        seed=seed,
    )


def test_with_all_genes_and_full_depth_the_validation_accuracy_is_expected(classifier):
    told = expected(classifier)
    validation = classifier.manifest_.training["validation"]
    assert told.accuracy == told.as_trained == validation["accuracy"]
    assert told.n_cells == validation["n_cells"] == 48
    assert told.kept_depth == 1.0


def test_without_a_refit_the_final_network_is_scored(toy_reference):
    training = TrainingConfig(solver="lbfgs", validation_fraction=0.4)
    classifier = CellTypeClassifier("linear", training=training).fit(toy_reference, labels_key=KEY)
    sample = classifier.manifest_.sample
    assert sample.weights is None
    told = expected(classifier)
    assert told.accuracy == classifier.manifest_.training["validation"]["accuracy"]


def test_the_weights_kept_are_those_from_before_the_refit(classifier):
    sample = classifier.manifest_.sample
    final = logits_model(classifier.model_).get_weights()
    assert [w.shape for w in sample.weights] == [w.shape for w in final]
    assert not np.allclose(sample.weights[0], final[0])


def test_fewer_genes_and_counts_are_expected_to_cost_accuracy(classifier):
    panel = classifier.manifest_.panel
    without_markers = np.array(["MARK" not in name for name in panel.names])
    assert expected(classifier, without_markers).accuracy < 0.6
    shallow = expected(classifier, depth=4)
    assert shallow.kept_depth < 0.1
    assert shallow.accuracy < 0.95 < shallow.as_trained
    low, high = shallow.interval
    assert 0 <= low < shallow.accuracy < high <= 1


def test_the_expectation_comes_true(classifier, toy_reference):
    """Thinned cells of the same kind are named as well as was expected of them."""
    rng = np.random.default_rng(5)
    thinned = toy_reference.copy()
    thinned.X = rng.binomial(toy_reference.X.toarray().astype(int), 0.2).astype(np.float32)
    thinned = thinned[thinned.X.sum(axis=1) > 0].copy()
    told = check(thinned, classifier).model.expected
    low, high = told.interval
    assert low - 0.05 <= classifier.score(thinned, KEY) <= high + 0.05


def test_thinning_leaves_the_kept_cells_as_they_are(classifier):
    sample = classifier.manifest_.sample
    before = sample.counts.copy()
    first = expected(classifier, depth=20)
    assert expected(classifier, depth=20) == first
    assert (sample.counts != before).nnz == 0
    assert expected(classifier, depth=20, seed=1).n_cells == first.n_cells


def test_a_model_without_validation_cells_says_so(toy_reference):
    training = TrainingConfig(solver="lbfgs", validation_fraction=0.0)
    classifier = CellTypeClassifier("linear", training=training).fit(toy_reference, labels_key=KEY)
    assert classifier.manifest_.sample is None
    assert check(toy_reference, classifier).model.expected is None


def test_report_on_cells_alone(toy_reference):
    report = check(toy_reference)
    assert isinstance(report, InputReport)
    assert (report.n_cells, report.n_genes, report.model) == (120, 60, None)
    assert report.counts == "raw counts in X"
    sizes = np.asarray(toy_reference.X.sum(axis=1)).ravel()
    assert report.library_size == pytest.approx(tuple(np.percentile(sizes, [25, 50, 75])))


def test_report_on_a_model_with_some_genes_missing(classifier, toy_reference):
    panel = set(classifier.manifest_.panel.names)
    kept = [name for name in toy_reference.var_names if name in panel][::2]
    fit = check(toy_reference[:, kept].copy(), classifier).model
    assert fit.n_by_id + fit.n_by_name == len(kept)
    assert fit.gene_coverage == pytest.approx(len(kept) / fit.n_panel)
    assert 0 < fit.relative_depth < 1
    assert fit.expected.accuracy <= fit.expected.as_trained


def test_cells_that_cannot_be_named_are_refused_like_elsewhere(classifier, toy_reference):
    with pytest.raises(GeneOverlapError):
        check(ad.AnnData(np.ones((3, 4), dtype=np.float32)), classifier)
    scaled = ad.AnnData(np.array([[1.5, -2.0], [0.3, 0.1]], dtype=np.float32))
    with pytest.raises(CountsError):
        check(scaled)
    with pytest.raises(NotFittedError):
        check(toy_reference, CellTypeClassifier())


def test_command_prints_text_and_json(classifier, toy_reference, tmp_path, capsys):
    cells, model = tmp_path / "cells.h5ad", tmp_path / "model.keras"
    toy_reference.write_h5ad(cells)
    classifier.save(model)
    with pytest.raises(SystemExit) as stopped:
        main(["check", str(cells), "--model", str(model)])
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "raw counts in X" in text
    assert "accuracy to expect" in text
    with pytest.raises(SystemExit):
        main(["check", str(cells), "--model", str(model), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["model"]["gene_coverage"] == 1.0
    assert told["model"]["expected"]["n_cells"] == 48
    assert told == json.loads(json.dumps(check(toy_reference, classifier).to_json()))


def test_sample_survives_the_file(classifier, tmp_path):
    classifier.save(tmp_path / "model.keras")
    loaded = CellTypeClassifier.load(tmp_path / "model.keras")
    assert expected(loaded, depth=30) == expected(classifier, depth=30)
    ours, theirs = loaded.manifest_.sample, classifier.manifest_.sample
    assert (ours.counts != theirs.counts).nnz == 0
    np.testing.assert_array_equal(ours.library_size, theirs.library_size)
    np.testing.assert_array_equal(ours.codes, theirs.codes)


def test_the_network_sees_the_sample_as_it_sees_cells(classifier, toy_reference):
    sample, manifest = classifier.manifest_.sample, classifier.manifest_
    rows = [
        row
        for row in range(toy_reference.n_obs)
        if sample.library_size[0] == toy_reference.X[row].sum()
    ]
    expression = classifier.expression(toy_reference[rows].copy())
    logits = predict_logits(logits_model(classifier.model_), expression)
    assert manifest.label_space.labels[sample.codes[0]] in set(toy_reference.obs[KEY].iloc[rows])
    assert sparse.issparse(sample.counts)
    assert np.isfinite(logits).all()


def test_cells_can_be_left_out_of_the_file(classifier, tmp_path):
    classifier.save(tmp_path / "model.keras", keep_cells=False)
    assert CellTypeClassifier.load(tmp_path / "model.keras").manifest_.sample is None
