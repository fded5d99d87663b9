"""What is done for the page is what the commands do."""

import threading
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import cellclassifier as cc
from cellclassifier.app import Room, Wishes, Workbench, steps
from cellclassifier.app.room import Chosen, chosen_by_path
from cellclassifier.app.workbench import BusyError
from cellclassifier.data import read_predictions
from cellclassifier.errors import CountsError, InputError, InputWarning
from cellclassifier.reporting.input_table import input_facts, model_facts

WISHES = Wishes(library_size_key="n_counts")


@pytest.fixture
def bench(tmp_path):
    with Room.made(tmp_path) as room:
        made = Workbench(room)
        yield made
        made.close(60)


@pytest.fixture
def no_report(monkeypatch):
    """Leave the report to the test in a browser."""
    monkeypatch.setattr(steps, "write_report", lambda *given: given[-2].write_text("report"))


def rest(bench):
    bench._thread.join(60)
    assert bench.state.doing == ""
    return bench.state


def choose(bench, blood, wishes=WISHES):
    for kind, file in (("model", "model.keras"), ("cells", "cells.h5ad")):
        bench.choose(kind, chosen_by_path(str(blood / file)), wishes)
        rest(bench)
    return bench.state


def test_it_checks_as_the_command_does_once_there_are_cells_and_a_model(bench, blood):
    state = choose(bench, blood)
    classifier = cc.CellTypeClassifier.load(blood / "model.keras")
    report = cc.check(cc.read_cells(blood / "cells.h5ad"), classifier, library_size_key="n_counts")
    assert state.checked.found == input_facts(report)
    assert state.checked.fit == model_facts(report.model)
    assert state.types == tuple(classifier.classes_)
    assert state.error == ""


def test_of_large_files_a_sample_is_checked_and_it_says_so(blood, monkeypatch):
    monkeypatch.setattr(steps, "CHECKED_CELLS", 100)
    cells = chosen_by_path(str(blood / "cells.h5ad"))
    classifier = cc.CellTypeClassifier.load(blood / "model.keras")
    checked = steps.check_cells(cells, classifier, WISHES)
    assert checked.found["cells"] == "200, of which 100 were looked at"


@pytest.mark.usefixtures("no_report")
def test_it_writes_what_the_command_writes(bench, blood, tmp_path):
    choose(bench, blood)
    bench.annotate(WISHES)
    state = rest(bench)
    assert state.error == ""
    assert [made.name for made in state.made] == [
        "cells_named.h5ad",
        "cells_cell_types.csv",
        "cells_report.html",
    ]
    classifier = cc.CellTypeClassifier.load(blood / "model.keras")
    expected = tmp_path / "expected.csv"
    named = cc.annotate_file(
        classifier, blood / "cells.h5ad", expected, library_size_key="n_counts"
    )
    folder = bench._room.folder
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "cell_types.csv", keep_default_na=False),
        pd.read_csv(expected, keep_default_na=False),
    )
    found = read_predictions(cc.read_cells(folder / "named.h5ad"))
    assert found.labels.tolist() == named.label_space.decode(named.codes).tolist()
    assert sum(n_cells for _, n_cells, _ in state.named.types) == 200


def test_errors_are_those_of_the_command_line_by_the_name_that_the_user_knows(bench, blood):
    own = Chosen(blood / "cells.h5ad", "my <cells>.h5ad", uploaded=False)
    bench.choose("model", chosen_by_path(str(blood / "model.keras")), Wishes())
    rest(bench)
    bench.choose("cells", own, Wishes())
    state = rest(bench)
    with pytest.raises(CountsError) as error:
        cc.check(cc.read_cells(blood / "cells.h5ad"))
    assert state.error == " ".join(str(error.value).split())
    assert state.checked is None


def test_of_uploads_the_path_in_the_room_is_not_told(tmp_path):
    stored = tmp_path / "cells-1234.csv"
    stored.write_text("nothing\n")
    message = Chosen(stored, "mine.csv", uploaded=True).told(f"'{stored}' is empty")
    assert message == "'mine.csv' is empty"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04\x95pickle"])
