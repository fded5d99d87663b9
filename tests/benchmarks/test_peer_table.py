"""The table of peers in README and docs: what it compares, and that it is that of the results."""

import leaderboard
import peer_table
import pytest
from leaderboard_rows import row, two_folds
from record import RESULTS
from rows import Rows


def rows_of_tasks(n_tasks, ours, theirs):
    return [one for task in range(n_tasks) for one in two_folds(ours, theirs, task=f"task {task}")]


def test_each_task_counts_once_and_only_shared_folds_do():
    rows = [*rows_of_tasks(4, 360, 340), row("ours", 0, 400, task="one fold")]
    rows += [row("ours", 1, 40, task="one fold"), row("svm", 0, 380, task="one fold")]
    (found,) = peer_table.compare(leaderboard.by_task(rows))
    assert len(found.differences) == 5
    assert found.accuracy == pytest.approx((0.2 * (4 * 0.9 + 1.0), 0.2 * (4 * 0.85 + 0.95)))
    assert found.gain == pytest.approx(5.0)


def test_a_peer_of_few_tasks_is_left_out():
    assert peer_table.compare(leaderboard.by_task(rows_of_tasks(4, 360, 340))) == []


def test_the_words_are_counted_as_on_the_leaderboard():
    rows = [*rows_of_tasks(5, 380, 340), *two_folds(340, 380, task="behind")]
    text = peer_table.table(peer_table.compare(leaderboard.by_task(rows)))
    assert "| svm | 6 |" in text
    assert text.endswith("| 5/0/1 |\n")


@pytest.mark.parametrize("page", peer_table.PAGES, ids=lambda page: page.name)
def test_the_table_of_the_page_is_that_of_the_results(page, tmp_path):
    rows = leaderboard.newest(Rows(RESULTS / "accuracy.jsonl").read())
    copy = tmp_path / page.name
    copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    text = peer_table.table(peer_table.compare(leaderboard.by_task(rows)))
    peer_table.write_between_markers(copy, text)
    assert copy.read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_a_page_without_markers_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("no table here")
    with pytest.raises(ValueError, match="needs the lines"):
        peer_table.write_between_markers(tmp_path / "page.md", "table")
