"""What labels are worth: probabilities, sets, novelty and status, of each cell for itself."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from streamed_cells import KEY, N_GENES, QUICK, TYPES, drawn, write

from cellclassifier import CellTypeClassifier, annotate_file
from cellclassifier.classifier.trusting import (
    MAX_SHIFT,
    MIN_COVERAGE,
    MIN_DEPTH,
    Judge,
    TrustSettings,
    foreign_limit,
)
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import find_counts
from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace
from cellclassifier.networks import WideDeepOutput
from cellclassifier.predictions import STATUSES, Predictions
from cellclassifier.trust import ConformalScores

N_CELLS = 40
EXAMPLES = settings(deadline=None, max_examples=40)


@pytest.fixture(scope="module")
def manifest():
    fitted = CellTypeClassifier(network_options={"hidden": (32,)}, training=QUICK, seed=1)
    return fitted.fit(drawn(360, seed=3), labels_key=KEY).manifest_


@pytest.fixture(scope="module")
def view(manifest):
    return ModelView.of(manifest, find_counts(drawn(N_CELLS, seed=7)))


def said(logits, view):
    """Return what a network says that gives these logits, and the cells' own embedding."""
    embedding = view.embed(view.expression())
    return WideDeepOutput(np.asarray(logits, dtype=np.float32), embedding)


@st.composite
def drawn_logits(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.normal(0, draw(st.sampled_from([0.1, 3.0, 50.0])), (N_CELLS, len(TYPES)))


# --- probabilities


@EXAMPLES
@given(logits=drawn_logits())
def test_rows_sum_to_one(view, logits):
    probabilities = Judge.of(view, None, None)(view.raw, said(logits, view)).probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=float), 1, atol=1e-5)
    assert (probabilities >= 0).all()


@EXAMPLES
@given(logits=drawn_logits(), order=st.permutations(range(len(TYPES))))
def test_types_in_another_order_get_the_same(manifest, view, logits, order):
    """The whole path after the network, with the model's types in another order."""
    order = np.array(order)
    held_out, _ = held_out_cells()
    codes = held_out.argmax(axis=1)
    rates, adaptation = manifest.novelty.rates, manifest.adaptation
    kernel, bias = adaptation.plain
    turned = replace(
        manifest,
        label_space=LabelSpace(tuple(np.array(TYPES)[order])),
        conformal=ConformalScores.of(held_out[:, order], np.argsort(order)[codes]),
        novelty=replace(manifest.novelty, rates=replace(rates, rates=rates.rates[order])),
        adaptation=replace(
            adaptation,
            kernels=adaptation.kernels[..., order],
            biases=adaptation.biases[:, order],
            plain=(kernel[:, order], bias[order]),
        ),
    )
    straight = replace(manifest, conformal=ConformalScores.of(held_out, codes))
    views = (replace(view, manifest=of) for of in (straight, turned))
    one, other = (
        Judge.of(seen, None, 0.0)(view.raw, said(values, seen))
        for seen, values in zip(views, (logits, logits[:, order]), strict=True)
    )
    np.testing.assert_allclose(other.probabilities, one.probabilities[:, order], atol=1e-6)
    assert other.labels.tolist() == one.labels.tolist()
    np.testing.assert_array_equal(other.trust.sets, one.trust.sets[:, order])
    np.testing.assert_allclose(other.trust.novelty, one.trust.novelty, rtol=1e-4, atol=1e-4)


def held_out_cells():
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.normal(0, 3, (300, len(TYPES))), axis=1).astype(np.float32)
    return probabilities, rng


def test_labels_renamed_so_that_their_order_changes_name_the_same_cells():
    """The fit as a whole, of a network whose fit has one solution."""
    cells, query = drawn(240, seed=3), drawn(60, seed=4)
    renamed = dict(zip(TYPES, ("z", "m", "a"), strict=True))
    other = cells.copy()
    other.obs[KEY] = cells.obs[KEY].astype(str).map(renamed)
    one, two = (
        CellTypeClassifier("linear", seed=1).fit(reference, labels_key=KEY).classify(query)
        for reference in (cells, other)
    )
    columns = [two.label_space.labels.index(renamed[label]) for label in one.label_space.labels]
    np.testing.assert_allclose(two.probabilities[:, columns], one.probabilities, atol=0.02)
    assert [renamed[label] for label in one.labels] == two.labels.tolist()


@EXAMPLES
@given(logits=drawn_logits(), temperature=st.floats(0.1, 10))
def test_a_temperature_never_changes_the_order_of_types(view, logits, temperature):
    judge = Judge.of(view, None, None)
    order = np.argsort(-logits, axis=1)
    tempered = judge(view.raw, said(logits / temperature, view)).probabilities
    assert (np.diff(np.take_along_axis(tempered, order, axis=1), axis=1) <= 1e-7).all()


def test_a_type_without_training_cells_is_not_known():
    cells = drawn(240, seed=3)
    cells.obs[KEY] = cells.obs[KEY].cat.add_categories(["neuron"])
    named = CellTypeClassifier("linear").fit(cells, labels_key=KEY).classify(drawn(60, seed=4))
    assert named.label_space.labels == TYPES
    assert set(named.labels) <= set(TYPES)


