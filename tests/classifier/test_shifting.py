"""Cells from elsewhere: the shift is measured, told, and decides which layer names them."""

from copy import copy
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellclassifier import CellTypeClassifier, TrainingConfig, TuningPlan, check, tune
from cellclassifier.classifier import sampling, trusting
from cellclassifier.classifier.expectation import expect_accuracy
from cellclassifier.classifier.shifting import adapt
from cellclassifier.classifier.view import ModelView
from cellclassifier.cli import main
from cellclassifier.data import find_counts, read_predictions
from cellclassifier.errors import InputError
from cellclassifier.networks import counts_predictor

KEY, N_GENES, TYPES = "cell_type", 150, ("B", "NK", "T")
QUICK = TrainingConfig(
    solver="stacked", epochs=4, batch_size=64, penalty=1e-5, validation_fraction=0, patience=None
)


def drawn(n_cells, seed, spread=0.0):
    """Draw cells of three types, with a factor of its own for each gene where there is a spread."""
    shares = np.random.default_rng(0).lognormal(0, 0.8, N_GENES)
    shares = shares * np.random.default_rng(1).lognormal(0, 0.5, (len(TYPES), N_GENES))
    shares = shares * np.random.default_rng(2).lognormal(0, spread, N_GENES)
    shares /= shares.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    codes = np.arange(n_cells) % len(TYPES)
    counts = rng.poisson(shares[codes] * 1500 * rng.lognormal(0, 0.2, (n_cells, 1)))
    return ad.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(
            {KEY: np.array(TYPES)[codes]}, index=[f"cell{number}" for number in range(n_cells)]
        ),
        var=pd.DataFrame(index=[f"GENE{number}" for number in range(N_GENES)]),
    )


@pytest.fixture(scope="module")
def classifier():
    options = {"hidden": (32,)}
    fitted = CellTypeClassifier(network_options=options, training=QUICK, seed=1)
    return fitted.fit(drawn(360, seed=3), labels_key=KEY)


@pytest.fixture(scope="module")
def home():
    return drawn(200, seed=4)


@pytest.fixture(scope="module")
def abroad():
    return drawn(200, seed=4, spread=0.6)


def test_the_default_network_adapts():
    assert CellTypeClassifier().network == "wide-deep"


def test_held_out_cells_of_the_reference_show_no_shift(classifier, home):
    found = classifier.classify(home)
    assert found.shift < 0.05
    np.testing.assert_array_equal(
        found.probabilities, classifier.classify(home, shift=0.0).probabilities
    )


def test_gene_factors_are_told_and_name_by_another_layer(classifier, abroad):
    found = classifier.classify(abroad)
    assert found.shift == pytest.approx(0.6, abs=0.2)
    fixed = classifier.classify(abroad, shift=0)
    assert fixed.shift == 0
    assert np.abs(found.probabilities - fixed.probabilities).max() > 0.01
    far = classifier.classify(abroad, shift=5.0)
    np.testing.assert_array_equal(found.probabilities, far.probabilities)


def test_each_knot_names_by_its_own_layer(classifier, abroad):
    adaptation = classifier.manifest_.adaptation
    kernels = [classifier.model_.get_layer("logits").get_weights(), *zip(
        adaptation.kernels, adaptation.biases, strict=True
    )]  # fmt: skip
    predict = classifier.predictor()
    expression = classifier.expression(abroad)
    for shift, (kernel, bias) in zip((0.05, 0.16, 0.32), kernels, strict=True):
        logits = predict.with_logits(kernel, bias)(expression, None)
        named = classifier.classify(abroad, shift=shift)
        expected = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(named.probabilities, expected, atol=1e-5)
        assert named.shift == shift


def test_with_the_shift_given_a_cell_is_named_alike_in_any_company(classifier, abroad):
    together = classifier.classify(abroad, shift=0.0).probabilities
    for rows in (slice(7, 8), slice(0, 50), slice(None, None, -1)):
        some = classifier.classify(abroad[rows].copy(), shift=0.0).probabilities
        np.testing.assert_array_equal(some, together[rows])


def test_what_is_measured_does_not_depend_on_the_order_of_cells(classifier, abroad):
    order = np.random.default_rng(0).permutation(abroad.n_obs)
    turned = classifier.classify(abroad[order].copy())
    straight = classifier.classify(abroad)
    assert turned.shift == pytest.approx(straight.shift, abs=1e-6)
    np.testing.assert_allclose(turned.probabilities, straight.probabilities[order], atol=1e-6)


