"""What the page on accuracy says of the time of training is what was measured."""

import json
import re

from record import RESULTS, ROOT


def test_the_time_of_a_fit_stands_on_the_page():
    (row,) = map(json.loads, (RESULTS / "fit_speed.jsonl").read_text(encoding="utf-8").splitlines())
    page = re.sub(r"\s+", " ", (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8"))
    each = row["seconds_each"]
    assert f"the median of {row['repeats']} fits is {row['seconds']} s" in page
    assert f"({min(each)} to {max(each)} s; `benchmarks/speed/fit.py`)" in page
    assert row["threads"] == 2
    # the mark
    assert row["seconds"] <= 15
