"""Training from disk: the same model as from memory, in one file or several."""

from dataclasses import replace
from unittest import mock

import anndata as ad
import numpy as np
import pytest
from streamed_cells import KEY, N_GENES, QUICK, by_columns, drawn, log_normalised, write
from trained_from_disk import LINEAR, assert_same, classifier, on_disk

import cellclassifier as cc
from cellclassifier.classifier import storage
from cellclassifier.classifier.storage import choose_storage
from cellclassifier.data import row_sources
from cellclassifier.data.streaming import reference
from cellclassifier.errors import GeneOverlapError, InputError, LabelError
from cellclassifier.training import batches

ADAM = cc.TrainingConfig(epochs=2, batch_size=64, refit=True)
N_CELLS = 330


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Have several blocks of each kind in few cells, in memory as from disk."""
    monkeypatch.setattr(reference, "BLOCK_CELLS", 64)
    monkeypatch.setattr(row_sources, "BLOCK_CELLS", 100)
    monkeypatch.setattr(batches, "RUN_CELLS", 8)
    monkeypatch.setattr(batches, "POOL_CELLS", 64)


NETWORKS = {
    "linear": ("linear", LINEAR),
    "mlp": ("mlp", ADAM),
    "wide-deep": ("wide-deep", replace(QUICK, epochs=2, batch_size=32)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_model_from_disk_is_that_from_memory(tmp_path, name):
    network, training = NETWORKS[name]
    cells = drawn(N_CELLS, seed=3)
    expected = classifier(network, training).fit(cells, labels_key=KEY)
    path = write(cells, tmp_path / "cells.h5ad")
    found = on_disk(path, tmp_path / "m.keras", classifier(network, training))
    assert_same(found, expected)
    assert found.manifest_.training["counts"] == "raw counts in X"
    assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []
    saved = cc.CellTypeClassifier.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(saved.predict_proba(cells), found.predict_proba(cells))


def unlabelled(cells):
    labels = cells.obs[KEY].astype(object)
    labels.iloc[[0, 70, 71, 200]] = [None, "", np.nan, None]
    cells.obs[KEY] = labels
    return cells


def with_a_gene_twice(cells):
    names = cells.var_names.tolist()
    names[1] = names[0]
    cells.var_names = names
    return cells


def with_stored_zeros(cells):
    cells.X.data[::7] = 0
    return cells


def with_large_counts(cells):
    cells.X.data[5] = 70_000
    return cells


KINDS = {
    "unlabelled-cells": unlabelled,
    "stored-by-columns": by_columns,
    "stored-zeros": with_stored_zeros,
    "log-normalised": log_normalised,
    "large-counts": with_large_counts,
    "a-gene-twice": with_a_gene_twice,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Variable names are not unique:UserWarning")
def test_all_kinds_of_cells_give_the_model_of_memory(tmp_path, kind):
    cells = KINDS[kind](drawn(N_CELLS, seed=3))
    path = write(cells, tmp_path / "cells.h5ad")
    expected = classifier().fit(cc.read_cells(path), labels_key=KEY)
    assert_same(on_disk(path, tmp_path / "m.keras"), expected)


@pytest.mark.parametrize("genes", ["all", ["GENE5", "GENE3", "GENE100"], 7], ids=str)
def test_genes_are_chosen_as_in_memory(tmp_path, genes):
    cells = drawn(N_CELLS, seed=3)
    model = classifier().set_params(genes=genes)
    found = on_disk(write(cells, tmp_path / "cells.zarr"), tmp_path / "m.keras", model)
    assert_same(found, classifier().set_params(genes=genes).fit(cells, labels_key=KEY))


def test_estimated_counts_are_kept_as_they_are(tmp_path):
    cells = drawn(N_CELLS, seed=3)
    cells.X.data += np.float32(0.25)
    path = write(cells, tmp_path / "cells.h5ad")
    expected = classifier().fit(cells, labels_key=KEY, allow_non_integer=True)
    assert_same(on_disk(path, tmp_path / "m.keras", allow_non_integer=True), expected)


def test_a_reference_in_memory_is_read_where_it_fits(tmp_path):
    cells = drawn(N_CELLS, seed=3)
    path, told = write(cells, tmp_path / "cells.h5ad"), []
    files = cc.ReferenceFiles(tell=told.append)
    found = cc.fit_file(classifier(), path, tmp_path / "m.keras", labels_key=KEY, files=files)
    assert_same(found, classifier().fit(cells, labels_key=KEY))
    assert str(told[0]).startswith(
        "training from memory: it would take about 1.0 GB of memory, and "
    )
    with mock.patch.object(storage, "free_memory", return_value=1e9):
        assert choose_storage([path]).from_disk
        assert not choose_storage([path], memory_gb=1.5).from_disk
        assert not choose_storage([path], from_disk=False).from_disk


def test_free_memory_is_between_nothing_and_all_there_is():
    assert 0 < storage.free_memory() < 1e14


# --- several files


def two_files(tmp_path, first=slice(None), second=slice(None)):
    """Write cells in two files, with some of the genes each, those of the second in other order."""
    cells = drawn(N_CELLS, seed=3)
    cells.obs["n_counts"] = np.asarray(cells.X.sum(axis=1)).ravel()
    parts = [cells[:150, first].copy(), cells[150:, second][:, ::-1].copy()]
    return parts, [
        write(part, tmp_path / name) for part, name in zip(parts, ("a.h5ad", "b.zarr"), strict=True)
    ]


def test_two_files_are_the_reference_that_they_are_together(tmp_path):
    parts, paths = two_files(tmp_path)
    whole = ad.concat([parts[0], parts[1][:, parts[0].var_names]])
    expected = classifier().fit(whole, labels_key=KEY)
    found = on_disk(paths, tmp_path / "m.keras")
    assert_same(found, expected)
    assert found.manifest_.training["files"] == [
        {"name": "a.h5ad", "n_cells": 150, "n_genes_measured": N_GENES, "genes_of": "shared"},
        {"name": "b.zarr", "n_cells": 180, "n_genes_measured": N_GENES, "genes_of": "shared"},
    ]


@pytest.mark.parametrize(("genes_of", "join"), [("shared", "inner"), ("all", "outer")])
def test_genes_are_those_of_all_files_or_of_any(tmp_path, genes_of, join):
    parts, paths = two_files(tmp_path, slice(0, 100), slice(20, N_GENES))
    whole = ad.concat(parts, join=join, fill_value=0)
    whole = whole[:, sorted(whole.var_names, key=lambda name: int(name[4:]))].copy()
    if genes_of == "all":  # the second file's own genes stand after the first one's
        order = [*parts[0].var_names, *[g for g in parts[1].var_names if int(g[4:]) >= 100]]
        whole = whole[:, order].copy()
    expected = classifier().fit(whole, labels_key=KEY, library_size_key="n_counts")
    files = cc.ReferenceFiles(genes_of=genes_of)
    found = on_disk(paths, tmp_path / "m.keras", files=files, library_size_key="n_counts")
    assert_same(found, expected)


def test_labels_are_mapped_and_none_is_left_out(tmp_path):
    parts, paths = two_files(tmp_path)
    parts[1].obs[KEY] = parts[1].obs[KEY].astype(str).str.replace("NK", "natural killer")
    write(parts[1], paths[1])
    label_map = {"B": "B", "T": "T or NK", "NK": "T or NK"}
    with pytest.raises(
        LabelError, match=r"says nothing of \['natural killer'\], which 'b\.zarr' has"
    ):
        on_disk(paths, tmp_path / "m.keras", files=cc.ReferenceFiles(label_map=label_map))
    label_map["natural killer"] = "T or NK"
    files = cc.ReferenceFiles(label_map=label_map)
    found = on_disk(paths, tmp_path / "m.keras", files=files)
    assert found.manifest_.training["n_cells_per_type"] == {"B": 110, "T or NK": 220}
    one = cc.fit_file(classifier(), paths[0], tmp_path / "one.keras", labels_key=KEY, files=files)
    assert one.classes_.tolist() == ["B", "T or NK"]


def test_files_that_share_too_few_genes_are_refused(tmp_path):
    _, paths = two_files(tmp_path, slice(0, 60), slice(55, N_GENES))
    with pytest.raises(GeneOverlapError, match=r"share 5 genes, of 60 in the one with the fewest"):
        on_disk(paths, tmp_path / "m.keras", library_size_key="n_counts")
    assert not (tmp_path / "m.keras.partial").exists()


def test_several_files_are_not_trained_on_in_memory(tmp_path):
    _, paths = two_files(tmp_path)
    files = cc.ReferenceFiles(from_disk=False)
    with pytest.raises(InputError, match="2 files are one reference on disk only"):
        cc.fit_file(classifier(), paths, tmp_path / "m.keras", labels_key=KEY, files=files)


def test_a_file_without_the_labels_is_named(tmp_path):
    parts, paths = two_files(tmp_path)
    del parts[1].obs[KEY]
    write(parts[1], paths[1])
    with pytest.raises(LabelError, match=r"no column 'cell_type' in .obs of '.*b\.zarr'"):
        on_disk(paths, tmp_path / "m.keras")