def test_many_cells_are_measured_on_a_sample_that_stays_the_same(classifier, abroad, monkeypatch):
    whole = classifier.classify(abroad).shift
    monkeypatch.setattr(sampling, "N_RUNS", 12)
    monkeypatch.setattr(sampling, "CELLS_PER_RUN", 5)
    monkeypatch.setattr(sampling, "SAMPLE_CELLS", 60)
    once, again = (classifier.classify(abroad).shift for _ in range(2))
    assert once == again != whole
    assert once == pytest.approx(whole, abs=0.15)


@pytest.mark.parametrize("n_genes", [N_GENES, 90])
@pytest.mark.parametrize("spread", [0.0, 0.6])
def test_predict_says_what_classify_says_to_the_bit(classifier, monkeypatch, spread, n_genes):
    cells = drawn(200, seed=4, spread=spread)[:, :n_genes].copy()
    classified = classifier.classify(cells)
    assert classified.trust is not None

    def never(*_, **__):
        raise AssertionError("nobody asked what the names are worth")

    monkeypatch.setattr(trusting.Judge, "of", never)
    np.testing.assert_array_equal(classifier.predict_proba(cells), classified.probabilities)
    np.testing.assert_array_equal(classifier.predict(cells), classified.labels)


@pytest.mark.parametrize("block_cells", [1, 7, 200])
def test_size_of_blocks_changes_nothing(classifier, abroad, monkeypatch, block_cells):
    whole = classifier.classify(abroad)
    monkeypatch.setattr(counts_predictor, "BLOCK_CELLS", block_cells)
    in_blocks = classifier.classify(abroad)
    assert in_blocks.shift == whole.shift
    np.testing.assert_array_equal(in_blocks.probabilities, whole.probabilities)
    np.testing.assert_array_equal(in_blocks.trust.novelty, whole.trust.novelty)


def test_counts_compared_beside_the_network_or_after_it_give_the_same_novelty(
    classifier, abroad, monkeypatch
):
    beside = classifier.classify(abroad).trust
    monkeypatch.setattr("cellclassifier.classifier.last_layer._comparison", lambda *_: None)
    after = classifier.classify(abroad).trust
    np.testing.assert_array_equal(beside.novelty, after.novelty)
    np.testing.assert_array_equal(beside.status, after.status)


@pytest.mark.parametrize("n_cells", [1, 19])
def test_few_cells_are_taken_for_cells_like_the_trainings(classifier, abroad, n_cells):
    assert classifier.classify(abroad[:n_cells].copy()).shift == 0


def test_genes_that_lack_are_no_shift(classifier, home):
    half = home[:, ::2].copy()
    assert classifier.classify(half).shift < 0.05
    accuracy = (classifier.predict(half) == home.obs[KEY].to_numpy()).mean()
    assert accuracy > 0.9


@pytest.mark.parametrize("shift", [-0.1, float("nan"), float("inf"), -np.float64(1)], ids=str)
def test_a_shift_that_is_none_is_refused(classifier, home, shift):
    with pytest.raises(InputError, match="a number from 0 on, or None to measure it; not "):
        classifier.classify(home, shift=shift)


@pytest.fixture(scope="module")
def linear():
    return CellTypeClassifier("linear").fit(drawn(600, seed=3), labels_key=KEY)


def test_networks_that_do_not_adapt_name_alike_whatever_the_shift(linear, home, abroad):
    for cells in (home, abroad):
        for shift in (None, 0.0, 0.4):
            found = linear.classify(cells, shift=shift)
            np.testing.assert_array_equal(found.probabilities, linear.predict_proba(cells))
            assert shift in (None, found.shift)
    with pytest.raises(InputError, match="from 0 on"):
        linear.classify(home, shift=-1.0)


def test_networks_that_do_not_adapt_measure_the_shift_and_refuse_no_cell_for_it(
    linear, classifier, home
):
    assert linear.classify(home).shift < 0.05
    abroad = drawn(200, seed=4, spread=0.25)
    found = linear.classify(abroad)
    assert found.shift == pytest.approx(classifier.classify(abroad).shift, abs=0.05)
    is_novel = found.trust.novelty >= -np.log10(0.05)
    assert is_novel.sum() > 10
    assert "unknown" not in found.trust.statuses
    given = linear.classify(abroad, shift=0.0)
    np.testing.assert_array_equal(given.trust.statuses == "unknown", is_novel)
    written = linear.annotate(abroad.copy()).uns["cellclassifier"]
    assert written["shift"] == found.shift
    assert "this network does not adapt to it, no cell is called unknown" in written["advice"]


def test_a_model_that_knows_nothing_of_its_types_counts_tells_no_shift(linear, home):
    bare = copy(linear)
    bare.manifest_ = replace(linear.manifest_, novelty=None)
    assert bare.classify(home).shift is None
    assert "shift" not in bare.annotate(home.copy()).uns["cellclassifier"]
    of_old = copy(linear)
    known = dict(linear.manifest_.training)
    del known["median_library_size"]
    of_old.manifest_ = replace(linear.manifest_, training=known)
    assert of_old.classify(home).shift is None


