"""What refusing buys, as the page says it."""

import answered
import numpy as np
import pandas as pd
from peer_table import write_between_markers


def test_folds_of_a_task_are_averaged_and_tasks_keep_their_order():
    shares = dict.fromkeys(answered.SHOWN, 0.0)
    rows = [
        {"task": "b", "accuracy_at": {**shares, "0.90": 0.8}},
        {"task": "b", "accuracy_at": {**shares, "0.90": 0.9}},
        {"task": "a", "accuracy_at": {**shares, "0.90": 1.0}},
    ]
    found = answered.over_folds(rows)
    assert found["0.90"].round(3).to_dict() == {"b": 0.85, "a": 1.0}
    assert "| b | 0.000 | 0.000 | 0.850 |" in answered.table(found)


def test_a_line_is_drawn_for_each_task(tmp_path):
    accuracies = pd.DataFrame({"0.50": [1.0, 0.9], "1.00": [0.9, 0.8]}, index=["here", "there"])
    answered.draw(accuracies, {"here": "home", "there": "abroad"}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_the_table_of_the_page_is_that_of_the_results(tmp_path):
    found = answered.over_folds(answered.read_rows())
    assert len(found) == 18
    copy = tmp_path / "page.md"
    copy.write_text(answered.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_between_markers(copy, answered.table(found), answered.MARKER)
    assert copy.read_text(encoding="utf-8") == answered.PAGE.read_text(encoding="utf-8")
    # refusing buys accuracy everywhere, and least where the vocabularies of two sets differ
    gains = found["0.80"] - found["1.00"]
    assert (gains > 0).all()
    share_of_errors = gains / (1 - found["1.00"])
    assert share_of_errors.idxmin() == "pbmc3k_to_3prime"
    assert np.isfinite(share_of_errors).all()
