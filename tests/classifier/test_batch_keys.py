"""Batch keys: what the model says is said of a new batch, for every network, and from disk, too."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from streamed_cells import KEY, QUICK, TYPES, drawn, write
from trained_from_disk import assert_same, classifier, on_disk

import cellclassifier as cc
from cellclassifier.classifier.batch_scores import batch_scores
from cellclassifier.errors import InputError, LabelError, ModelFileError
from cellclassifier.modelfile import Manifest
from cellclassifier.reporting.tables import batches_text, model_table
from cellclassifier.training import HeldOut, trainer

DONORS = ("P1", "P2", "P3", "P4")
ADAM = cc.TrainingConfig(epochs=2, batch_size=64)
STACKED = replace(QUICK, epochs=2, batch_size=32)
NETWORKS = {
    "linear": ("linear", cc.TrainingConfig(solver="lbfgs", epochs=6)),
    "mlp": ("mlp", ADAM),
    "cnn": ("cnn", ADAM),
    "wide-deep": ("wide-deep", STACKED),
}


def of_donors(n_cells=360, donors=DONORS, strength=0.6):
    """Draw cells of donors that favour some genes each, whatever the type."""
    cells = drawn(n_cells, seed=3)
    rng = np.random.default_rng(5)
    which = np.arange(n_cells) // len(TYPES) % len(donors)
    favoured = rng.lognormal(0, strength, (len(donors), cells.n_vars))
    counts = rng.poisson(cells.X.toarray() * favoured[which])
    cells.X = type(cells.X)(counts.astype(np.float32))
    cells.obs["donor"] = np.array(donors)[which]
    return cells


@pytest.fixture(scope="module")
def cells():
    return of_donors()


def fitted(cells, name="linear", batch_key="donor", **others):
    model = classifier(*NETWORKS[name], **others)
    if name == "cnn":
        blocks = [{"channels": 4, "kernel": 3, "pool": 4, "padding": "same"}]
        model.set_params(network_options={"blocks": blocks, "hidden": [8]})
    return model.fit(cells, labels_key=KEY, batch_key=batch_key)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_hold_whole_donors_out_and_learn_from_all(cells, name, monkeypatch):
    records = []
    train = trainer.train_network

    def keeping(*arguments, **options):
        records.append(train(*arguments, **options))
        return records[-1]

    monkeypatch.setattr("cellclassifier.classifier.fitting.train_network", keeping)
    found = fitted(cells, name)
    (record,) = records
    donors = cells.obs["donor"].to_numpy()
    apart = set(donors[record.apart])
    assert 0 < len(apart) < len(DONORS)
    assert set(np.flatnonzero(np.isin(donors, list(apart)))) == set(record.apart)
    assert record.n_cells == len(cells)  # in the end
    assert record.weights_before_refit is not None
    training = found.manifest_.training
    assert training["config"]["refit"] == (name != "wide-deep")
    told = training["batches"]
    scored = set(donors[record.held_out.rows])
    assert scored == (set(DONORS) if name == "wide-deep" else apart)
    assert told["n_batches_scored"] == len(scored)
    assert (told["key"], told["n_batches"], told["n_types_in_one_batch"]) == ("donor", 4, 0)
    assert told["n_cells"] == training["validation"]["n_cells"]
    assert told["accuracy"] == training["validation"]["accuracy"]
    assert told["lowest"] <= told["median"] <= told["highest"]


@pytest.mark.parametrize("name", ["linear", "mlp", "wide-deep"])
def test_a_model_from_disk_is_that_from_memory(cells, tmp_path, name):
    path = write(cells, tmp_path / "cells.h5ad")
    files = cc.ReferenceFiles(batch_key="donor")
    found = on_disk(path, tmp_path / "m.keras", classifier(*NETWORKS[name]), files)
    assert_same(found, fitted(cells, name))
    assert not list(tmp_path.glob("*partial*"))


def test_a_file_that_is_read_into_memory_keeps_its_batches(cells, tmp_path):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "m.keras"
    files = cc.ReferenceFiles(batch_key="donor", from_disk=False)
    found = cc.fit_file(classifier(*NETWORKS["linear"]), path, out, labels_key=KEY, files=files)
    assert_same(found, fitted(cells))


def test_of_several_files_the_same_value_is_the_same_batch(cells, tmp_path):
    parts = [cells[:150].copy(), cells[150:].copy()]
    paths = [write(part, tmp_path / f"{n}.h5ad") for n, part in enumerate(parts)]
    files = cc.ReferenceFiles(batch_key="donor")
    found = on_disk(paths, tmp_path / "m.keras", classifier(*NETWORKS["linear"]), files)
    assert_same(found, fitted(cells))
    del parts[1].obs["donor"]
    parts[1].write_h5ad(paths[1])
    with pytest.raises(InputError, match=r"no column 'donor' in \.obs of '.*1\.h5ad'; it has"):
        on_disk(paths, tmp_path / "m.keras", files=files)
    assert not list(tmp_path.glob("*partial*"))


@pytest.mark.parametrize("name", ["linear", "wide-deep"])
def test_names_of_donors_change_nothing(cells, name):
    renamed = cells.copy()
    renamed.obs["donor"] = cells.obs["donor"].map(dict(zip(DONORS, "dcba", strict=True)))
    assert_same(fitted(renamed, name), fitted(cells, name))


def test_unlabelled_cells_are_left_out_with_their_donors(cells):
    some = cells.copy()
    some.obs[KEY] = some.obs[KEY].astype(object)
    some.obs.iloc[[0, 5], some.obs.columns.get_loc(KEY)] = None
    some.obs.iloc[[0, 5], some.obs.columns.get_loc("donor")] = None
    kept = np.setdiff1d(np.arange(some.n_obs), [0, 5])
    found, expected = fitted(some), fitted(cells[kept].copy())
    np.testing.assert_array_equal(found.predict_proba(cells), expected.predict_proba(cells))
    assert found.manifest_.training["batches"] == expected.manifest_.training["batches"]


def test_two_donors_make_two_folds():
    found = fitted(of_donors(donors=("P1", "P2")), "wide-deep")
    told = found.manifest_.training["batches"]
    assert (told["n_batches"], told["n_batches_scored"], told["n_cells"]) == (2, 2, 360)
    assert found.manifest_.sample is not None
    assert set(found.classify(of_donors()).labels) == set(TYPES)


@pytest.mark.parametrize("name", ["linear", "wide-deep"])
def test_more_lanes_than_folds_work(name):
    cells = drawn(360, seed=3)
    cells.obs["lane"] = [f"lane{number // 9}" for number in range(360)]
    told = fitted(cells, name, "lane").manifest_.training["batches"]
    assert told["n_batches"] == 40
    assert "lowest" not in told  # nine cells say nothing of a lane


@pytest.mark.filterwarnings("ignore:.*in one batch of:cellclassifier.errors.InputWarning")
@pytest.mark.parametrize("name", ["linear", "wide-deep"])
def test_a_type_of_one_donor_is_known_in_the_end_and_held_out_cell_by_cell(cells, name):
    mine = ((cells.obs[KEY] != "NK") | (cells.obs["donor"] == "P2")).to_numpy()
    few = cells[mine].copy()
    found = fitted(few, name)
    told = found.manifest_.training["batches"]
    assert told["n_types_in_one_batch"] == 1
    n_held_out = found.manifest_.conformal.sizes
    assert (n_held_out > 0).all()
    assert told["n_cells"] == n_held_out.sum() - n_held_out[TYPES.index("NK")]


def test_held_out_accuracy_speaks_of_a_new_donor():
    """Donors that differ much: what is told with a key comes true, and without flatters."""
    cells = of_donors(600, [f"P{number}" for number in range(6)], strength=1.2)
    new = (cells.obs["donor"] == "P5").to_numpy()
    known, unseen = cells[~new].copy(), cells[new].copy()
    with_key, without = (fitted(known, "wide-deep", key) for key in ("donor", None))
    scored = with_key.score(unseen, KEY)
    said, flattering = (
        model.manifest_.training["validation"]["accuracy"] for model in (with_key, without)
    )
    assert abs(said - scored) < 0.12
    assert flattering > said


# --- errors


def test_what_tells_nothing_is_refused_before_training(cells):
    with pytest.raises(InputError, match=r"there is no column 'patient' in \.obs; it has \['cell_"):
        fitted(cells, batch_key="patient")
    with pytest.raises(InputError, match="sets none apart"):
        cc.CellTypeClassifier("original-mlp").fit(cells, labels_key=KEY, batch_key="donor")
    with pytest.raises(LabelError, match="no column 'type'"):
        classifier().fit(cells, labels_key="type", batch_key="donor")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_job_with_another_batch_key_is_another_job(cells, tmp_path):
    """Folds would be others than those of the kept epochs."""
    cells = cells.copy()
    cells.obs["half"] = np.arange(cells.n_obs) % 2
    path = write(cells, tmp_path / "cells.h5ad")
    files = cc.ReferenceFiles(batch_key="donor", watch=interrupting)
    with pytest.raises(KeyboardInterrupt):
        on_disk(path, tmp_path / "m.keras", classifier(*NETWORKS["mlp"]), files)
    assert (tmp_path / "m.keras.partial" / "batches.npy").exists()
    files = cc.ReferenceFiles(batch_key="half")
    with pytest.warns(cc.errors.InputWarning, match="began anew"):
        on_disk(path, tmp_path / "m.keras", classifier(*NETWORKS["mlp"]), files)


def interrupting(*_):
    raise KeyboardInterrupt


# --- what is told


def test_scores_of_batches_are_those_of_their_cells():
    rng = np.random.default_rng(0)
    codes, batch_codes = rng.integers(0, 3, 400), rng.integers(0, 5, 400)
    batch_codes[codes == 2] = 1
    rows = np.sort(rng.permutation(400)[:300])
    logits = rng.normal(size=(300, 3)).astype(np.float32)
    logits[np.arange(300), codes[rows]] += 1
    told = batch_scores(codes, batch_codes, HeldOut(rows, logits))
    table = pd.DataFrame({"batch": batch_codes[rows], "right": logits.argmax(1) == codes[rows]})
    table = table[codes[rows] != 2]
    each = table.groupby("batch").right.agg(["mean", "size"]).query("size >= 20")["mean"]
    assert told == {
        "n_batches": 5, "n_types_in_one_batch": 1, "split": "whole batches",
        "n_cells": len(table), "accuracy": pytest.approx(table.right.mean()),
        "n_batches_scored": len(each), "lowest": pytest.approx(each.min()),
        "median": pytest.approx(each.median()), "highest": pytest.approx(each.max()),
    }  # fmt: skip


def test_nothing_held_out_is_nothing_told():
    told = batch_scores(np.int32([0, 0]), np.int32([0, 1]), None)
    assert told["n_cells"] == 0
    assert "accuracy" not in told


def test_the_model_file_tells_and_inspect_shows(cells, tmp_path):
    found = fitted(cells, "wide-deep")
    found.save(tmp_path / "m.keras")
    loaded = cc.CellTypeClassifier.load(tmp_path / "m.keras")
    told = loaded.manifest_.training["batches"]
    assert told == found.manifest_.training["batches"]
    assert not any(donor in json.dumps(loaded.manifest_.training) for donor in DONORS)
    text = batches_text(told)
    assert text.startswith("4 in .obs['donor'], whole ones set apart; accuracy on a new one ")
    assert text.endswith("at the highest")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(model_table(loaded.manifest_))
    assert "batches        4 in .obs['donor']" in console.export_text()
    assert "lowest" not in batches_text({**told, "n_batches_scored": 1})
    cc.write_training_report(found.manifest_, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "whole ones set apart" in page
    assert "are named less well" not in page


@pytest.mark.parametrize(
    "broken",
    [None, {"key": 3}, {"n_batches": "many"}, {"accuracy": None}, {"median": ...}],
    ids=str,
)
def test_a_broken_field_of_a_model_file_is_refused(cells, broken):
    manifest = fitted(cells).manifest_
    content = json.loads(json.dumps(manifest.to_json({})))
    assert Manifest.from_json(content, "").training["batches"]
    batches = content["training"]["batches"]
    batches = None if broken is None else {**batches, **broken}
    if batches and batches["median"] is ...:
        del batches["median"]
    content["training"]["batches"] = batches
    with pytest.raises(ModelFileError, match=r"cellclassifier\.json is broken"):
        Manifest.from_json(content, "")
