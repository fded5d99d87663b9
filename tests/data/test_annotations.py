from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellclassifier.data import (
    check_cells_path,
    read_cells,
    read_labels,
    read_predictions,
    write_cells,
    write_predictions,
)
from cellclassifier.data.annotations import read_training_labels
from cellclassifier.errors import (
    FileFormatError,
    InputError,
    InputWarning,
    LabelError,
    OutputError,
)
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import STATUSES, CellTrust, Predictions

LABELS = ("B/plasma", "T cell, γδ", "Zelle ü", "never predicted")
PROVENANCE = {"model_hash": "abc", "versions": {"keras": "3.15"}, "temperature": 1.25}


def labelled(labels):
    n_cells = len(labels)
    return ad.AnnData(
        np.ones((n_cells, 2), dtype=np.float32),
        obs=pd.DataFrame({"cell_type": labels}, index=[f"cell{i}" for i in range(n_cells)]),
    )


@pytest.fixture
def cells(toy_reference):
    return toy_reference[:6].copy()


@pytest.fixture
def predictions(cells):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1, 0.01], size=len(cells)).astype(np.float32)
    return Predictions(LabelSpace(LABELS), probabilities, cells.obs_names, gene_coverage=0.75)


@pytest.fixture
def trusted(predictions):
    """The same, with what they are worth; one set is empty."""
    rng = np.random.default_rng(1)
    sets = rng.random((6, len(LABELS))) < 0.5
    sets[2] = False
    novelty = rng.exponential(size=6).astype(np.float32)
    status = np.array([0, 1, 2, 3, 4, 4], dtype=np.int8)
    return replace(predictions, trust=CellTrust(sets, 0.8, novelty, status), shift=0.25)


# --- predictions into cells


def test_the_keys_written_are_the_documented_ones_and_nothing_else_changes(cells, predictions):
    before = cells.copy()
    write_predictions(cells, predictions, PROVENANCE)
    assert set(cells.obs) - set(before.obs) == {
        "predicted_cell_type", "predicted_cell_type_confidence",
    }  # fmt: skip
    assert set(cells.obsm) == {"cell_type_probabilities"}
    assert set(cells.uns) == {"cellclassifier"}
    assert set(cells.uns["cellclassifier"]) == {*PROVENANCE, "labels", "gene_coverage"}
    pd.testing.assert_frame_equal(cells.obs[before.obs.columns], before.obs)
    pd.testing.assert_frame_equal(cells.var, before.var)
    np.testing.assert_array_equal(cells.X.toarray(), before.X.toarray())
    for slot in ("layers", "varm", "obsp", "varp"):
        assert set(getattr(cells, slot)) <= {None}  # from anndata 0.13 on, X is layer None
    assert cells.raw is None


def test_what_is_written_are_the_predictions(cells, predictions):
    write_predictions(cells, predictions, PROVENANCE)
    column = cells.obs["predicted_cell_type"]
    assert column.tolist() == predictions.labels.tolist()
    assert column.cat.categories.tolist() == list(LABELS)
    confidence = cells.obs["predicted_cell_type_confidence"]
    assert confidence.dtype == np.float32
    np.testing.assert_array_equal(confidence, predictions.confidence)
    probabilities = cells.obsm["cell_type_probabilities"]
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities, predictions.probabilities)
    assert cells.uns["cellclassifier"]["temperature"] == 1.25
    assert cells.uns["cellclassifier"]["gene_coverage"] == 0.75


def test_older_predictions_are_replaced_as_a_whole(cells, predictions):
    write_predictions(cells, predictions, {"old setting": 1})
    newer = Predictions(
        LabelSpace(("B", "T")), np.full((6, 2), 0.5, dtype=np.float32), cells.obs_names
    )
    write_predictions(cells, newer, {})
    assert set(cells.obs["predicted_cell_type"]) == {"B"}
    assert cells.obsm["cell_type_probabilities"].shape == (6, 2)
    assert set(cells.uns["cellclassifier"]) == {"labels", "gene_coverage"}