@EXAMPLES
@given(logits=drawn_logits())
def test_logits_are_no_probabilities(logits):
    logits = logits.astype(np.float32)
    logits[0] = [3, -1, 2]
    with pytest.raises(InputError, match="these may be logits or scores"):
        Predictions(LabelSpace(TYPES), logits, pd.RangeIndex(N_CELLS).astype(str))


# --- status


def judged(view, *, shift=0.0, novelty=None, **asked):
    """Return the statuses of cells of which half are ambiguous, with a novelty given."""
    probabilities = np.full((N_CELLS, len(TYPES)), 0.005, np.float32)
    probabilities[:, 0] = 0.99
    probabilities[1::2] = 1 / len(TYPES)
    sets = probabilities > 0.1
    judge = Judge.of(view, TrustSettings(**asked), shift)
    novelty = np.zeros(N_CELLS, np.float32) if novelty is None else np.float32(novelty)
    status = judge._status(sets, novelty, view.library_size(view.raw))
    return np.array(STATUSES)[status]


def test_the_gravest_status_comes_first():
    assert STATUSES == ("low_coverage", "low_depth", "unknown", "ambiguous", "assigned")


def test_cells_are_assigned_or_ambiguous(view):
    found = judged(view)
    assert set(found[::2]) == {"assigned"}
    assert set(found[1::2]) == {"ambiguous"}


def test_what_is_novel_is_unknown_whether_ambiguous_or_not(view):
    novelty = np.where(np.arange(N_CELLS) < 10, 1.4, 1.2)
    found = judged(view, novelty=novelty)
    assert set(found[:10]) == {"unknown"}
    assert set(found[10:]) == {"assigned", "ambiguous"}


@pytest.mark.parametrize(("refused", "n_unknown"), [(0.5, 40), (0.1, 10), (0.01, 0), (0.0, 0)])
def test_unknown_are_as_many_as_are_refused(view, refused, n_unknown):
    novelty = np.where(np.arange(N_CELLS) < 10, 1.4, 0.4)
    assert (judged(view, novelty=novelty, refused=refused) == "unknown").sum() == n_unknown


def test_refusing_none_calls_none_unknown_however_novel(view):
    assert "unknown" not in judged(view, novelty=np.full(N_CELLS, 1e30), refused=0.0)


@pytest.mark.parametrize(
    ("shift", "refuses"),
    [(None, True), (0.0, True), (MAX_SHIFT - 1e-6, True), (MAX_SHIFT, False), (1.0, False)],
)
def test_from_a_shift_on_none_is_refused(view, shift, refuses):
    found = judged(view, shift=shift, novelty=np.full(N_CELLS, 9.0))
    assert ("unknown" in found) == refuses
    assert Judge.of(view, None, shift).refuses == refuses


def with_depth(view, share):
    """Return the view with cells of which the first has a share of the usual counts."""
    sizes = view.raw.library_size.copy()
    sizes[0] = share * view.manifest.training["median_library_size"]
    return replace(view, raw=replace(view.raw, library_size=sizes))


@pytest.mark.parametrize(("share", "low"), [(MIN_DEPTH * 0.99, True), (MIN_DEPTH * 1.01, False)])
def test_cells_of_few_counts_are_low_depth_though_novel(view, share, low):
    found = judged(with_depth(view, share), novelty=np.full(N_CELLS, 9.0))
    assert found[0] == ("low_depth" if low else "unknown")
    assert set(found[1:]) == {"unknown"}


@pytest.mark.parametrize(("n_measured", "low"), [(35, True), (37, False)])
def test_with_few_of_the_genes_all_cells_are_low_coverage(manifest, n_measured, low):
    cells = drawn(N_CELLS, seed=7)[:, :n_measured].copy()
    view = ModelView.of(manifest, find_counts(cells))
    assert (view.match.gene_coverage < MIN_COVERAGE) == low
    assert view.match.gene_coverage == n_measured / N_GENES
    found = judged(with_depth(view, 0.0001), novelty=np.full(N_CELLS, 9.0))
    assert (set(found) == {"low_coverage"}) == low
    assert ("low_coverage" in found) == low


# --- what is asked


@pytest.mark.parametrize("coverage", [0, 1, -0.5, 90, np.nan])
def test_a_coverage_is_a_share(coverage):
    with pytest.raises(InputError, match="a coverage is a share between 0 and 1"):
        TrustSettings(coverage=coverage)


@pytest.mark.parametrize("refused", [1, -0.01, 5, np.nan])
def test_what_is_refused_is_a_share(refused):
    with pytest.raises(InputError, match=r"lies in \[0, 1\), such as 0.05"):
        TrustSettings(refused=refused)


def test_unknown_cells_are_kept_or_labelled():
    with pytest.raises(InputError, match="not 'drop'"):
        TrustSettings(unknown="drop")


