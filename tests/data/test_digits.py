"""Digits of numbers are those that Python writes."""

import numpy as np
import pytest

from cellclassifier.data.streaming.digits import DIGITS, digits_of

ENDS = [0.0, -0.0, 1e-4, 1e-3, 0.1, 0.5, 1, 9, 10, 12, 99, 100, 0.99999994, 9.9999995, 1e8, 1e9]


def texts_of(values):
    texts, lengths = digits_of(values)
    return [bytes(text[:length]).decode() for text, length in zip(texts, lengths, strict=True)]


def check(values):
    assert texts_of(values) == [f"{value:.{DIGITS}g}" for value in values.tolist()]


def test_every_kind_of_number_is_written_as_python_does():
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, dtype=np.uint32)
    check(bits.view(np.float32))


@pytest.mark.parametrize("power", range(-6, 11))
def test_numbers_of_each_size(power):
    check(np.random.default_rng(power + 6).uniform(1, 10, 20_000).astype(np.float32) * 10.0**power)


@pytest.mark.parametrize("end", ENDS)
def test_numbers_beside_each_end(end):
    value = np.float32(end)
    ends = [np.nextafter(value, np.float32(-np.inf)), value, np.nextafter(value, np.float32(2e9))]
    check(np.array(ends, np.float32))


@pytest.mark.parametrize("n_eighths", [1, 3, 5, 7])
def test_halves_of_the_last_digit_are_rounded_to_even(n_eighths):
    check(np.float32(n_eighths / 8) + np.arange(2**20, 2**20 + 5000, dtype=np.float32))
    check(np.arange(1, 5000, dtype=np.float32) * np.float32(2**-13) * n_eighths)


def test_no_numbers_have_no_digits():
    assert texts_of(np.empty(0, np.float32)) == []


def test_numbers_may_lie_apart():
    values = np.random.default_rng(1).random((100, 3), dtype=np.float32)
    check(values[:, 1])
