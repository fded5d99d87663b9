"""Folds and validation cells of whole batches: apart where they can be, every type kept."""

import numpy as np
import pandas as pd
import pytest

from cellclassifier.data import stratified_folds, stratified_split
from cellclassifier.data.batches import batch_names, read_batches
from cellclassifier.data.whole_batches import BatchTable, folds_of_batches, validation_batches
from cellclassifier.errors import InputError, InputWarning


def drawn(n_batches, n_types=6, n_cells=900, seed=0):
    """Draw cells in batches of unlike sizes and compositions; the last type is in one batch."""
    rng = np.random.default_rng(seed)
    of_batch = rng.dirichlet(np.full(n_batches, 1.5))
    batch_codes = rng.choice(n_batches, n_cells, p=of_batch)
    composition = rng.dirichlet(np.ones(n_types - 1), n_batches)
    codes = np.array([rng.choice(n_types - 1, p=composition[batch]) for batch in batch_codes])
    largest = np.argmax(np.bincount(batch_codes))
    codes[np.flatnonzero(batch_codes == largest)[:5]] = n_types - 1
    return codes, np.unique(batch_codes, return_inverse=True)[1]


def folds_of(codes, batch_codes, n_folds=3, seed=0):
    return stratified_folds(codes, n_folds, np.random.default_rng(seed), batch_codes)


DESIGNS = [(2, 3), (3, 3), (4, 2), (7, 3), (60, 3), (300, 5)]


@pytest.mark.parametrize(("n_batches", "n_folds"), DESIGNS)
@pytest.mark.parametrize("seed", range(3))
def test_each_type_of_a_fold_is_learned_from_other_batches_than_it_is_named_in(
    n_batches, n_folds, seed
):
    codes, batch_codes = drawn(n_batches, seed=seed)
    folds = folds_of(codes, batch_codes, n_folds)
    assert len(folds) == min(n_folds, n_batches)
    everything = np.concatenate([apart for _, apart in folds])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(codes)))
    shared = BatchTable.of(codes, batch_codes).is_shared
    for kept, apart in folds:
        np.testing.assert_array_equal(np.union1d(kept, apart), np.arange(len(codes)))
        assert len(apart)
        for code in np.unique(codes):
            mine, others = (set(batch_codes[rows[codes[rows] == code]]) for rows in (apart, kept))
            assert others  # the type is learned
            assert not (mine & others) or not shared[code]


@pytest.mark.parametrize("n_batches", [2, 5, 60])
def test_whole_batches_are_apart_where_their_types_allow_it(n_batches):
    rng = np.random.default_rng(0)
    batch_codes = np.arange(600) % n_batches
    codes = rng.integers(0, 3, 600)
    folds = folds_of(codes, batch_codes)
    for kept, apart in folds:
        assert not set(batch_codes[kept]) & set(batch_codes[apart])
    sizes = [len(apart) for _, apart in folds]
    assert max(sizes) - min(sizes) <= 600 // n_batches


def test_the_cells_of_a_type_in_one_batch_are_dealt():
    codes = np.array([0] * 40 + [1] * 30 + [0] * 40)
    batch_codes = np.array([0] * 70 + [1] * 40)
    for _, apart in folds_of(codes, batch_codes):
        assert np.bincount(codes[apart]).tolist() == [40, 15]


def test_a_rare_type_of_two_batches_comes_apart():
    """By sizes alone the small batches, which alone have the rare type, would go together."""
    codes = np.array([0] * 300 + [0] * 40 + [1] * 10 + [0] * 40 + [1] * 10)
    batch_codes = np.repeat([0, 1, 2], [300, 50, 50])
    for kept, _ in folds_of(codes, batch_codes, n_folds=2):
        assert set(codes[kept]) == {0, 1}
    fold_of = folds_of_batches(codes, batch_codes, 2)
    assert fold_of[300] != fold_of[350]


def test_a_type_whose_batches_fell_together_goes_on_batch_by_batch():
    table = BatchTable(
        np.array([[9, 9, 9, 9, 0], [9, 9, 9, 9, 1], [9, 9, 9, 9, 1], [9, 9, 9, 9, 0]])
    )
    codes = np.concatenate([np.repeat(np.arange(5), row) for row in table.n_cells])
    batch_codes = np.repeat(np.arange(4), table.n_cells.sum(axis=1))

    def together(_, n_folds):
        return np.array([1, 0, 0, 1]) % n_folds

    original, BatchTable.deal = BatchTable.deal, together
    try:
        fold_of = folds_of_batches(codes, batch_codes, 2)
    finally:
        BatchTable.deal = original
    assert sorted(fold_of[codes == 4]) == [0, 1]
    assert set(fold_of[(codes != 4) & (batch_codes == 1)]) == {0}


def test_the_first_fold_is_the_one_nearest_to_its_share():
    codes = np.zeros(1000, dtype=int)
    batch_codes = np.repeat([0, 1, 2], [30, 650, 320])
    assert len(folds_of(codes, batch_codes)[0][1]) == 320