def test_the_label_of_unknown_cells_is_what_was_asked(classifier):
    named = {}
    for unknown in ("keep", "label"):
        cells = drawn(300, seed=9)
        asked = TrustSettings(refused=0.5, unknown=unknown)
        named[unknown] = classifier.annotate(cells, shift=0.0, trust=asked).obs
        classified = classifier.classify(cells, shift=0.0, trust=asked)
        assert classified.labels.tolist() == named[unknown]["predicted_cell_type"].tolist()
    is_unknown = named["keep"]["predicted_cell_type_status"] == "unknown"
    assert 0 < is_unknown.sum() < 300
    assert set(named["keep"]["predicted_cell_type"]) <= set(TYPES)
    assert ((named["label"]["predicted_cell_type"] == "unknown") == is_unknown).all()


def test_a_higher_coverage_gives_larger_sets(manifest, view):
    logits = np.random.default_rng(0).normal(0, 1, (N_CELLS, len(TYPES)))
    held_out, rng = held_out_cells()
    codes = (rng.random((300, 1)) > held_out.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    with_scores = replace(manifest, conformal=ConformalScores.of(held_out, codes))
    view = replace(view, manifest=with_scores)
    sets = [
        Judge.of(view, TrustSettings(coverage=share), None)(view.raw, said(logits, view)).trust.sets
        for share in (0.5, 0.8, 0.99)
    ]
    assert (sets[0] <= sets[1]).all()
    assert (sets[1] <= sets[2]).all()
    assert sets[0].sum() < sets[2].sum()


def test_the_best_type_is_kept_where_that_is_asked(view):
    logits = np.random.default_rng(0).normal(0, 1, (N_CELLS, len(TYPES)))
    asked = TrustSettings(coverage=0.3, keep_best=True)
    named = Judge.of(view, asked, None)(view.raw, said(logits, view))
    assert named.trust.sets[np.arange(N_CELLS), named.codes].all()
    assert named.trust.coverage == 0.3


# --- through the classifier


def test_what_a_cell_is_worth_depends_on_no_other_cell(classifier, cells):
    together = classifier.classify(cells, shift=0.0).trust
    for rows in (slice(7, 8), slice(0, 50), slice(None, None, -1)):
        some = classifier.classify(cells[rows].copy(), shift=0.0).trust
        for ours, theirs in ((some.sets, together.sets), (some.status, together.status),
                             (some.novelty, together.novelty)):  # fmt: skip
            np.testing.assert_array_equal(ours, theirs[rows])


def test_of_cells_like_the_training_cells_few_are_unknown(classifier):
    named = classifier.classify(drawn(1000, seed=9))
    assert (named.trust.statuses == "unknown").mean() < 0.08
    true = drawn(1000, seed=9).obs[KEY].astype(str)
    held = named.trust.sets[np.arange(1000), named.label_space.encode(true)]
    assert held.mean() == pytest.approx(0.9, abs=0.05)


def test_unknown_cells_get_no_label_that_is_the_name_of_a_type(tmp_path):
    reference = drawn(360, seed=3)
    reference.obs[KEY] = reference.obs[KEY].cat.rename_categories({"NK": "unknown"})
    named_so = CellTypeClassifier(network_options={"hidden": (8,)}, training=QUICK)
    named_so.fit(reference, labels_key=KEY)
    cells, asked = drawn(60, seed=4), TrustSettings(unknown="label")
    for name in (named_so.classify, named_so.annotate):
        with pytest.raises(InputError, match=r"a type named 'unknown'.*--unknown keep"):
            name(cells, trust=asked)
    path = write(cells, tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match="a type named 'unknown'"):
        annotate_file(named_so, path, tmp_path / "named.h5ad", trust=asked)
    assert [entry.name for entry in tmp_path.iterdir()] == ["cells.h5ad"]
    assert "unknown" in named_so.annotate(cells).obs["predicted_cell_type"].cat.categories


def test_of_fewer_cells_than_twenty_none_are_of_another_tissue():
    novelty = np.full(20, 9.0, np.float32)
    assert foreign_limit(novelty) is not None
    assert foreign_limit(novelty[:19]) is None


@pytest.mark.parametrize(
    ("shift", "refused", "why"),
    [(0.0, 0.05, None), (0.2, 0.05, "shift"), (0.2, 0.0, "asked"), (0.0, 0.0, "asked")],
)
def test_why_no_cell_is_called_unknown(view, shift, refused, why):
    judge = Judge.of(view, TrustSettings(refused=refused), shift)
    assert judge.none_unknown == why
    foreign = replace(judge, foreign_limit=3.0)
    assert foreign.none_unknown == (None if why == "shift" else why)


def test_a_model_that_does_not_know_how_it_errs_says_nothing(view):
    for lacking in ({"conformal": None}, {"novelty": None}):
        without = replace(view, manifest=replace(view.manifest, **lacking))
        logits = np.zeros((N_CELLS, len(TYPES)))
        assert Judge.of(without, None, 0.0)(view.raw, said(logits, without)).trust is None
