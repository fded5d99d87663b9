"""A run goes on where it was; only what stands for the same code and data is left."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import run
from environments import Environment
from exchange import Named
from methods import METHODS, PEER_NAMES, Method, choose_methods, find_method
from rows import Rows, correct_cells, predicted_codes
from scipy import sparse
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, Split, Task, choose_tasks


class ToyTask(Task):
    """Three cells to learn from, three to name; two folds."""

    n_folds = 2

    @property
    def how(self):
        return "by hand"

    def split(self, fold):
        return Split(cells(["B", "T", "T"], "train"), cells(["B", "T", "B"], f"test{fold}"), fold)


def cells(labels, prefix):
    counts = sparse.csr_matrix(np.ones((len(labels), 2), dtype=np.float32))
    names = [f"{prefix}{number}" for number in range(len(labels))]
    obs = pd.DataFrame({LABELS_KEY: labels, LIBRARY_SIZE_KEY: 2.0}, index=names)
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=["g1", "g2"]))


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "method.py"
    path.write_text("print(1)\n")
    return path


@pytest.fixture
def measure(tmp_path, monkeypatch, script):
    """Run a method that calls all cells B, and return how often it was asked."""
    calls = []

    def answer(method, _task, split, _threads):
        calls.append(method.name)
        named = Named.best_of(["B", "T"], np.array([[3, 1]] * split.test.n_obs))
        report = {"fit_seconds": 1.0, "fit_cpu_seconds": 1.0, "predict_seconds": 0.5}
        return named, report | {"peak_memory_mb": 10, "chosen": {}, "versions": {}}

    def once(*, again=False, threads=1, settings=None):
        calls.clear()
        method = Method("toy", script, Environment(("torch.txt",)), settings or {})
        rows = Rows(tmp_path / "rows.jsonl")
        run.run([ToyTask("toy", ())], [method], rows, folds=None, threads=threads, again=again)
        return len(calls), rows.read()

    monkeypatch.setattr(run, "in_own_process", answer)
    monkeypatch.setattr("rows.files_of", lambda _: [{"data_sha256": "1"}])
    return once


def test_a_row_that_stands_is_not_measured_again(measure):
    assert measure()[0] == 2
    assert measure()[0] == 0
    assert measure(again=True)[0] == 2


def test_other_settings_or_threads_are_another_row(measure):
    measure()
    assert measure(threads=2)[0] == 2
    assert measure(settings={"depth": 1})[0] == 2


def test_changed_code_is_another_row_and_changed_layout_is_not(measure, script):
    measure()
    script.write_text("print( 1 )  # the same\n")
    assert measure()[0] == 0
    script.write_text("print(2)\n")
    assert measure()[0] == 2


def test_a_row_says_what_was_measured(measure):
    row = measure()[1][0]
    assert row["accuracy"] == pytest.approx(2 / 3)
    assert row["log_loss"] == pytest.approx(-np.log([0.75, 0.25, 0.75]).mean())
    assert predicted_codes(row).tolist() == [0, 0, 0]
    assert correct_cells(row).tolist() == [True, False, True]
    assert (row["n_cells"], row["n_types"], row["cells_per_second"]) == (3, 2, 6.0)
    assert row["types"] == ["B", "T"]


def test_groups_and_names_choose_tasks_and_methods():
    assert [task.name for task in choose_tasks("paul15,missing")] == [
        "paul15",
        "facs_missing_30",
        "facs_missing_50",
    ]
    assert [method.name for method in choose_methods("ours,peers")] == ["ours", *PEER_NAMES]
    assert find_method("ours-mlp").settings == {"network": "mlp"}


@pytest.mark.parametrize("choose", [choose_tasks, choose_methods])
def test_an_unknown_name_ends_with_a_line(choose):
    with pytest.raises(SystemExit, match="there"):
        choose("nothing-such")


def test_every_script_and_requirement_file_exists():
    import environments

    for method in METHODS.values():
        assert method.script.is_file()
        assert all(
            (environments.REQUIREMENTS / name).is_file() for name in method.environment.files
        )
