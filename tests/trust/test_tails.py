"""Surprise: the share of known cells counted, and beyond them an exponential tail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellclassifier.trust.tails import N_KNOTS, DepthCurve, Tail, of_file


@pytest.mark.parametrize("of", [np.random.Generator.normal, np.random.Generator.exponential])
def test_surprise_is_the_logarithm_of_the_share_at_or_above(of):
    values = of(np.random.default_rng(0), size=20_000)
    tail = Tail.of(values)
    for share in (0.9, 0.5, 0.2, 0.05, 0.01):
        found = tail.surprise(np.quantile(values, [1 - share]))[0]
        assert np.exp(-found) == pytest.approx(share, rel=0.25)
        if share > 0.1:
            assert np.exp(-found) == pytest.approx(share, rel=0.01)


@settings(deadline=None, max_examples=100)
@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), data=st.data())
def test_a_larger_value_is_never_less_surprising(values, data):
    tail = Tail.of(np.array(values))
    asked = np.sort(data.draw(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=20)))
    found = tail.surprise(asked)
    assert (np.diff(found) >= 0).all()
    assert (found >= 0).all()
    assert np.isfinite(found).all()


def test_values_next_to_zero_do_not_overflow():
    """Two knots that differ by less than the smallest normal number have no slope between them."""
    near = [0.0, 2.2250738585072014e-308, -2.225073858507e-311]
    tail = Tail.of(np.array(near + 23 * [1.0] + 24 * [-1.0]))
    found = tail.surprise(np.array([-1.0, 0.0, 0.0, 1.0]))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


def test_values_beyond_all_that_were_seen_do_not_tie():
    values = np.random.default_rng(0).exponential(size=1000)
    beyond = np.sort(np.random.default_rng(1).uniform(values.max(), 50 * values.max(), 1000))
    assert (np.diff(Tail.of(values).surprise(beyond)) > 0).all()


def test_values_that_are_all_the_same_are_no_surprise_and_others_are():
    tail = Tail.of(np.full(100, 2.0))
    surprise = tail.surprise(np.array([1.0, 2.0, 2.1]))
    assert surprise[0] == 0
    assert surprise[2] > 100
    Tail.from_array(tail.knots)


def test_a_tail_comes_back_as_it_went():
    knots = Tail.of(np.random.default_rng(0).normal(size=300)).knots
    np.testing.assert_array_equal(Tail.from_array(knots).knots, knots)


def put(values, place, value):
    values = values.copy()
    values[place] = value
    return values


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda knots: knots.astype(np.float32), "a tail is float32", id="type"),
        pytest.param(lambda knots: knots[1:], "shape", id="shorter"),
        pytest.param(lambda knots: knots[None], "shape", id="another-axis"),
        pytest.param(lambda knots: put(knots, 3, np.nan), "finite", id="nan"),
        pytest.param(lambda knots: put(knots, 3, np.inf), "finite", id="infinite"),
        pytest.param(lambda knots: put(knots, 0, 1e11), "rise", id="falls"),
        pytest.param(lambda knots: put(knots, N_KNOTS, 0.0), "positive", id="no-mean"),
        pytest.param(lambda knots: put(knots, N_KNOTS, -1.0), "positive", id="negative-mean"),
        pytest.param(lambda knots: put(knots, N_KNOTS, 1e13), "finite", id="too-large"),
    ],
)
def test_arrays_that_are_no_tail_are_refused(change, says):
    knots = Tail.of(np.random.default_rng(0).normal(size=300)).knots
    with pytest.raises(ValueError, match=says):
        Tail.from_array(change(knots))


# --- depth


@pytest.fixture(scope="module")
def curve():
    """Values that fall with the square of depth above its median."""
    rng = np.random.default_rng(0)
    library_size = np.exp(rng.normal(7, 0.5, 5000))
    depth = np.log(library_size) - np.log(np.median(library_size))
    values = 2 - 0.5 * np.maximum(depth, 0) ** 2
    return DepthCurve.of(values, library_size), library_size


def test_what_depth_explains_is_taken_off_deep_cells(curve):
    found, library_size = curve
    median = np.median(library_size)
    deep = median * np.exp([0.5, 1.0])
    np.testing.assert_allclose(
        found.expected(deep) - found.expected(np.array([median])), [-0.125, -0.5], atol=0.01
    )


def test_nothing_is_excused_in_shallow_cells(curve):
    found, library_size = curve
    assert (found.expected(library_size[library_size < np.median(library_size)]) == 0).all()


def test_cells_deeper_than_all_that_were_seen_are_like_the_deepest(curve):
    found, library_size = curve
    deepest = library_size.max()
    assert found.expected(np.array([deepest])) == found.expected(np.array([100 * deepest]))


def test_cells_of_one_depth_have_nothing_to_explain():
    curve = DepthCurve.of(np.arange(60.0), np.full(60, 1000.0))
    assert curve.expected(np.array([10.0, 1000.0, 1e5])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda values: values.astype(int), "is int64", id="type"),
        pytest.param(lambda values: values[:3], "shape", id="shorter"),
        pytest.param(lambda values: put(values, 2, np.nan), "not finite", id="nan"),
        pytest.param(lambda values: put(values, 2, -np.inf), "not finite", id="infinite"),
        pytest.param(lambda values: put(values, 0, values[1] + 1), "before it begins", id="ends"),
    ],
)
def test_arrays_that_are_no_curve_are_refused(curve, change, says):
    with pytest.raises(ValueError, match=says):
        DepthCurve.from_array(change(curve[0].coefficients))


def test_an_array_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"no array 'doubt', but \['distance'\]"):
        of_file({"distance": np.zeros(1)}, "doubt")
