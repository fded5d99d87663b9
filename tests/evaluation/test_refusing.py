import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellclassifier.evaluation import AnsweredCurve


def one_by_one(confidence, correct):
    """Return the accuracy over the surest k cells, k from 1 on, by a loop."""
    order = np.argsort(-confidence)
    return [correct[order[:k]].mean() for k in range(1, len(order) + 1)]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), n_cells=st.integers(1, 350))
def test_accuracies_and_area_are_those_of_a_loop(seed, n_cells):
    rng = np.random.default_rng(seed)
    confidence = rng.random(n_cells)
    correct = rng.random(n_cells) < confidence
    curve = AnsweredCurve.of(confidence, correct)
    expected = one_by_one(confidence, correct)
    assert curve.area == pytest.approx(1 - np.mean(expected))
    for share in (1, 0.99, 0.95, 0.9, 0.5, 0.01):
        n_named = int(np.ceil(round(share * n_cells, 9)))
        assert curve.at(share) == pytest.approx(expected[n_named - 1])
    assert curve.at(1) == pytest.approx(correct.mean())


def test_the_order_of_cells_as_sure_as_each_other_does_not_matter():
    confidence = np.array([1, 1, 1, 1, 0.5, 0.5], dtype=np.float32)
    correct = np.array([True, False, True, True, False, True])
    curve = AnsweredCurve.of(confidence, correct)
    again = AnsweredCurve.of(confidence, correct[[1, 0, 2, 3, 5, 4]])
    np.testing.assert_array_equal(again.accuracy, curve.accuracy)
    assert curve.at(0.01) == pytest.approx(0.75)
    assert curve.at(1) == pytest.approx(4 / 6)


def test_refusing_pays_where_confidence_tells_who_is_right():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 5000)
    correct = rng.random(5000) < confidence
    assert AnsweredCurve.of(confidence, correct).at(0.5) > correct.mean() + 0.1
    told_nothing = AnsweredCurve.of(rng.permutation(confidence), correct)
    assert told_nothing.at(0.5) == pytest.approx(correct.mean(), abs=0.03)
    assert AnsweredCurve.of(confidence, correct).area < told_nothing.area


def test_json_names_the_shares():
    content = AnsweredCurve.of(np.linspace(0, 1, 200), np.arange(200) >= 20).to_json()
    assert list(content["accuracy"]) == ["1", "0.99", "0.95", "0.9", "0.8", "0.7", "0.5"]
    assert content["accuracy"]["1"] == 0.9
    assert content["accuracy"]["0.9"] == 1.0
    assert 0 < content["area_under_risk"] < 0.01