def test_what_is_no_model_is_refused(bench, tmp_path, content):
    (tmp_path / "bad.keras").write_bytes(content)
    bench.choose("model", chosen_by_path(str(tmp_path / "bad.keras")), WISHES)
    state = rest(bench)
    assert "bad.keras" in state.error
    assert "internal error" not in state.error
    assert state.types == ()


def test_other_errors_say_where_the_log_is(bench, blood, monkeypatch, tmp_path):
    def broken(*_):
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr(steps, "check_cells", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = choose(bench, blood).error
    assert error.startswith("internal error, ZeroDivisionError: by chance. Please report it")
    log = Path(error.split("'")[-2])
    assert log.parent == tmp_path
    assert "in broken" in log.read_text(encoding="utf-8")


class Held:
    """A step that takes until it is let go."""

    def __init__(self):
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self, *_):
        self.begun.set()
        assert self.over.wait(60)


def test_one_thing_is_done_at_a_time(bench, blood, monkeypatch):
    held = Held()
    monkeypatch.setattr(steps, "check_cells", held)
    bench.choose("model", chosen_by_path(str(blood / "model.keras")), WISHES)
    rest(bench)
    cells = chosen_by_path(str(blood / "cells.h5ad"))
    bench.choose("cells", cells, WISHES)
    assert held.begun.wait(60)
    for order in (bench.annotate, bench.check, lambda w: bench.choose("cells", cells, w)):
        with pytest.raises(BusyError, match="checking the cells; wait for it"):
            order(WISHES)
    held.over.set()
    assert rest(bench).error == ""


@pytest.mark.usefixtures("no_report")
def test_stopped_it_keeps_what_is_named_and_goes_on(bench, blood, monkeypatch):
    choose(bench, blood)
    seen = []
    real = bench._watch

    def watch(n_done, n_cells):
        seen.append(n_done)
        if seen == [0, 50]:
            bench.stop()
        real(n_done, n_cells)

    monkeypatch.setattr("cellclassifier.classifier.streaming.BLOCK_CELLS", 50)
    monkeypatch.setattr(bench, "_watch", watch)
    bench.annotate(WISHES)
    state = rest(bench)
    assert state.error == ""
    assert state.notes[-1].startswith("stopped: 50 of 200 cells are named and kept")
    assert state.named is None
    assert state.made == ()
    seen.clear()
    bench.annotate(WISHES)
    assert rest(bench).error == ""
    assert seen[0] >= 50


@pytest.mark.usefixtures("no_report")
def test_other_cells_put_away_what_came_of_the_first(bench, blood, tmp_path):
    choose(bench, blood)
    bench.annotate(WISHES)
    assert rest(bench).made
    ad.AnnData(np.ones((3, 2), dtype=np.float32)).write_h5ad(tmp_path / "other.h5ad")
    bench.choose("cells", chosen_by_path(str(tmp_path / "other.h5ad")), WISHES)
    state = rest(bench)
    assert state.made == ()
    assert state.named is None
    assert state.checked is None
    assert list(bench._room.folder.iterdir()) == []


def test_warnings_of_ours_are_told_and_those_of_others_logged(bench, caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = bench.note
        warnings.warn("taken   as it is", InputWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert bench.state.notes == ("taken as it is",)
    assert "DeprecationWarning: old" in caplog.text


def test_a_folder_of_models_can_be_picked_from(tmp_path):
    for name in ("b.keras", "a.keras", "c.txt"):
        (tmp_path / name).touch()
    with Room.made(tmp_path) as room:
        models = Workbench(room, tmp_path).told()["models"]
    assert [model["name"] for model in models] == ["a", "b"]
    assert models[0]["path"] == str(tmp_path / "a.keras")


def test_nothing_is_named_without_cells_and_a_model(bench):
    with pytest.raises(InputError, match="choose a file of cells and a model"):
        bench.annotate(WISHES)
