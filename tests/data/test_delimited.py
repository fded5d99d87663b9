"""Rows of text are, byte for byte, those of the csv module."""

import csv
import io

import numpy as np
import pandas as pd
import pytest

from cellclassifier.data.streaming.delimited import rows_of_texts, texts_of, texts_of_names

ODD = ["", "a,b", 'say "so"', "two\nlines", "carriage\rreturn", " spaced ", "naïve T", "日本", "'"]


def written(*columns):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(zip(*columns, strict=True))
    return stream.getvalue().encode()


def joined(*columns):
    return rows_of_texts(columns).tobytes()


@pytest.mark.parametrize("odd", ODD)
def test_names_of_any_kind(odd):
    names = ["AAAC-1", odd, "AAAG-1"]
    encoded = texts_of_names([name.encode() for name in names])
    assert joined(encoded, encoded) == written(names, names)


def test_categories_numbers_and_missing_values_stand_beside_names():
    names = [f"cell {number}" for number in range(len(ODD))]
    labels = pd.Categorical.from_codes([3, -1, 1, 0, 2, 2, 4, 8, 5], pd.Index(ODD))
    values = np.float32([0, 1, 0.1, 1e-7, 25, np.nan, np.inf, -1, 0.333333])
    assert joined(
        texts_of_names([name.encode() for name in names]), texts_of(labels), texts_of(values)
    ) == written(names, ["" if code < 0 else ODD[code] for code in labels.codes],
                 [f"{value:.9g}" for value in values.tolist()])  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.arange(5), id="whole"),
        pytest.param(np.array([0.1, 1e300, 2.0]), id="double"),
        pytest.param(np.array([True, False]), id="truths"),
        pytest.param(np.array(ODD, dtype=object), id="texts"),
    ],
)
def test_whatever_else_a_column_holds(values):
    assert joined(texts_of(values), texts_of(values)) == written(values, values)


def test_no_rows_are_no_text():
    nothing = pd.Categorical.from_codes([], pd.Index([], dtype=object))
    assert joined(texts_of(nothing), texts_of(np.empty(0, np.float32)), texts_of_names([])) == b""
