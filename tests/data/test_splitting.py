import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellclassifier.data import stratified_split
from cellclassifier.errors import InputError


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_type_gives_its_share_and_keeps_a_cell(sizes, fraction, seed):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    kept, apart = stratified_split(codes, fraction, rng)
    assert np.array_equal(np.sort(np.concatenate([kept, apart])), np.arange(len(codes)))
    assert np.all(np.diff(kept) > 0)
    assert np.all(np.diff(apart) > 0)
    n_kept = np.bincount(codes[kept], minlength=len(sizes))
    n_apart = np.bincount(codes[apart], minlength=len(sizes))
    assert np.all(n_kept >= 1)
    wanted = fraction * np.array(sizes)
    # half a cell of rounding, unless the last cell of a type had to stay
    assert np.all((np.abs(n_apart - wanted) <= 0.5) | (n_kept == 1))


def test_the_same_seed_gives_the_same_split():
    codes = np.repeat([0, 1], 50)
    splits = [stratified_split(codes, 0.3, np.random.default_rng(7))[1] for _ in range(2)]
    np.testing.assert_array_equal(*splits)


def test_another_seed_gives_another_split():
    codes = np.repeat([0, 1], 50)
    splits = [stratified_split(codes, 0.3, np.random.default_rng(seed))[1] for seed in (1, 2)]
    assert not np.array_equal(*splits)


def test_any_cell_of_a_type_may_be_chosen():
    codes = np.zeros(10, dtype=int)
    rng = np.random.default_rng(0)
    chosen = np.concatenate([stratified_split(codes, 0.2, rng)[1] for _ in range(100)])
    assert set(chosen) == set(range(10))


def test_a_type_of_one_cell_stays_whole():
    kept, apart = stratified_split(np.array([0, 0, 0, 0, 1]), 0.5, np.random.default_rng(0))
    assert 4 in kept
    assert len(apart) == 2


def test_nothing_is_set_apart_of_share_zero():
    kept, apart = stratified_split(np.array([0, 1, 1]), 0.0, np.random.default_rng(0))
    assert kept.tolist() == [0, 1, 2]
    assert apart.tolist() == []


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 20.0, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(fraction):
    with pytest.raises(InputError, match=r"lies in \[0, 1\)"):
        stratified_split(np.array([0, 1]), fraction, np.random.default_rng(0))
