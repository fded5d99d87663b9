"""The members' weights, by cells that they have not seen."""

import numpy as np
import pytest
from scipy.special import log_softmax

from cellclassifier.training.stacking.weights import PENALTY, stacking_weights
from cellclassifier.trust import calibrate_temperature


def member(codes, quality, seed, n_types=3):
    rng = np.random.default_rng(seed)
    return (quality * np.eye(n_types)[codes] + rng.normal(size=(len(codes), n_types))).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def codes():
    return np.arange(300) % 3


def test_weights_are_the_best_of_a_fine_grid(codes):
    members = [member(codes, 1.5, 1), member(codes, 0.7, 2)]
    temperatures = [calibrate_temperature(logits, codes) for logits in members]
    tempered = [logits / t for logits, t in zip(members, temperatures, strict=True)]

    def loss(one, other):
        logits = log_softmax(one * tempered[0] + other * tempered[1], axis=1)
        distance = (one - 0.5) ** 2 + (other - 0.5) ** 2
        return -logits[np.arange(len(codes)), codes].mean() + PENALTY * distance

    axis = np.linspace(0, 2, 101)
    table = np.array([[loss(one, other) for other in axis] for one in axis])
    row, column = np.unravel_index(table.argmin(), table.shape)
    found = stacking_weights(members, codes) * temperatures
    np.testing.assert_allclose(found, [axis[row], axis[column]], atol=0.02)
    assert loss(*found) <= table.min() + 1e-6


def test_a_useless_member_gets_next_to_nothing(codes):
    good, useless, harmful = member(codes, 2, 1), member(codes, 0, 2), -member(codes, 2, 3)
    weights = stacking_weights([good, useless, harmful], codes)
    assert (weights >= 0).all()
    spread = [np.std(w * m) for w, m in zip(weights, (good, useless, harmful), strict=True)]
    assert spread[1] < 0.1 * spread[0]
    assert spread[2] < 0.1 * spread[0]


def test_scale_of_a_member_hardly_matters(codes):
    """Not at all, but for the prior on its temperature."""
    members = [member(codes, 1.5, 1), member(codes, 0.7, 2)]
    plain = stacking_weights(members, codes)
    scaled = stacking_weights([3 * members[0], members[1] / 2], codes)
    np.testing.assert_allclose(scaled * [3, 0.5], plain, rtol=0.02)


def test_equal_members_share_alike(codes):
    logits = member(codes, 1, 1)
    first, second = stacking_weights([logits, logits.copy()], codes)
    assert first == pytest.approx(second)