TRUST_KEYS = {
    "predicted_cell_type_set", "predicted_cell_type_novelty", "predicted_cell_type_status",
}  # fmt: skip


def test_what_labels_are_worth_stands_beside_them(cells, trusted):
    before = set(cells.obs)
    write_predictions(cells, trusted, PROVENANCE)
    assert set(cells.obs) - before == TRUST_KEYS | {
        "predicted_cell_type", "predicted_cell_type_confidence",
    }  # fmt: skip
    assert set(cells.uns["cellclassifier"]) == {
        *PROVENANCE, "labels", "gene_coverage", "shift", "set_coverage",
    }  # fmt: skip
    assert cells.uns["cellclassifier"]["set_coverage"] == 0.8
    status = cells.obs["predicted_cell_type_status"]
    assert status.tolist() == [*STATUSES, "assigned"]
    assert status.cat.categories.tolist() == list(STATUSES)
    assert cells.obs["predicted_cell_type_set"].iloc[2] == ""
    assert cells.obs["predicted_cell_type_novelty"].dtype == np.float32


def test_unknown_cells_are_labelled_so_where_that_is_asked(cells, trusted):
    asked = replace(trusted, trust=replace(trusted.trust, label_unknown=True))
    write_predictions(cells, asked, {})
    column = cells.obs["predicted_cell_type"]
    assert column.cat.categories.tolist() == [*LABELS, "unknown"]
    is_unknown = cells.obs["predicted_cell_type_status"] == "unknown"
    assert column[is_unknown].tolist() == ["unknown"]
    assert column[~is_unknown].tolist() == trusted.labels[~is_unknown].tolist()
    np.testing.assert_array_equal(read_predictions(cells).labels, trusted.labels)


def test_a_model_that_knows_nothing_of_it_leaves_no_older_columns(cells, predictions, trusted):
    write_predictions(cells, trusted, {})
    assert set(cells.obs) >= TRUST_KEYS
    write_predictions(cells, predictions, {})
    assert not TRUST_KEYS & set(cells.obs)
    assert set(cells.uns["cellclassifier"]) == {"labels", "gene_coverage"}
    assert read_predictions(cells).trust is None