def test_numbers_of_batches_play_no_part_and_neither_does_the_order_of_cells():
    codes, batch_codes = drawn(9)
    expected = folds_of_batches(codes, batch_codes, 3)
    renumbered = np.random.default_rng(3).permutation(9)[batch_codes]
    np.testing.assert_array_equal(folds_of_batches(codes, renumbered, 3), expected)
    order = np.random.default_rng(4).permutation(len(codes))
    found = folds_of_batches(codes[order], batch_codes[order], 3)
    np.testing.assert_array_equal(found, expected[order])


def test_without_batches_the_folds_are_the_same_bits():
    codes, _ = drawn(3)
    for (one, _), (other, _) in zip(
        folds_of(codes, None), stratified_folds(codes, 3, np.random.default_rng(0)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_batches", [2, 5, 60, 300])
@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_validation_takes_whole_batches_and_leaves_each_type(n_batches, fraction):
    codes, batch_codes = drawn(n_batches)
    kept, apart = stratified_split(codes, fraction, np.random.default_rng(0), batch_codes)
    np.testing.assert_array_equal(np.union1d(kept, apart), np.arange(len(codes)))
    assert set(codes[kept]) == set(codes)
    for code in np.flatnonzero(BatchTable.of(codes, batch_codes).is_shared):
        mine, others = (set(batch_codes[rows[codes[rows] == code]]) for rows in (apart, kept))
        assert not mine & others
    if n_batches >= 60:
        assert len(apart) == pytest.approx(fraction * len(codes), rel=0.35)


def test_a_batch_that_lacks_types_tells_less_than_a_large_one():
    codes = np.concatenate([np.arange(300) % 6, np.arange(150) % 6, np.zeros(45, dtype=int)])
    batch_codes = np.repeat([0, 1, 2], [300, 150, 45])
    assert set(batch_codes[validation_batches(codes, batch_codes, 0.1)]) == {1}
    codes[-45:] = np.arange(45) % 6
    assert set(batch_codes[validation_batches(codes, batch_codes, 0.1)]) == {2}


def test_no_share_sets_nothing_apart():
    codes, batch_codes = drawn(4)
    kept, apart = stratified_split(codes, 0.0, np.random.default_rng(0), batch_codes)
    assert (len(kept), len(apart)) == (len(codes), 0)


def test_cells_of_one_batch_are_dealt_as_without_it():
    """A part of a reference, as `tune` takes it, may hold one batch only."""
    codes, batch_codes = drawn(3)[0], np.full(900, 4)
    assert len(validation_batches(codes, batch_codes, 0.1)) == 0
    np.testing.assert_array_equal(folds_of(codes, batch_codes)[1][1], folds_of(codes, None)[1][1])
    for batches in (batch_codes, None):
        _, apart = stratified_split(codes, 0.1, np.random.default_rng(0), batches)
        assert len(apart) == pytest.approx(90, abs=3)


# --- the column


LABELS = np.array(["B", "B", "T", "T", "B", "T"], dtype=object)


def column(values, name="donor"):
    return pd.DataFrame({name: values}, index=[f"cell{number}" for number in range(len(values))])


def read(values, labels=LABELS, rows=None):
    rows = np.arange(len(values)) if rows is None else np.array(rows)
    return read_batches(column(values), "donor", rows, labels)


@pytest.mark.parametrize(
    "values",
    [
        ["P1", "P1", "P1", "P2", "P2", "P2"],
        ["z ", "z", " z", "a", "a", "a"],
        [7, 7, 7, 1, 1, 1],
        pd.Categorical(["y", "y", "y", "x", "x", "x"], categories=["w", "x", "y"]),
    ],
    ids=["texts", "spaces", "numbers", "categories"],
)
def test_batches_are_numbered_as_they_come_whatever_they_are_called(values):
    found = read(values)
    assert found.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.dtype == np.int32


def test_cells_without_a_label_need_no_batch():
    found = read(["a", None, "a", "b", "b", "b"], LABELS[[0, 2, 3, 4, 5]], [0, 2, 3, 4, 5])
    assert found.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["a", "a", None, "b", "nan", "b"],
            r"2 of 6 labelled cells have no batch in \.obs\['donor'\], such as \['cell2', 'c",
        ),
        (["a"] * 6, r"all 6 labelled cells are of the one batch \['a'\] in \.obs\['donor'\]; two"),
        (list("abcdef"), r"\.obs\['donor'\] has 6 values, such as \['a', 'b', 'c'\], for 6 lab"),
        (
            ["a", "a", "b", "b", "a", "b"],
            r"no type is in two batches of \.obs\['donor'\], so .*: \['B', 'T'\] have one batch",
        ),
    ],
    ids=["missing", "one-batch", "barcodes", "batches-are-types"],
)
def test_columns_that_tell_nothing_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        read(values)


def test_types_of_one_batch_are_told():
    with pytest.warns(InputWarning, match=r"1 of 2 types are in one batch .* alone: \['T'\]; thei"):
        read(["a", "b", "b", "b", "b", "b"])


def test_a_column_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(InputError, match=r"no column 'patient' in \.obs; it has \['donor'\]"):
        batch_names(column(["a"]), "patient")
