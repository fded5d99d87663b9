"""Training from disk that is cut off, and files and disks that fail: what is said, what is kept."""

import os
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamed_cells import KEY, QUICK, drawn, outside_the_sample, write, write_with_broken_chunk

import cellclassifier as cc
from cellclassifier.classifier import from_disk
from cellclassifier.data.streaming import cache, reference
from cellclassifier.errors import (
    CountsError,
    FileFormatError,
    InputError,
    InputWarning,
    OutputError,
)
from cellclassifier.training import Checkpoints

ADAM = cc.TrainingConfig(epochs=4, batch_size=32, patience=2, refit=True)
STACKED = replace(QUICK, epochs=3, batch_size=32)
NETWORKS = {"mlp": ADAM, "wide-deep": STACKED}
# the calls of the watcher after which training is cut off: for the perceptron within the refit
ENDS = {"mlp": 5, "wide-deep": 1}


def classifier(name="linear", training=None):
    options = {"hidden": [8]} if name == "mlp" else None
    training = training or cc.TrainingConfig(solver="lbfgs", epochs=3)
    return cc.CellTypeClassifier(name, network_options=options, training=training, genes=40)


def fit(path, out, model=None, **files):
    files = cc.ReferenceFiles(from_disk=True, **files)
    return cc.fit_file(model or classifier(), path, out, labels_key=KEY, files=files)


class Cutting:
    """Ctrl-C after some epochs; None never."""

    def __init__(self, n_calls=None):
        self.left, self.epochs = n_calls, []

    def __call__(self, epoch, n_epochs, scores):
        self.epochs.append((epoch, n_epochs, dict(scores)))
        if len(self.epochs) == self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(drawn(240, seed=3), tmp_path_factory.mktemp("cells") / "cells.h5ad")


@pytest.fixture(scope="module")
def uncut(path, tmp_path_factory):
    """Return, by name, what training without an end tells and leaves."""
    folder, told, trained = tmp_path_factory.mktemp("uncut"), {}, {}
    for name, training in NETWORKS.items():
        told[name] = Cutting()
        trained[name] = fit(
            path, folder / f"{name}.keras", classifier(name, training), watch=told[name]
        )
    return SimpleNamespace(epochs={name: kept.epochs for name, kept in told.items()}, fits=trained)


