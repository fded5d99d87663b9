"""The table of files of one type is what the results say, and so are the sentences around it."""

import pytest
from one_type import FILE, MARKER, PAGE, range_of, table
from peer_table import END
from record import RESULTS, ROOT
from rows import Rows

from cellclassifier.classifier.advising import MOSTLY_NOVEL, OTHER_SHARES
from cellclassifier.classifier.trusting import MAX_SHIFT


@pytest.fixture(scope="module")
def rows():
    return Rows(RESULTS / FILE).read()


def values(rows, kind, score, network="wide-deep"):
    found = [row[score] for row in rows if (row["kind"], row["network"]) == (kind, network)]
    assert found
    return [value for value in found if value is not None]


def test_the_table_stands_on_the_page(rows):
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(MARKER)[1].split(END)[0].strip() == table(rows).strip()


def test_whole_files_of_the_same_experiment_raise_no_alarm(rows):
    for network in ("wide-deep", "linear"):
        of = "known, at home, all types"
        assert max(values(rows, of, "composition", network)) < OTHER_SHARES / 3
        assert max(values(rows, of, "shift", network)) < 0.05
    for network in ("wide-deep", "linear"):
        assert max(values(rows, "known, at home, one type", "shift", network)) < 0.1


def test_neither_shift_nor_novelty_tells_unseen_types_from_other_laboratories(rows):
    unseen, known = "unseen, at home, one type", "known, elsewhere, one type"
    for score in ("shift", "novel"):
        assert max(values(rows, known, score)) > max(values(rows, unseen, score)) / 2
        assert min(values(rows, unseen, score)) < max(values(rows, known, score))
    # the mention begins where whole files of known cells from elsewhere are, too
    assert max(values(rows, "known, elsewhere, all types", "novel")) > MOSTLY_NOVEL
    among = values(rows, "unseen, at home, among 200 known cells", "shift")
    assert sum(shift < MAX_SHIFT for shift in among) > 0.7 * len(among)


def test_networks_that_do_not_adapt_refuse_no_known_cell_from_elsewhere(rows):
    for row in rows:
        if row["kind"] == "known, elsewhere, all types" and row["shift"] is not None:
            assert (row["unknown"] == 0) == (row["shift"] >= MAX_SHIFT)


def test_what_small_references_call_unknown_stands_on_the_page_on_trust(rows):
    page = " ".join((ROOT / "docs" / "trust.md").read_text(encoding="utf-8").split())
    ends = []
    for n_cells in (100, 400):
        found = values(rows, f"known, at home, by a model of {n_cells} cells", "unknown")
        ends += [f"{100 * end:.0f}" for end in (min(found), max(found))]
    said = "models of 100 sorted cells called {} to {} % of known cells unknown, of 400 cells {} to"
    assert f"{said.format(*ends)} {ends[-1]} %" in page


def test_a_range_is_the_least_the_median_and_the_most():
    assert range_of([0.3, 0.1, None, 0.25]) == ".10, .25, .30"
    assert range_of([1.0, 0.0]) == "0, .50, 1.00"
    assert range_of([None]) == ""
