"""Numbers as text, compiled: the digits that Python writes, many times as fast."""

import numpy as np
import numpy.typing as npt

from cellclassifier.data.compiling import compiled

# so many tell every float32 number from the next
DIGITS = 9
# what is written without an exponent; whatever else there is Python writes
LEAST, MOST = 1e-4, 1e9
# of a text: "0.000", and nine digits
WIDTH = 14

TENS = 10.0 ** np.arange(-3, DIGITS)
FIVES = 5 ** np.arange(DIGITS + 4, dtype=np.uint64)
TEN, ALL_NINES = np.uint64(10), np.uint64(10**DIGITS - 1)
# of a float32: bits behind the point, and what its exponent is off by when these are whole numbers
FRACTION, OFFSET = np.uint32(23), np.int64(150)
ZERO, POINT = np.uint8(ord("0")), np.uint8(ord("."))

Bytes = npt.NDArray[np.uint8]


def digits_of(values: npt.NDArray[np.float32]) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """Return numbers to nine digits, as Python's format ``.9g`` writes them.

    Parameters
    ----------
    values
        Shape (n,), float32.

    Returns
    -------
    texts
        Shape (n, width), ASCII, one text a row.
    lengths
        Shape (n,): of the texts.

    Examples
    --------
    >>> texts, lengths = digits_of(np.float32([0.1, 25, 2**-30]))
    >>> [bytes(text[:n]) for text, n in zip(texts, lengths.tolist(), strict=True)]
    [b'0.100000001', b'25', b'9.31322575e-10']
    """
    lengths = np.empty(len(values), np.int64)
    texts = np.empty((len(values), WIDTH + 2), np.uint8)  # which holds what Python writes, too
    _write(np.ascontiguousarray(values), texts, lengths)
    for row in np.flatnonzero(lengths == 0):
        text = f"{float(values[row]):.{DIGITS}g}".encode()
        texts[row, : len(text)] = np.frombuffer(text, np.uint8)
        lengths[row] = len(text)
    return texts, lengths


@compiled()
def _write(values: npt.NDArray[np.float32], texts: Bytes, lengths: npt.NDArray[np.int64]) -> None:
    """Write numbers from `LEAST` to `MOST`, and zeros; of others the length is zero."""
    all_bits = values.view(np.uint32)
    for row in range(len(values)):
        value, bits, text = np.float64(values[row]), all_bits[row], texts[row]
        if bits == 0:
            text[0], lengths[row] = ZERO, 1
        elif LEAST <= value < MOST:
            power = -4
            while power < DIGITS - 1 and value >= TENS[power + 4]:
                power += 1
            lengths[row] = _place(_rounded(bits, power), power, text)
        else:
            lengths[row] = 0


@compiled()
def _rounded(bits: np.uint32, power: int) -> np.uint64:
    """Return a number that begins with 10^power, to nine digits, as a whole number.

    A float32 is a whole number of 24 bits times a power of two. Times a power of ten, that is of
    five and of two, all of it fits in 64 bits: what is rounded off is known exactly.
    """
    one = np.uint64(1)
    whole = np.uint64(bits & np.uint32(0x7FFFFF) | np.uint32(0x800000))
    tens = DIGITS - 1 - power
    scaled = np.uint64(whole * FIVES[tens])
    shift = OFFSET - np.int64(bits >> FRACTION) - tens
    if shift <= 0:
        return np.uint64(scaled << np.uint64(-shift))
    digits = scaled >> np.uint64(shift)
    rest, half = scaled & ((one << np.uint64(shift)) - one), one << np.uint64(shift - 1)
    return np.uint64(digits + np.uint64((rest > half) | ((rest == half) & (digits & one == one))))


@compiled()
def _place(digits: np.uint64, power: int, text: Bytes) -> int:
    """Write nine digits, the first worth 10^power, but no zeros at the end; return the length."""
    if digits > ALL_NINES:
        digits, power = digits // TEN, power + 1
    n_digits = DIGITS
    while digits % TEN == 0:
        digits //= TEN
        n_digits -= 1
    if power < 0:
        first = 1 - power
        text[:first], text[1] = ZERO, POINT
        _write_back(digits, text[first : first + n_digits])
        return first + n_digits
    if n_digits <= power + 1:
        text[n_digits : power + 1] = ZERO
        _write_back(digits, text[:n_digits])
        return power + 1
    # the point goes between, where a digit too many stands at first
    _write_back(digits, text[1 : n_digits + 1])
    text[: power + 1] = text[1 : power + 2]
    text[power + 1] = POINT
    return n_digits + 1


@compiled()
def _write_back(digits: np.uint64, text: Bytes) -> None:
    """Write a whole number, which fills the text, from its last digit on."""
    for place in range(len(text) - 1, -1, -1):
        text[place] = ZERO + np.uint8(digits % TEN)
        digits //= TEN
