"""Rows of a table as comma-separated text: what the csv module writes, many times as fast."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.compiling import compiled
from cellclassifier.data.streaming.digits import digits_of

COMMA, NEWLINE = np.uint8(ord(",")), np.uint8(ord("\n"))
# a text with any of these may have to stand in quotes; the csv module knows
SPECIAL = (b'"', b",", b"\r")

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


class Texts(NamedTuple):
    """One text a row, as it stands in the file.

    Parameters
    ----------
    pool
        Shape (n_bytes,), uint8: texts in UTF-8.
    starts, stops
        Shape (n_rows,): where the text of each row stands in the pool; several may share one.
    """

    pool: Bytes
    starts: Places
    stops: Places


def texts_of(values: Any) -> Texts:  # noqa: ANN401  (as pandas and NumPy hold columns)
    r"""Return a column as text; float32 numbers get nine digits, missing values none.

    Examples
    --------
    >>> told = pd.Categorical.from_codes([0, -1], pd.Index(["B, naive"]))
    >>> bytes(rows_of_texts([texts_of(told), texts_of(np.float32([1, 0.25]))]))
    b'"B, naive",1\n,0.25\n'
    """
    if isinstance(values, pd.Categorical):
        pool, starts, stops = _apart([*map(_quoted, values.categories), b""])
        return Texts(pool, starts[values.codes], stops[values.codes])
    values = np.asarray(values)
    if values.dtype == np.float32:
        digits, lengths = digits_of(values)
        starts = np.arange(len(digits)) * digits.shape[1]
        return Texts(digits.ravel(), starts, starts + lengths)
    return _apart([_quoted(value) for value in values])


def texts_of_names(names: Sequence[bytes]) -> Texts:
    """Return names in UTF-8 as text."""
    together = b"\n".join(names)
    is_plain = together.count(b"\n") == len(names) - 1
    if not is_plain or any(mark in together for mark in SPECIAL):
        return _apart([_quoted(name.decode()) for name in names])
    pool = np.frombuffer(together, np.uint8)
    ends = np.append(np.flatnonzero(pool == NEWLINE), len(pool))
    return Texts(pool, np.append(0, ends[:-1] + 1), ends)


def rows_of_texts(columns: Sequence[Texts]) -> Bytes:
    """Return all rows, (n_bytes,), each of them ended by a line feed.

    Parameters
    ----------
    columns
        One or more, of as many rows.
    """
    sizes = [len(column.pool) for column in columns]
    offsets = np.cumsum([0, *sizes[:-1]])[:, None]
    starts = np.stack([column.starts for column in columns]) + offsets
    stops = np.stack([column.stops for column in columns]) + offsets
    out = np.empty(int((stops - starts).sum()) + starts.size, np.uint8)
    _join(np.concatenate([column.pool for column in columns]), starts, stops, out)
    return out


@compiled()
def _join(pool: Bytes, starts: Places, stops: Places, out: Bytes) -> None:
    at = 0
    for row in range(starts.shape[1]):
        for column in range(starts.shape[0]):
            for place in range(starts[column, row], stops[column, row]):
                out[at] = pool[place]
                at += 1
            out[at] = COMMA
            at += 1
        out[at - 1] = NEWLINE


def _apart(texts: Iterable[bytes]) -> Texts:
    texts = list(texts)
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return Texts(np.frombuffer(b"".join(texts), np.uint8), ends[:-1], ends[1:])


def _quoted(value: object) -> bytes:
    """Return a value as the csv module writes it."""
    stream = io.StringIO()
    # beside another: an empty text that is alone would stand in quotes
    csv.writer(stream, lineterminator="\n").writerow([value, ""])
    return stream.getvalue()[: -len(",\n")].encode()
