"""Types of a few cells: their bias is lifted to where no held-out cell is lost, and no further."""

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.networks import build_wide_deep, logits_model, predict_logits
from cellclassifier.training import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import watch_nothing
from cellclassifier.training.stacking import rare, train_by_stacking
from cellclassifier.training.stacking.rare import FEW_CELLS, lifts_of_rare_types

N_COMMON = 30


def lift_of_last(margins, codes, n_cells, seen=None):
    """Return the lift of the last of three types, given its logits less the best other."""
    margins = np.asarray(margins, dtype=np.float64)
    logits = np.column_stack([np.full(len(margins), 2.0), np.zeros(len(margins)), 2.0 + margins])
    everything = np.ones(logits.shape, dtype=bool)
    everything[:, 2] = True if seen is None else seen
    lifts = lifts_of_rare_types(logits, np.asarray(codes), np.array([50, 50, n_cells]), everything)
    assert (lifts[:2] == 0).all()
    return lifts[2]


def test_up_to_the_first_of_another_type():
    assert lift_of_last([-3, -7, -2.5], [0, 1, 0], n_cells=1) == 2.5


def test_no_further_than_to_name_its_own():
    assert lift_of_last([-6, -9, -1, 3], [0, 1, 2, 2], n_cells=2) == 1
    assert lift_of_last([-6, -9, 2, 3], [0, 1, 2, 2], n_cells=2) == 0


def test_one_that_is_hopeless_does_not_lower_what_others_allow():
    assert lift_of_last([-6, -9, -20, -7], [0, 1, 2, 2], n_cells=2) == 6


def test_none_where_others_are_named_so_already():
    assert lift_of_last([0.5, -9], [0, 1], n_cells=1) == 0


def test_members_that_have_not_seen_it_say_nothing():
    assert lift_of_last([-1, -4], [0, 1], n_cells=1, seen=[False, True]) == 4
    assert lift_of_last([-1, -4], [0, 1], n_cells=1, seen=[False, False]) == 0


@pytest.mark.parametrize("n_cells", [0, FEW_CELLS, 500])
def test_types_of_many_cells_and_of_none_stay(n_cells):
    assert lift_of_last([-3, -7], [0, 1], n_cells=n_cells) == 0


def test_nothing_to_go_by():
    no_cells = np.empty((0, 3))
    lifts = lifts_of_rare_types(no_cells, np.empty(0, int), np.ones(3, int), no_cells > 0)
    assert lifts.tolist() == [0, 0, 0]


def cells_with_a_single(seed, n_single):
    """Return two common types, and some cells of a third with five genes of its own."""
    rng = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], [N_COMMON, N_COMMON, n_single])
    rates = np.full((3, 40), 2.0)
    rates[0, :5], rates[1, 5:10], rates[2, 10:15] = 8, 8, 4
    rates[2, :5] = 4  # it looks like the first type, too
    counts = rng.poisson(rates[codes])
    scaled = np.log1p(counts * 1e4 / counts.sum(axis=1, keepdims=True))
    cell_weights = np.ones(len(codes), np.float32)
    return Examples(sparse.csr_matrix(np.float32(scaled)), np.int32(codes), cell_weights)


def train(examples):
    config = TrainingConfig(solver="stacked", epochs=6, batch_size=32, penalty=1e-5)
    return train_by_stacking(examples, 3, 32, config, 0, watch_nothing)


def test_a_type_of_one_cell_is_named(monkeypatch):
    training, test = cells_with_a_single(0, 1), cells_with_a_single(1, 40)

    def named():
        model = logits_model(build_wide_deep(40, 3, hidden=(32,)))
        train(training).layers.put_into(model)
        return predict_logits(model, test.stored).argmax(axis=1)

    lifted = named()
    monkeypatch.setattr(rare, "FEW_CELLS", 0)
    plain = named()
    common = test.codes < 2
    assert (lifted[~common] == 2).mean() > (plain[~common] == 2).mean() + 0.3
    lost = (lifted[common] == 2).sum()
    assert lost <= 2
    assert (lifted == plain)[lifted != 2].all()


def test_held_out_cells_are_told_by_the_lifted_logits():
    stacked = train(cells_with_a_single(0, 1))
    margins = stacked.out_of_fold[:, 2] - stacked.out_of_fold[:, :2].max(axis=1)
    assert margins.max() == pytest.approx(0, abs=1e-5)
