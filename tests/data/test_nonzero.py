"""What is not zero is taken out, and zeros are left, whichever way the machine does it."""

import numpy as np
import pytest

from cellclassifier.data.compiling import compiled
from cellclassifier.data.nonzero import HAS_COMPRESS, LANES, take_by_looking, take_by_mask

N = 7 * LANES


def all_by(take):
    """Return what takes what is not zero out of many numbers, 16 after 16."""

    @compiled()
    def take_all(floats, values, places):
        n = np.uint64(0)
        for at in range(np.uint64(0), np.uint64(len(floats)), np.uint64(LANES)):
            n += take(floats, at, values, places, n)
        return n

    return take_all


WIDE = pytest.mark.skipif(not HAS_COMPRESS, reason="the machine has no such instructions")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(
    "take",
    [
        pytest.param(take_by_looking, id="looking"),
        pytest.param(take_by_mask, id="mask", marks=WIDE),
    ],
)
def test_nonzero_numbers_and_their_places_are_taken_and_zeros_left(take, share):
    rng = np.random.default_rng(0)
    floats = np.where(rng.random(N) < share, rng.random(N), 0).astype(np.float32)
    before, values = floats.copy(), np.empty(N + LANES, np.float32)
    places = np.empty(N + LANES, np.uint32)
    n = all_by(take)(floats, values, places)
    np.testing.assert_array_equal(places[:n], np.flatnonzero(before))
    np.testing.assert_array_equal(values[:n], before[before != 0])
    assert not floats.any()
