"""What is written to a folder is what is read from it, without pickles."""

import numpy as np
import pytest
from exchange import Cells, Fitted, Named, Problem, answer, peak_memory_mb
from scipy import sparse


def some_cells(n_cells, *, labels=None, sizes=True):
    rng = np.random.default_rng(0)
    return Cells(
        sparse.csr_matrix(rng.poisson(1.0, (n_cells, 4)).astype(np.float32)),
        np.array(["A", "B", "C", "D"]),
        np.arange(n_cells, dtype=np.float64) + 10 if sizes else None,
        labels,
    )


def some_problem():
    training = some_cells(4, labels=np.array(["T", "B", "B", "NK"]))
    return Problem(training, some_cells(3, sizes=False), ("B", "NK", "T"), 1, {"depth": 2})


def test_a_problem_comes_back_as_it_was(tmp_path):
    problem = some_problem()
    problem.save(tmp_path)
    again = Problem.load(tmp_path)
    for own, other in ((problem.training, again.training), (problem.test, again.test)):
        assert (own.counts != other.counts).nnz == 0
        assert own.genes.tolist() == other.genes.tolist()
    assert again.training.library_sizes.tolist() == problem.training.library_sizes.tolist()
    assert again.test.library_sizes is None
    assert again.test.labels is None
    assert (again.types, again.seed, again.settings) == (("B", "NK", "T"), 1, {"depth": 2})
    assert again.codes.tolist() == [2, 0, 0, 1]


def test_an_answer_is_measured_and_comes_back(tmp_path, monkeypatch):
    some_problem().save(tmp_path)
    monkeypatch.setattr("sys.argv", ["script", str(tmp_path)])

    def fit(problem):
        scores = np.ones((problem.test.counts.shape[0], 2)) * [1, 3]
        return Fitted(lambda: Named.best_of(["B", "T"], scores), {"C": 1})

    answer(fit, packages=["numpy"])
    named = Named.load(tmp_path).in_order_of(("B", "NK", "T"))
    assert named.predicted.tolist() == ["T"] * 3
    assert named.probabilities[0].tolist() == [0.25, 0.0, 0.75]
    assert (tmp_path / "report.json").read_text().count("seconds") == 4


def test_scores_of_nothing_are_shared_equally():
    named = Named.best_of(["B", "T"], np.zeros((1, 2)))
    assert named.probabilities.tolist() == [[0.5, 0.5]]


def test_a_type_that_nobody_gave_is_refused():
    with pytest.raises(ValueError, match="names types that nobody gave it"):
        Named.best_of(["B", "X"], np.ones((1, 2))).in_order_of(("B", "T"))


def test_rows_that_do_not_sum_to_one_are_refused():
    named = Named(("B", "T"), np.full((1, 2), 0.7, dtype=np.float32), np.array(["B"]))
    with pytest.raises(ValueError, match="do not sum to one"):
        named.in_order_of(("B", "T"))


def test_peak_memory_is_of_this_process():
    assert 10 < peak_memory_mb() < 100_000
