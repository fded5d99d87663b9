"""Prediction sets: as often right as was asked for, nested, and each cell's own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from cellclassifier.errors import InputError
from cellclassifier.trust.conformal import (
    MAX_KEPT,
    MIN_GROUP_CELLS,
    MIN_TYPE_CELLS,
    ConformalScores,
)

COVERAGES = (0.5, 0.8, 0.9, 0.95, 0.99)


def simulated(n_cells, n_types=6, sharpness=3.0, seed=0, overconfidence=1.0):
    """Draw types with some probabilities; those that are given may be too sure of themselves."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, size=(n_cells, n_types)) + np.linspace(0, 3, n_types)
    true = softmax(logits, axis=1)
    codes = (rng.random((n_cells, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(0, n_types - 1)
    return softmax(overconfidence * logits, axis=1).astype(np.float32), codes


def coverage_of(sets, codes):
    return sets[np.arange(len(codes)), codes].mean()


# --- how often a set holds the true type


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_are_right_as_often_as_asked_for_over_all_and_for_each_type(coverage, overconfidence):
    probabilities, codes = simulated(40_000, overconfidence=overconfidence)
    scores = ConformalScores.of(probabilities[:20_000], codes[:20_000])
    sets = scores.sets(probabilities[20_000:], coverage, keep_best=False)
    true = codes[20_000:]
    assert coverage_of(sets, true) == pytest.approx(coverage, abs=0.01)
    for code in range(6):
        own = true == code
        assert coverage_of(sets[own], code * np.ones(own.sum(), int)) == pytest.approx(
            coverage, abs=0.03
        )


def test_sets_that_keep_the_best_are_right_at_least_as_often():
    probabilities, codes = simulated(20_000, sharpness=8.0)
    scores = ConformalScores.of(probabilities[:10_000], codes[:10_000])
    best_alone = (probabilities.argmax(axis=1) == codes)[10_000:].mean()
    assert best_alone > 0.85
    kept = scores.sets(probabilities[10_000:], 0.7)
    assert (kept.sum(axis=1) == 1).mean() > 0.9
    assert coverage_of(kept, codes[10_000:]) >= best_alone
    exact = scores.sets(probabilities[10_000:], 0.7, keep_best=False)
    assert coverage_of(exact, codes[10_000:]) == pytest.approx(0.7, abs=0.02)
    assert 0.1 < (exact.sum(axis=1) == 0).mean() < 0.35


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_coverage_holds_on_average_over_small_samples(coverage):
    found = []
    for seed in range(300):
        probabilities, codes = simulated(130, n_types=3, seed=seed)
        scores = ConformalScores.of(probabilities[:30], codes[:30])
        sets = scores.sets(probabilities[30:], coverage, keep_best=False)
        found.append(coverage_of(sets, codes[30:]))
    assert np.mean(found) == pytest.approx(coverage, abs=0.02)


def test_a_type_that_is_hard_to_tell_is_covered_too():
    rng = np.random.default_rng(0)
    codes = (rng.random(80_000) < 0.1).astype(int)
    evidence = np.where(codes == 1, 1.0, -1.0) + rng.normal(0, 1, 80_000)
    probabilities = softmax(np.stack([0 * evidence, 2 * evidence - 2.2], axis=1), axis=1)
    scores = ConformalScores.of(probabilities[:40_000], codes[:40_000])
    cells = probabilities[40_000:][codes[40_000:] == 1]
    assert (cells.argmax(axis=1) == 1).mean() < 0.7
    for coverage in (0.8, 0.9, 0.95):
        assert scores.sets(cells, coverage)[:, 1].mean() == pytest.approx(coverage, abs=0.02)


# --- what holds for any cells


@st.composite
def held_out_and_cells(draw):
    n_types = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharpness = draw(st.sampled_from([0.5, 3.0, 30.0, 300.0]))
    n_held_out = draw(st.integers(0, 200))
    logits = rng.normal(0, sharpness, size=(n_held_out + 30, n_types))
    probabilities = softmax(logits, axis=1).astype(np.float32)
    codes = rng.integers(0, draw(st.integers(1, n_types)), size=n_held_out)
    return ConformalScores.of(probabilities[:n_held_out], codes), probabilities[n_held_out:]


@settings(deadline=None, max_examples=100)
@given(drawn=held_out_and_cells(), keep_best=st.booleans())
def test_a_set_of_a_higher_coverage_holds_that_of_a_lower_one(drawn, keep_best):
    scores, cells = drawn
    sets = [scores.sets(cells, coverage, keep_best=keep_best) for coverage in COVERAGES]
    for smaller, larger in pairwise(sets):
        assert not (smaller & ~larger).any()


@settings(deadline=None, max_examples=100)
@given(drawn=held_out_and_cells(), coverage=st.floats(0.01, 0.999))
def test_the_best_type_is_in_every_set_that_keeps_it(drawn, coverage):
    scores, cells = drawn
    sets = scores.sets(cells, coverage)
    assert sets[np.arange(len(cells)), cells.argmax(axis=1)].all()
    exact = scores.sets(cells, coverage, keep_best=False)
    assert not (exact & ~sets).any()


@settings(deadline=None, max_examples=50)
@given(drawn=held_out_and_cells(), keep_best=st.booleans())
def test_a_set_depends_on_no_other_cell(drawn, keep_best):
    scores, cells = drawn
    together = scores.sets(cells, 0.8, keep_best=keep_best)
    backwards = scores.sets(cells[::-1], 0.8, keep_best=keep_best)[::-1]
    alone = [scores.sets(cell[None], 0.8, keep_best=keep_best)[0] for cell in cells]
    np.testing.assert_array_equal(backwards, together)
    np.testing.assert_array_equal(alone, together)


def test_sets_that_keep_the_best_change_with_no_rounding():
    probabilities, codes = simulated(4000)
    scores = ConformalScores.of(probabilities[:3000], codes[:3000])
    cells = probabilities[3000:]
    nudged = cells * (1 + np.random.default_rng(0).uniform(-2e-7, 2e-7, cells.shape))
    for keep_best in (True, False):
        sets = scores.sets(cells, 0.8, keep_best=keep_best)
        again = scores.sets(nudged.astype(np.float32), 0.8, keep_best=keep_best)
        assert (sets != again).any(axis=1).sum() <= 1


def test_lots_are_uniform_and_tell_nothing_of_who_is_right():
    probabilities, codes = simulated(20_000, n_types=2)
    sets = ConformalScores.of(probabilities, codes).sets(probabilities, 0.6, keep_best=False)
    named = probabilities.max(axis=1) > 0.99
    empty = ~sets.any(axis=1)
    right = probabilities.argmax(axis=1) == codes
    assert 0.2 < empty[named].mean() < 0.6
    assert right[named & empty].mean() == pytest.approx(right[named].mean(), abs=0.01)


# --- types of few cells


def test_a_type_of_few_cells_is_judged_by_all_together():
    probabilities, codes = simulated(900)
    few = np.flatnonzero(codes == 2)[MIN_TYPE_CELLS - 1 :]
    kept = np.setdiff1d(np.arange(900), few)
    scores = ConformalScores.of(probabilities[kept], codes[kept])
    assert scores.sizes[2] == MIN_TYPE_CELLS - 1
    everything = np.sort(scores.pooled)
    thresholds = scores.thresholds(0.9)
    assert thresholds[2] == everything[int(np.ceil((len(kept) + 1) * 0.9)) - 1]
    assert (np.delete(thresholds, 2) != thresholds[2]).all()


def test_types_of_few_cells_are_judged_by_one_another():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(8, 0.3), size=400).astype(np.float32)
    codes = np.where(np.arange(400) < 300, 0, 1 + np.arange(400) % 7)
    scores = ConformalScores.of(probabilities, codes)
    assert (scores.sizes[1:] < MIN_TYPE_CELLS).all()
    own = np.sort(scores.kept[300:])
    assert len(own) >= MIN_GROUP_CELLS
    assert (scores.thresholds(0.9)[1:] == own[int(np.ceil(101 * 0.9)) - 1]).all()
    assert scores.thresholds(0.9)[0] != scores.thresholds(0.9)[1]


def test_a_coverage_that_few_cells_cannot_vouch_for_takes_the_largest_score():
    probabilities, codes = simulated(600, n_types=3)
    scores = ConformalScores.of(probabilities, codes)
    few = int(np.argmin(scores.sizes))
    assert MIN_TYPE_CELLS <= scores.sizes[few] < 0.998 / 0.002
    largest = scores.kept[: scores.sizes.cumsum()[few]][-1]
    pooled = np.sort(scores.pooled)[int(np.ceil(601 * 0.998)) - 1]
    assert scores.thresholds(0.998)[few] == max(largest, pooled)


def test_without_held_out_cells_every_type_is_possible():
    scores = ConformalScores.of(np.empty((0, 3), np.float32), np.empty(0, int))
    assert scores.sets(np.float32([[0.9, 0.1, 0.0]]), 0.9).tolist() == [[True, True, True]]


def test_one_type_is_in_its_set():
    scores = ConformalScores.of(np.ones((30, 1), np.float32), np.zeros(30, int))
    assert scores.sets(np.ones((2, 1), np.float32), 0.9, keep_best=False).all()


def test_cells_of_which_nothing_but_the_first_type_is_left_are_never_without_it():
    cells = np.float32([[1, 0], [1, 0]])
    scores = ConformalScores.of(np.tile(cells, (20, 1)), np.zeros(40, int))
    assert scores.sets(cells, 0.5, keep_best=False)[:, 0].all()


# --- the wanted coverage, and ranks


@pytest.mark.parametrize(
    ("n_cells", "coverage", "rank"), [(19, 0.95, 19), (9, 0.9, 9), (9, 0.8, 8)]
)
def test_ranks_are_those_of_the_finite_sample_correction(n_cells, coverage, rank):
    probabilities, codes = simulated(n_cells, seed=3)
    scores = ConformalScores.of(probabilities, codes)
    assert (scores.thresholds(coverage) == np.sort(scores.pooled)[rank - 1]).all()


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 90, float("nan")])
def test_a_coverage_is_a_share(coverage):
    scores = ConformalScores.of(*simulated(50))
    with pytest.raises(InputError, match=r"a share between 0 and 1, such as 0\.9"):
        scores.sets(simulated(5)[0], coverage)