def test_other_entries_of_the_same_slots_stay(cells, predictions):
    cells.obsm["X_pca"] = np.ones((6, 3))
    cells.uns["neighbors"] = {"k": 15}
    write_predictions(cells, predictions, PROVENANCE)
    assert cells.obsm["X_pca"].sum() == 18
    assert cells.uns["neighbors"] == {"k": 15}


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_annotated_cells_come_back_from_disk(tmp_path, cells, predictions, suffix):
    write_predictions(cells, predictions, PROVENANCE)
    path = tmp_path / f"named{suffix}"
    write_cells(cells, path)
    back = read_cells(path)
    read = read_predictions(back)
    assert read.label_space.labels == LABELS
    assert read.labels.tolist() == predictions.labels.tolist()
    assert read.gene_coverage == 0.75
    assert read.cell_names.tolist() == predictions.cell_names.tolist()
    np.testing.assert_array_equal(read.probabilities, predictions.probabilities)
    assert back.obs["predicted_cell_type"].cat.categories.tolist() == list(LABELS)
    assert back.uns["cellclassifier"]["versions"]["keras"] == "3.15"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_what_labels_are_worth_comes_back_from_disk(tmp_path, cells, trusted, suffix):
    write_predictions(cells, trusted, PROVENANCE)
    path = tmp_path / f"named{suffix}"
    write_cells(cells, path)
    read = read_predictions(read_cells(path))
    assert read.shift == 0.25
    assert read.trust.coverage == 0.8
    for name in ("sets", "novelty", "status"):
        ours, theirs = getattr(read.trust, name), getattr(trusted.trust, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("key", sorted(TRUST_KEYS))
def test_without_one_of_the_columns_nothing_is_known(cells, trusted, key):
    write_predictions(cells, trusted, PROVENANCE)
    del cells.obs[key]
    assert read_predictions(cells).trust is None


def test_sets_of_labels_that_are_not_the_models_are_refused(cells, trusted):
    write_predictions(cells, trusted, PROVENANCE)
    cells.obs["predicted_cell_type_set"] = "neuron"
    with pytest.raises(InputError, match=r"is not what annotate wrote.*neuron"):
        read_predictions(cells)


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_cells_written_again_replace_the_older_ones(tmp_path, cells, suffix):
    path = tmp_path / f"cells{suffix}"
    write_cells(cells, path)
    write_cells(cells[:2].copy(), path)
    assert read_cells(path).n_obs == 2


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_cells_that_cannot_be_written_leave_the_older_ones(tmp_path, cells, suffix):
    path = tmp_path / f"cells{suffix}"
    write_cells(cells, path)
    cells.uns["no such thing on disk"] = object()
    with pytest.raises(Exception, match=r"no such thing|No method registered"):
        write_cells(cells, path)
    assert read_cells(path).n_obs == 6
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_cells_are_not_written_under_another_suffix(tmp_path, cells):
    with pytest.raises(FileFormatError, match=r"name it \.h5ad or \.zarr"):
        write_cells(cells, tmp_path / "cells.csv")
    with pytest.raises(FileFormatError):
        check_cells_path("cells")


def test_cells_are_not_written_into_a_missing_folder(tmp_path, cells):
    with pytest.raises(OutputError, match="make it first"):
        write_cells(cells, tmp_path / "nowhere" / "cells.h5ad")


# --- predictions out of cells


def test_cells_without_predictions_are_told_how_to_get_them(cells):
    with pytest.raises(InputError) as refused:
        read_predictions(cells)
    message = str(refused.value)
    assert "obsm['cell_type_probabilities'] and uns['cellclassifier'] are not there" in message
    assert "cellclassifier annotate" in message


def drop_probabilities(cells):
    del cells.obsm["cell_type_probabilities"]


def drop_labels(cells):
    del cells.uns["cellclassifier"]["labels"]


def drop_one_label(cells):
    cells.uns["cellclassifier"]["labels"] = cells.uns["cellclassifier"]["labels"][1:]


def repeat_a_label(cells):
    cells.uns["cellclassifier"]["labels"][0] = LABELS[1]


def replace_provenance(cells):
    cells.uns["cellclassifier"] = "by hand"


def spoil_coverage(cells):
    cells.uns["cellclassifier"]["gene_coverage"] = "most"


def scale_probabilities(cells):
    cells.obsm["cell_type_probabilities"] *= 100


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (drop_probabilities, r"obsm\['cell_type_probabilities'\] are not there"),
        (drop_labels, "is not what annotate wrote: KeyError"),
        (drop_one_label, "probabilities have the shape"),
        (repeat_a_label, "stand more often"),
        (replace_provenance, "is not what annotate wrote"),
        (spoil_coverage, "is not what annotate wrote"),
        (scale_probabilities, "add up to 1"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_predictions_changed_since_are_refused(cells, predictions, damage, reason):
    write_predictions(cells, predictions, PROVENANCE)
    damage(cells)
    with pytest.raises(InputError, match=reason):
        read_predictions(cells)


# --- labels


@pytest.mark.parametrize(
    "column",
    [["B", "T", "B"], pd.Categorical(["B", "T", "B"], categories=["T", "B", "unused"])],
    ids=["texts", "categorical"],
)
def test_labels_are_texts_in_the_order_of_the_cells(column):
    assert read_labels(labelled(column), "cell_type").tolist() == ["B", "T", "B"]


def test_numbers_for_labels_become_texts():
    assert read_labels(labelled([1, 0, 1]), "cell_type").tolist() == ["1", "0", "1"]


def test_a_label_column_that_is_not_there_is_refused_with_those_that_are(cells):
    with pytest.raises(LabelError, match=r"no column 'type' in .obs; it has \['cell_type'\]"):
        read_labels(cells, "type")


@pytest.mark.parametrize(
    "column",
    [["B", np.nan, "T", None], pd.Categorical(["B", None, "T", None]), [1.0, np.nan, 2.0, np.nan]],
    ids=["texts", "categorical", "numbers"],
)
def test_missing_labels_are_counted_and_the_line_that_drops_them_is_given(column):
    with pytest.raises(LabelError, match="2 of 4 cells have no label") as refused:
        read_labels(labelled(column), "cell_type")
    assert "adata = adata[adata.obs['cell_type'].notna()].copy()" in str(refused.value)


def test_one_type_is_not_enough_to_train_on():
    with pytest.raises(LabelError, match=r"all 3 cells have the one label \['B'\]"):
        read_training_labels(labelled(["B"] * 3), "cell_type")


def test_types_of_a_single_cell_are_learned_with_a_warning():
    cells = labelled(["B", "T", "B", "T", "NK", "Mast"])
    with pytest.warns(InputWarning, match=r"2 types .* a single cell: \['Mast', 'NK'\]; nothing"):
        labels, rows = read_training_labels(cells, "cell_type")
    assert labels.tolist() == ["B", "T", "B", "T", "NK", "Mast"]
    assert rows.tolist() == list(range(6))


def test_labels_that_would_split_a_set_are_learned_with_a_warning():
    cells = labelled(["B | plasma", "T", "B | plasma", "T"])
    with pytest.warns(InputWarning, match=r"between the types of a set .* \['B | plasma'\]"):
        labels, _ = read_training_labels(cells, "cell_type")
    assert set(labels) == {"B | plasma", "T"}


@pytest.mark.parametrize(
    ("labels", "strict"),
    [
        (["B", "B", "T", "T", "NK"], True),
        (["B", "B", "NK", "Mast"], False),
        (["B", "NK"], False),
    ],
    ids=["strict", "one-type-else", "only-single"],
)
def test_types_of_a_single_cell_are_refused_by_name(labels, strict):
    with pytest.raises(LabelError, match=r"a single cell: \[.*'NK'\]; at least 2 types of two"):
        read_training_labels(labelled(labels), "cell_type", strict=strict)


def test_two_types_of_two_cells_are_enough():
    labels, rows = read_training_labels(labelled(["B", "B", "T", "T"]), "cell_type")
    assert labels.tolist() == ["B", "B", "T", "T"]
    assert rows.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("missing", [None, np.nan, "", "  ", "nan"])
def test_cells_without_a_label_are_left_out_or_refused(missing):
    cells = labelled(["B", missing, " B", "T ", "T"])
    labels, rows = read_training_labels(cells, "cell_type")
    assert labels.tolist() == ["B", "B", "T", "T"]
    assert rows.tolist() == [0, 2, 3, 4]
    with pytest.raises(LabelError, match=r"1 of 5 cells have no label in .*notna"):
        read_training_labels(cells, "cell_type", strict=True)


def test_no_label_at_all_is_refused():
    with pytest.raises(LabelError, match="3 of 3 cells have no label"):
        read_training_labels(labelled([np.nan] * 3), "cell_type")


def test_writing_does_not_change_the_counts_of_sparse_cells(tmp_path, cells):
    assert sparse.issparse(cells.X)
    before = cells.X.toarray()
    write_cells(cells, tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(cells.X.toarray(), before)


def test_predictions_of_other_cells_are_not_written(toy_reference):
    names = pd.Index([f"other{i}" for i in range(toy_reference.n_obs)])
    sure = np.ones((toy_reference.n_obs, 1), dtype=np.float32)
    before = list(toy_reference.obs.columns)
    with pytest.raises(InputError, match="other0"):
        write_predictions(toy_reference, Predictions(LabelSpace(("B",)), sure, names), {})
    assert list(toy_reference.obs.columns) == before
