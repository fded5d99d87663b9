"""Splits of real cells: nothing leaks, both sides have the same genes in the same order."""

import numpy as np
import pandas as pd
import pytest
import tasks
from rows import problem_of
from tasks import LABELS_KEY, LIBRARY_SIZE_KEY, TASKS

SMALL = ["paul15", "facs_to_same", "pbmc3k_to_3prime", "merged_to_3prime", "3prime_without_v1"]


@pytest.fixture(autouse=True)
def _needs_data(shared_data, request):
    name = request.node.callspec.params.get("name") if hasattr(request.node, "callspec") else None
    for file in TASKS[name].data if name else ():
        shared_data(file)


@pytest.mark.parametrize("name", SMALL)
def test_splits_are_sound(name):
    split = TASKS[name].split(0)
    training, test = split.training, split.test
    assert list(training.var_names) == list(test.var_names)
    assert training.var_names.is_unique
    assert set(test.obs[LABELS_KEY]) <= set(training.obs[LABELS_KEY])
    for cells in (training, test):
        values = cells.X[:20].toarray()
        assert (values == values.round()).all()
        # over all genes of the source, so at least over those here
        sizes = np.asarray(cells.X.sum(axis=1)).ravel()
        assert (cells.obs[LIBRARY_SIZE_KEY] >= sizes - 1e-3).all()


@pytest.mark.parametrize("name", ["facs_to_same", "merged_without_same"])
def test_no_cell_is_on_both_sides(name):
    split = TASKS[name].split(0)
    training, test = (as_texts(cells) for cells in (split.training, split.test))
    assert len(training) == split.training.n_obs
    assert not training & test
    assert not set(split.training.obs["barcode"]) & set(split.test.obs["barcode"])


def as_texts(cells):
    """The counts of each cell as bytes: no two cells of these files have the same."""
    matrix = cells.X.tocsr().sorted_indices()
    return {
        row.indices.tobytes() + row.data.tobytes()
        for row in (matrix[i] for i in range(matrix.shape[0]))
    }


@pytest.mark.parametrize("name", ["facs_to_mudan"])
def test_the_merged_file_gives_only_the_asked_selection(name):
    split = TASKS[name].split(0)
    assert set(split.test.obs["upstream"]) == {"mudan"}
    assert (split.training.n_obs, split.test.n_obs) == (3098, 1997)


@pytest.mark.parametrize("name", ["merged_to_3prime"])
def test_cells_of_unknown_types_are_counted(name):
    split = TASKS[name].split(0)
    assert split.n_cells_of_unknown_types + split.test.n_obs == 770
    assert set(split.test.obs[LABELS_KEY]) == {"B cell", "Monocyte", "NK cell", "T cell"}


@pytest.mark.parametrize("name", ["paul15"])
def test_folds_share_no_cell_and_cover_all(name):
    tests = [set(TASKS[name].split(fold).test.obs_names) for fold in range(5)]
    assert sum(map(len, tests)) == len(set.union(*tests)) == 2730


@pytest.mark.parametrize("name", ["facs_missing_30", "facs_missing_50"])
def test_test_cells_lack_genes_and_nobody_knows_library_sizes(name):
    split = TASKS[name].split(1)
    left = split.test.n_vars / split.training.n_vars
    assert left == pytest.approx(1 - TASKS[name].share, abs=1e-4)
    assert set(split.test.var_names) < set(split.training.var_names)
    assert LIBRARY_SIZE_KEY not in split.test.obs
    assert LIBRARY_SIZE_KEY not in split.training.obs


@pytest.mark.parametrize("name", ["paul15"])
def test_a_method_is_told_no_label_of_a_test_cell(name):
    problem = problem_of(TASKS[name].split(0), {})
    assert problem.test.labels is None
    assert len(problem.labels) == problem.training.counts.shape[0]


def test_genes_are_matched_by_id_then_by_symbol():
    genes = pd.DataFrame(
        {"ensembl_id": ["E1", "E2", "", "E4", ""], "gene_symbol": ["a", "b", "c", "d", "d"]}
    )
    others = pd.DataFrame(
        {"ensembl_id": ["", "E2", "E1", "E9"], "gene_symbol": ["c", "x", "a", "b"]}
    )
    columns, other_columns = tasks.shared_genes(genes, others)
    # E1 and E2 by id, c by symbol; b is another gene there, d stands twice here
    assert columns.tolist() == [0, 1, 2]
    assert other_columns.tolist() == [2, 1, 0]
