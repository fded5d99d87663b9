"""The table of the page on trust is what the results say, and so are the sentences under it."""

import numpy as np
import pytest
from believed import MARKER, PAGE, believed, drawn_errors, log_losses, table
from peer_table import END
from record import RESULTS
from rows import Rows
from sets import together

from cellclassifier.evaluation import ReliabilityCurve


@pytest.fixture(scope="module")
def found():
    return believed()


def test_the_table_stands_on_the_page(found):
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(MARKER)[1].split(END)[0].strip() == table(found).strip()
    assert len(found) == 18


def test_what_the_page_says_of_it(found):
    home, abroad = found[:6], found[6:16]
    behind = [one.task for one in found if one.log_loss > one.peer_log_loss]
    assert behind == ["baron_pancreas", "pbmc3k_to_3prime", "merged_without_same"]
    too_large = [one.task for one in abroad if one.ece > 0.05]
    assert too_large == ["pbmc3k_to_3prime"]
    assert max(one.ece for one in home) < 0.025
    assert all(abs(one.coverage - 0.9) < 0.02 for one in home)
    assert all(0.03 < one.unknown < 0.07 for one in found if one.shift < 0.05)
    assert all(one.unknown == 0 for one in found if one.shift >= 0.15)


def test_our_log_loss_is_of_the_run_that_all_else_is_of(found):
    rows = Rows(RESULTS / "trust_sets.jsonl").read()
    for one in found:
        own = [row["log_loss"] for row in rows if row["task"] == one.task]
        if len(own) == 1:  # of several folds those count that the peer shares
            assert one.log_loss == own[0]


def test_log_losses_are_of_the_folds_that_both_have():
    rows = [{"fold": fold, "log_loss": 0.1 * fold} for fold in (1, 2, 7)]
    none = [{"fold": 1, "log_loss": None}]
    ours, theirs, peer = log_losses(
        {1: 1.0, 2: 3.0, 3: 9.0}, {"ours": rows, "other": rows, "x": none}
    )
    assert (ours, peer) == (2.0, "other")
    assert theirs == pytest.approx(0.15)


def curve_of(confidence, correct):
    return ReliabilityCurve.of(np.asarray(confidence), np.asarray(correct))


def test_the_cells_of_several_curves_are_in_the_same_bins():
    rng = np.random.default_rng(0)
    confidence = rng.random(300)
    correct = rng.random(300) < confidence
    parts = [curve_of(confidence[part], correct[part]) for part in np.split(np.arange(300), 3)]
    whole, joined = curve_of(confidence, correct), together(parts)
    np.testing.assert_array_equal(joined.n_cells, whole.n_cells)
    assert joined.ece == pytest.approx(whole.ece)


def test_what_chance_makes_shrinks_with_the_root_of_the_cells():
    few, many = (
        drawn_errors(curve_of(np.linspace(0.3, 0.99, n), np.ones(n, bool))).mean()
        for n in (200, 20_000)
    )
    assert few / many == pytest.approx(10, rel=0.1)
