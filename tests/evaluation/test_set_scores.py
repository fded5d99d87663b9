import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellclassifier.evaluation import SetScores, merge_sets


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), n_cells=st.integers(1, 60), n_types=st.integers(1, 6))
def test_scores_are_those_of_a_loop(seed, n_cells, n_types):
    rng = np.random.default_rng(seed)
    sets = rng.random((n_cells, n_types)) < 0.4
    truth = rng.integers(-1, n_types + 1, n_cells)
    scores = SetScores.of(truth, sets, wanted=0.8)
    held = [0 <= code < n_types and sets[cell, code] for cell, code in enumerate(truth)]
    assert scores.coverage == pytest.approx(np.mean(held))
    for code in range(n_types):
        own = [hit for hit, other in zip(held, truth, strict=True) if other == code]
        expected = np.mean(own) if own else np.nan
        assert scores.per_type[code] == pytest.approx(expected, nan_ok=True)
    sizes = sets.sum(axis=1)
    assert scores.mean_size == pytest.approx(sizes.mean())
    shares = [(sizes == 0).mean(), (sizes == 1).mean(), (sizes > 1).mean()]
    assert [scores.empty, scores.one, scores.more] == pytest.approx(shares)
    assert scores.wanted == 0.8


def test_a_type_without_a_column_is_in_no_set():
    scores = SetScores.of(np.array([2, -1]), np.ones((2, 2), bool), wanted=0.9)
    assert scores.coverage == 0
    assert np.isnan(scores.per_type).all()


def test_json_has_null_for_a_type_without_cells():
    scores = SetScores.of(np.array([0]), np.array([[True, False]]), wanted=0.9)
    content = json.loads(json.dumps(scores.to_json(("B", "T"))))
    assert content == {
        "wanted": 0.9, "coverage": 1.0, "mean_size": 1.0, "empty": 0.0, "one": 1.0, "more": 0.0,
        "per_type": {"B": 1.0, "T": None},
    }  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_merged_set_holds_the_coarse_type_of_each_of_its_types(seed):
    rng = np.random.default_rng(seed)
    sets, columns = rng.random((20, 5)) < 0.3, rng.integers(0, 3, 5)
    merged = merge_sets(sets, columns, 3)
    for fine, coarse in zip(sets, merged, strict=True):
        assert set(np.flatnonzero(coarse)) == set(columns[fine])