@pytest.mark.parametrize("shape", [(5, 3), (6,)])
def test_probabilities_of_other_types_are_refused(shape):
    with pytest.raises(ValueError, match=r"do not fit 6 types"):
        ConformalScores.of(*simulated(50)).sets(np.zeros(shape, np.float32), 0.9)


def test_cells_and_types_have_to_fit():
    probabilities, codes = simulated(50)
    with pytest.raises(ValueError, match="50 cells need as many types"):
        ConformalScores.of(probabilities, codes[1:])
    with pytest.raises(ValueError, match="numbered from 0 to 5, not from 0 to 6"):
        ConformalScores.of(probabilities, np.arange(50) % 7)


# --- what a file holds


def test_thinning_loses_no_coverage_and_gives_little():
    probabilities, codes = simulated(60_000, n_types=3)
    scores = ConformalScores.of(probabilities[:50_000], codes[:50_000])
    assert (scores.sizes > MAX_KEPT).all()
    assert len(scores.kept) == 3 * MAX_KEPT
    all_scores = [np.sort(part) for part in true_scores(probabilities[:50_000], codes[:50_000])]
    for coverage in COVERAGES:
        for code, ascending in enumerate(all_scores):
            rank = int(np.ceil((len(ascending) + 1) * coverage))
            threshold = scores.thresholds(coverage)[code]
            further = min(rank + len(ascending) // MAX_KEPT + 1, len(ascending))
            assert ascending[rank - 1] <= threshold <= ascending[further - 1]


def true_scores(probabilities, codes):
    """Return the scores of the cells of each type, by way of so few cells that all are kept."""
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        parts = [own[start : start + MAX_KEPT] for start in range(0, len(own), MAX_KEPT)]
        yield np.concatenate(
            [ConformalScores.of(probabilities[part], codes[part]).kept for part in parts]
        )


def test_a_file_of_many_types_and_cells_is_small():
    n_types = 500
    probabilities, codes = simulated(2000, n_types=2)
    of_one = ConformalScores.of(probabilities, codes).kept[:MAX_KEPT]
    arrays = {
        "sizes": np.full(n_types, 20_000),
        "kept": np.tile(np.sort(of_one), n_types),
        "pooled": np.sort(of_one),
    }
    scores = ConformalScores.from_arrays(arrays, n_types=n_types)
    assert sum(array.nbytes for array in scores.to_arrays().values()) < 2.1e6


@pytest.fixture
def scores():
    probabilities, codes = simulated(300, n_types=3)
    return ConformalScores.of(probabilities, codes)


def test_a_file_gives_back_what_it_got(scores):
    again = ConformalScores.from_arrays(scores.to_arrays(), n_types=3)
    for name, values in scores.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], values)
    cells = simulated(100, n_types=3, seed=1)[0]
    np.testing.assert_array_equal(again.sets(cells, 0.9), scores.sets(cells, 0.9))


