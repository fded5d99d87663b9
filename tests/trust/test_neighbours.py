"""Distances to the nearest of some cells."""

import numpy as np
import pytest

from cellclassifier.trust.neighbours import BLOCK_CELLS, GROUPS, Neighbours


def by_hand(cells, others, n_nearest, own=None):
    off = cells[:, None].astype(np.float64) - others[None].astype(np.float64)
    distances = np.sqrt((off**2).sum(axis=2))
    if own is not None:
        distances[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
    return np.sort(distances, axis=1)[:, :n_nearest].mean(axis=1)


def drawn(n_cells, n_dimensions, seed=0):
    return np.random.default_rng(seed).normal(size=(n_cells, n_dimensions)).astype(np.float32)


@pytest.mark.parametrize("n_others", [4, GROUPS - 1, GROUPS, GROUPS + 1, 929])
@pytest.mark.parametrize("n_dimensions", [1, 25])
def test_distances_are_those_of_all_pairs(n_others, n_dimensions):
    others, cells = drawn(n_others, n_dimensions), drawn(100, n_dimensions, seed=1)
    found = Neighbours.of(others).mean_distance(cells, 3)
    np.testing.assert_allclose(found, by_hand(cells, others, 3), rtol=1e-5, atol=1e-6)


def test_what_all_have_in_common_takes_nothing_from_the_accuracy():
    others, cells = drawn(200, 25) + 1000, drawn(50, 25, seed=1) + 1000
    found = Neighbours.of(others).mean_distance(cells, 3)
    np.testing.assert_allclose(found, by_hand(cells, others, 3), rtol=1e-5)


def test_a_cell_is_no_neighbour_of_its_own():
    others = drawn(300, 5)
    own = np.array([7, -1, 299])
    cells = others[[7, 8, 299]]
    neighbours = Neighbours.of(others)
    found = neighbours.mean_distance(cells, 2, own)
    np.testing.assert_allclose(found, by_hand(cells, others, 2, own), rtol=1e-5)
    assert (found[[0, 2]] > neighbours.mean_distance(cells, 2)[[0, 2]]).all()


def test_fewer_than_asked_for_count_all_but_one():
    others, cells = np.float32([[0.0], [10.0]]), np.float32([[1.0]])
    assert Neighbours.of(others).mean_distance(cells, 3).tolist() == pytest.approx([1.0])
    assert Neighbours.of(others[:1]).mean_distance(cells, 3).tolist() == pytest.approx([1.0])


def test_cells_that_are_the_same_are_at_no_distance():
    others = np.repeat(drawn(1, 25), 100, axis=0)
    assert Neighbours.of(others).mean_distance(others[:3], 3) == pytest.approx(0, abs=1e-5)


def test_neither_company_nor_threads_change_a_bit():
    others, cells = drawn(500, 25), drawn(2 * BLOCK_CELLS + 5, 25, seed=1)
    neighbours = Neighbours.of(others)
    together = neighbours.mean_distance(cells, 3)
    np.testing.assert_array_equal(neighbours.mean_distance(cells, 3, n_threads=2), together)
    some = np.random.default_rng(0).permutation(len(cells))[:101]
    np.testing.assert_array_equal(neighbours.mean_distance(cells[some], 3), together[some])


def test_a_cell_that_is_no_number_is_at_no_distance():
    cells = np.float32([[1, np.nan], [0, 0]])
    found = Neighbours.of(np.float32([[0, 0], [3, 4], [6, 8]])).mean_distance(cells, 2)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(2.5)


def test_no_cells_have_no_distances():
    assert Neighbours.of(drawn(10, 4)).mean_distance(drawn(0, 4), 3).shape == (0,)