@pytest.mark.parametrize("name", NETWORKS)
def test_interrupted_training_ends_with_the_same_model(tmp_path, path, uncut, name):
    expected, out = uncut.fits[name], tmp_path / "m.keras"
    with pytest.raises(KeyboardInterrupt, match=r"kept in '.*m\.keras\.partial'; run the same"):
        fit(path, out, classifier(name, NETWORKS[name]), watch=Cutting(ENDS[name]))
    again, passes, told = Cutting(), [], []
    found = fit(
        path,
        out,
        classifier(name, NETWORKS[name]),
        watch=again,
        watch_cells=lambda n_done, _: passes.append(n_done),
        tell=lambda what: told.append(str(what)),
    )
    assert passes == []  # the counts were kept
    # of the refit, where there is one
    assert told[1:] == [
        "goes on where it was: the counts of 240 cells are kept, and 1 epoch is done"
    ]
    assert again.epochs == uncut.epochs[name]
    for mine, its in zip(found.model_.get_weights(), expected.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert found.manifest_.training["history"] == expected.manifest_.training["history"]
    assert not (tmp_path / "m.keras.partial").exists()


KILLED = """
import os, signal, sys
import cellclassifier as cc
def watch(epoch, n_epochs, scores):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
model = cc.CellTypeClassifier("mlp", network_options={"hidden": [8]}, genes=40,
    training=cc.TrainingConfig(epochs=4, batch_size=32, patience=2, refit=True))
files = cc.ReferenceFiles(from_disk=True, watch=watch)
cc.fit_file(model, sys.argv[1], sys.argv[2], labels_key="cell_type", files=files)
"""


def test_a_training_that_begins_says_nothing_of_going_on(tmp_path, path):
    told = []
    fit(path, tmp_path / "m.keras", tell=lambda what: told.append(str(what)))
    assert told == ["training from disk: as asked for"]


def test_ended_before_anything_is_kept_leaves_nothing(tmp_path, path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(from_disk, "by_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(path, tmp_path / "m.keras")
    assert list(tmp_path.iterdir()) == []


def test_the_same_file_twice(tmp_path, path):
    linked = tmp_path / "linked.h5ad"
    linked.symlink_to(path)
    with pytest.raises(InputError, match=r"cells\.h5ad' stands twice among"):
        fit([path, path], tmp_path / "m.keras")
    with pytest.raises(InputError, match=r"linked\.h5ad' is '.*cells\.h5ad' among"):
        fit([path, linked], tmp_path / "m.keras")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are not killed so here")
def test_killed_training_goes_on_in_another_process(tmp_path, path, uncut):
    out = tmp_path / "m.keras"
    command = [sys.executable, "-c", KILLED, path, out]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again, expected = Cutting(), uncut.fits["mlp"]
    found = fit(path, out, classifier("mlp", ADAM), watch=again)
    assert again.epochs == uncut.epochs["mlp"]
    for mine, its in zip(found.model_.get_weights(), expected.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_other_settings_begin_anew(tmp_path, path):
    out = tmp_path / "m.keras"
    with pytest.raises(KeyboardInterrupt):
        fit(path, out, watch=Cutting(1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # of Keras, as in pyproject.toml
        found = fit(path, out, classifier().set_params(genes=30))
    said = [str(warning.message) for warning in caught if warning.category is InputWarning]
    assert len(said) == 1
    assert "ends: the settings changed" in said[0]
    assert len(found.manifest_.panel) == 30


def test_a_state_that_cannot_be_read_is_none(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("adam", {"history": []}, {"variable_0": np.zeros(3)})
    kept = next(tmp_path.iterdir())
    whole = kept.read_bytes()
    for broken in (b"", b"half a", whole[: len(whole) // 2]):
        kept.write_bytes(broken)
        assert checkpoints.load("adam") is None
    assert Checkpoints().load("adam") is None


def test_counts_that_were_cut_off_are_refused(tmp_path, path):
    out = tmp_path / "m.keras"
    with pytest.raises(KeyboardInterrupt):
        fit(path, out, watch=Cutting(1))
    counts = tmp_path / "m.keras.partial" / "counts.bin"
    os.truncate(counts, 10)
    with pytest.raises(FileFormatError, match=r"are broken .* Remove the folder, and run the same"):
        fit(path, out)


# --- disks and files that fail


def test_a_disk_that_is_too_small_is_told_before(tmp_path, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    written = []
    monkeypatch.setattr(
        "cellclassifier.classifier.from_disk.write_cache", lambda *_: written.append(1)
    )
    with pytest.raises(OutputError, match=r"no room in .*: 0\.07 GB are needed .* 0\.00 GB are f"):
        fit(path, tmp_path / "m.keras")
    assert written == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk at hand")
def test_a_disk_that_fills_is_told(tmp_path):
    (tmp_path / cache.COUNTS).symlink_to("/dev/full")
    counts = drawn(2_000, seed=1).X
    layout = cache.CacheLayout.of(2_000, counts.getnnz(axis=0), 500.0, is_whole=True)
    block = reference.PanelBlock(counts, np.ones(2_000))
    with pytest.raises(OutputError, match=r"No space left on device; 0\.00 GB are needed there"):
        cache.write_cache(tmp_path, layout, [block], np.zeros(2_000, np.int32))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = write(drawn(240, seed=3), tmp_path / "cells.h5ad")

    def change(n_done, _):
        os.utime(path, ns=(1, n_done))

    with pytest.raises(InputError, match="changed while it was read"):
        fit(path, tmp_path / "m.keras", watch_cells=change)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cells.h5ad"]


def test_a_broken_chunk_is_named(tmp_path):
    cells = drawn(3_000, seed=5)
    path = tmp_path / "cells.h5ad"
    wanted = write_with_broken_chunk(cells, path)
    with pytest.raises(FileFormatError, match=rf"chunk {wanted:,} of '/X/data', of cells .*again"):
        fit(path, tmp_path / "m.keras")
    assert not (tmp_path / "m.keras.partial").exists()


def test_a_block_that_contradicts_the_sample_is_named(tmp_path):
    cells = drawn(3_000, seed=5)
    cells.X.data[cells.X.indptr[outside_the_sample(3_000)]] = 0.5
    path = write(cells, tmp_path / "cells.h5ad")
    with pytest.raises(CountsError, match=r"X of cells .* not whole.* raw counts in X"):
        fit(path, tmp_path / "m.keras")