def test_predictions_alone_take_no_time_for_a_shift_that_nobody_asked_for(linear, home):
    view = ModelView.of(linear.manifest_, find_counts(home))
    assert adapt(view, linear.predictor(), None).shift is None
    assert adapt(view, linear.predictor(), None, judged=True).shift == 0.0


# --- files and the command line


def test_the_file_keeps_what_adapts(classifier, abroad, tmp_path):
    classifier.save(tmp_path / "model.keras")
    loaded = CellTypeClassifier.load(tmp_path / "model.keras")
    for shift in (None, 0.0, 0.2):
        ours, theirs = (one.classify(abroad, shift=shift) for one in (classifier, loaded))
        assert ours.shift == theirs.shift
        np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)
    half = abroad[:, ::2].copy()
    np.testing.assert_array_equal(loaded.predict_proba(half), classifier.predict_proba(half))


def test_without_its_cells_the_file_names_alike(classifier, abroad, tmp_path):
    copy(classifier).save(tmp_path / "model.keras", keep_cells=False)
    loaded = CellTypeClassifier.load(tmp_path / "model.keras")
    assert loaded.manifest_.sample is None
    assert loaded.classify(abroad).shift == classifier.classify(abroad).shift
    np.testing.assert_array_equal(loaded.predict_proba(abroad), classifier.predict_proba(abroad))


@pytest.mark.parametrize("shift", [None, 0.0, 0.25])
def test_the_shift_is_written_beside_the_names_and_read_again(classifier, abroad, tmp_path, shift):
    named = classifier.annotate(abroad.copy(), shift=shift)
    told = classifier.classify(abroad, shift=shift).shift
    assert named.uns["cellclassifier"]["shift"] == told
    named.write_h5ad(tmp_path / "named.h5ad")
    assert read_predictions(ad.read_h5ad(tmp_path / "named.h5ad")).shift == told


@pytest.mark.parametrize(("option", "expected"), [([], None), (["--shift", "0"], 0.0)])
def test_the_command_line_passes_the_shift_on(classifier, abroad, tmp_path, option, expected):
    model, cells, out = (tmp_path / name for name in ("model.keras", "cells.h5ad", "named.h5ad"))
    classifier.save(model)
    abroad.write_h5ad(cells)
    arguments = ["annotate", cells, "--model", model, "--out", out, *option]
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 0
    told = classifier.classify(abroad, shift=expected)
    assert ad.read_h5ad(out).uns["cellclassifier"]["shift"] == pytest.approx(told.shift)
    np.testing.assert_allclose(
        ad.read_h5ad(out).obsm["cell_type_probabilities"], told.probabilities, atol=1e-6
    )


@pytest.mark.parametrize("shift", ["-1", "nan", "far"])
def test_the_command_line_refuses_what_is_no_shift(classifier, home, tmp_path, shift, capsys):
    model, cells, out = (tmp_path / name for name in ("model.keras", "cells.h5ad", "named.h5ad"))
    classifier.save(model)
    home.write_h5ad(cells)
    arguments = ["annotate", cells, "--model", model, "--out", out, f"--shift={shift}"]
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code != 0
    assert "shift" in capsys.readouterr().err
    assert not out.exists()


# --- other doors


def test_the_lowlevel_engine_refuses_it(home):
    fitted = CellTypeClassifier(training=QUICK, network_options={"hidden": (8,)})
    fitted.fit(home, labels_key=KEY)
    fitted.engine = "lowlevel"
    with pytest.raises(InputError, match="no layer like"):
        fitted.predict(home)


def test_it_cannot_be_tuned(home):
    with pytest.raises(InputError, match="'wide-deep' cannot be tuned"):
        tune(home, labels_key=KEY, plan=TuningPlan("wide-deep", n_trials=1))


def test_check_expects_what_members_said_of_cells_they_had_not_seen(classifier, home):
    report = check(home, classifier)
    assert report.model.expected.accuracy > 0.8
    manifest = classifier.manifest_
    told = expect_accuracy(
        classifier.model_,
        manifest,
        manifest.sample,
        measured=np.ones(len(manifest.panel), dtype=bool),
        median_library_size=np.inf,
    )
    assert told.accuracy == told.as_trained
    # a fold of the cells, by the weights that came from the others
    assert told.n_cells == len(manifest.sample.codes) == 120
    assert manifest.training["validation"]["n_cells"] == 360
    assert told.as_trained == pytest.approx(manifest.training["validation"]["accuracy"], abs=0.06)
    final = classifier.model_.get_layer("logits").get_weights()[0]
    assert not np.array_equal(manifest.sample.weights[-2], final)