def changed(values, value):
    values = values.copy()
    values.flat[1] = value
    return values


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("sizes", lambda values: values[:-1], "of the shape .* is needed"),
        ("sizes", lambda values: values.astype(np.float64), "is float64 .* is needed"),
        ("sizes", lambda values: changed(values, -1), "not numbers of cells"),
        ("sizes", lambda values: changed(values, 2**62), "not numbers of cells"),
        ("sizes", lambda values: changed(values, values[1] + 1), "of the shape .* is needed"),
        ("kept", lambda values: values[:-1], "of the shape .* is needed"),
        ("kept", lambda values: values.astype(np.float64), "is float64 .* is needed"),
        ("kept", lambda values: values.astype(object), "is object .* is needed"),
        ("kept", lambda values: changed(values, np.nan), r"outside of \[0, 2\]"),
        ("kept", lambda values: changed(values, np.inf), r"outside of \[0, 2\]"),
        ("kept", lambda values: changed(values, -0.1), r"outside of \[0, 2\]"),
        ("kept", lambda values: changed(values, 2), "not in ascending order"),
        ("pooled", lambda values: values[None], "of the shape .* is needed"),
        ("pooled", lambda values: changed(values, 2.1), r"outside of \[0, 2\]"),
        ("pooled", lambda values: values[::-1], "not in ascending order"),
    ],
)
def test_arrays_that_are_no_scores_are_refused(scores, name, change, says):
    arrays = scores.to_arrays()
    arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=says):
        ConformalScores.from_arrays(arrays, n_types=3)


@pytest.mark.parametrize("name", ["sizes", "kept", "pooled"])
def test_an_array_that_is_not_there_is_named(scores, name):
    arrays = scores.to_arrays()
    del arrays[name]
    with pytest.raises(ValueError, match=f"have no array '{name}', but"):
        ConformalScores.from_arrays(arrays, n_types=3)
