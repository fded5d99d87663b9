"""What is compiled runs also where nothing can be kept."""

import numpy as np

from cellclassifier.data.compiling import compiled


def test_without_a_folder_for_the_cache_it_compiles_all_the_same():
    # numba keeps code beside its source, and this has none
    scope = {"compiled": compiled}
    exec("@compiled()\ndef double(values):\n    values *= 2", scope)  # noqa: S102
    values = np.array([3.0])
    scope["double"](values)
    assert values.tolist() == [6.0]


def test_division_by_zero_is_that_of_numpy():
    @compiled()
    def invert(values):
        for number in range(len(values)):
            values[number] = 1 / values[number]

    values = np.array([0.0, 2.0])
    invert(values)
    assert values.tolist() == [np.inf, 0.5]
