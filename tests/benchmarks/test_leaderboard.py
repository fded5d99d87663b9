"""The leaderboard on made-up rows, of which the truth is known."""

import leaderboard
import numpy as np
import pytest
from leaderboard_rows import N_CELLS, TRUTH, row, two_folds
from macro_f1 import TrueTypes, macro_f1, macro_f1_gain
from record import RESULTS
from rows import Rows, correct_cells, predicted_codes
from sklearn.metrics import f1_score


def truth_of_rows(_row):
    return TRUTH


@pytest.mark.parametrize(
    ("ours", "theirs", "word"),
    [
        pytest.param(380, 340, "ahead", id="ahead"),
        pytest.param(340, 380, "behind", id="behind"),
        pytest.param(361, 360, "tie", id="tie"),
        pytest.param(360, 360, "tie", id="the same"),
    ],
)
def test_words_follow_the_paired_interval(ours, theirs, word):
    scores = leaderboard.by_task(two_folds(ours, theirs))
    (found,) = leaderboard.differences(scores)
    assert found.word == word
    assert found.mean == pytest.approx((ours - theirs) / N_CELLS)
    assert found.low <= found.mean <= found.high


def test_the_interval_is_the_bootstrap_of_single_cells():
    gains = np.array([1] * 40 + [-1] * 20 + [0] * 140)
    means = leaderboard.bootstrap_means(gains, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    plain = [rng.choice(gains, len(gains)).mean() for _ in range(4000)]
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx(
        np.quantile(plain, [0.025, 0.975]), abs=0.011
    )


def test_macro_f1_of_cells_counted_by_triples_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, named = rng.integers(4, size=(2, 50)).astype(np.uint8)
    truth[truth == 3] = 2  # a type without cells
    wanted = f1_score(truth, named, labels=[0, 1, 2], average="macro")
    found = macro_f1(np.ones((1, 50)), truth, named, 4)
    assert found == pytest.approx([wanted])


def test_the_interval_of_macro_f1_is_the_bootstrap_of_single_cells():
    ours, theirs = row("ours", 0, 380), row("svm", 0, 340)
    gain, samples = macro_f1_gain(TRUTH, ours, theirs, np.random.default_rng(0), 4000)
    rng = np.random.default_rng(1)
    both = [predicted_codes(one) for one in (ours, theirs)]

    def plain(cells):
        a, b = (macro_f1(np.ones((1, N_CELLS)), TRUTH[cells], one[cells], 2)[0] for one in both)
        return a - b

    drawn = [plain(rng.integers(N_CELLS, size=N_CELLS)) for _ in range(2000)]
    assert gain == pytest.approx(plain(np.arange(N_CELLS)))
    assert np.quantile(samples, [0.025, 0.975]) == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=0.006
    )


def test_the_best_peer_is_one_with_all_our_folds():
    rows = [*two_folds(360, 350), row("lucky", 0, 400)]
    (found,) = leaderboard.differences(leaderboard.by_task(rows))
    assert found.peer == "svm"


def test_the_newest_row_counts():
    rows = leaderboard.newest([row("ours", 0, 100), row("ours", 0, 300)])
    assert [one["accuracy"] for one in rows] == [0.75]


def test_other_cells_are_not_compared():
    rows = two_folds(360, 350)
    rows[0]["truth_sha256"] = "another"
    with pytest.raises(ValueError, match="named other cells"):
        leaderboard.differences(leaderboard.by_task(rows))


def test_the_text_has_each_group_and_marks_what_is_missing():
    rows = [
        *two_folds(380, 340),
        row("singler", 0, 300, log_loss=None),
        *two_folds(340, 340, task="far task", group="abroad"),
    ]
    text = leaderboard.leaderboard(leaderboard.by_task(rows), truth_of_rows)
    assert text.startswith("<!-- Written by benchmarks/accuracy/leaderboard.py")
    assert "| method | home task |" in text
    assert "| singler | 0.750 / 0.500 (1) |" in text
    assert "| singler | - |" in text
    assert text.index("| ours | 0.950") < text.index("| svm | 0.850")
    assert text.count("| home | 1 | ") == text.count("| abroad | 1 | +0.00 | 0 | 1 | 0 |") == 2
    assert "| home and abroad | 2 | +5.00 | 1 | 1 | 0 |" in text
    assert "| missing |" not in text
    assert text.index("## Home") < text.index("## Abroad") < text.index("## Ours against")


def test_correct_cells_come_back():
    assert correct_cells(row("ours", 0, 123)).sum() == 123


def test_the_plot_is_drawn(tmp_path):
    scores = leaderboard.by_task([*two_folds(380, 340), row("knn", 0, 300, task="b")])
    leaderboard.draw(leaderboard.accuracies(scores), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


@pytest.fixture(scope="module")
def measured():
    return leaderboard.by_task(leaderboard.newest(Rows(RESULTS / "accuracy.jsonl").read()))


def test_the_types_of_cells_give_the_macro_f1_of_the_rows(measured, shared_data):
    shared_data("paul15.h5ad")
    truth = TrueTypes()
    for one in measured["paul15"]["ours"][:2]:
        named, n_types = predicted_codes(one), len(one["types"])
        found = macro_f1(np.ones((1, len(named))), truth(one), named, n_types)
        assert found == pytest.approx([one["macro_f1"]])


def test_the_page_is_that_of_the_results(measured, shared_data):
    shared_data("zheng_sorted_facs.h5ad")
    text = leaderboard.leaderboard(measured, TrueTypes())
    assert leaderboard.LEADERBOARD.read_text(encoding="utf-8") == text
