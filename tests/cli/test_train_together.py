"""``train --processes``: processes that are begun, watched and ended by the command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from streamed_cells import KEY, drawn, write

import cellclassifier as cc
from cellclassifier.cli import launching
from cellclassifier.cli.launching import Crew, run_together
from cellclassifier.errors import ClusterError, InputError
from cellclassifier.training import TrainingConfig

posix_only = pytest.mark.skipif(os.name != "posix", reason="processes are not ended so here")
EPOCHS = 40


@pytest.fixture(scope="module")
def cells():
    return drawn(403, seed=3)


@pytest.fixture
def begun(cells, tmp_path):
    """Begin the command by two processes."""
    path = write(cells, tmp_path / "cells.h5ad")

    def begin(*others):
        asked = ["--labels-key", KEY, "--out", "m.keras", "--network", "mlp"]
        asked += ["--epochs", str(EPOCHS), "--processes", "2", *others]
        command = [sys.executable, "-m", "cellclassifier", "train", path, *asked]
        return subprocess.Popen(
            command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return begin


def children(process):
    """Return the processes that one began, by their number; where the system shows them."""
    listed = subprocess.run(
        [shutil.which("ps"), "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
    )
    found = {}
    for line in listed.stdout.splitlines():
        own, parent = map(int, line.split())
        if parent == process.pid:
            environment = Path(f"/proc/{own}/environ").read_bytes()
            variables = dict(one.split(b"=", 1) for one in environment.split(b"\0") if one)
            seat = variables.get(b"CELLCLASSIFIER_SEAT")
            if seat is not None:  # else it is forked, and does not run its program yet
                found[json.loads(seat)["number"]] = own
    return found


def wait_until(condition, process):
    end = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def is_gone(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


needs_proc = pytest.mark.skipif(
    not Path("/proc/self").is_dir() or shutil.which("ps") is None, reason="needs ps and /proc"
)


@needs_proc
@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_training_goes_on(begun, cells, tmp_path):
    state = tmp_path / "m.keras.partial" / "epoch_adam.npz"
    process = begun()
    wait_until(state.exists, process)
    of_number = children(process)
    os.kill(of_number[1], signal.SIGKILL)
    killed_at = time.monotonic()
    _, said = process.communicate(timeout=120)
    assert time.monotonic() - killed_at < 60
    assert process.returncode == 1
    assert "cellclassifier: process 1 of 2 was ended by SIGKILL" in said
    assert f"kept in '{state.parent}'; run the same command again, and it goes on" in said
    assert "Traceback" not in said
    assert all(map(is_gone, of_number.values()))
    with np.load(state) as kept:
        n_done = len(json.loads(str(kept["facts"]))["history"])
    assert 0 < n_done < EPOCHS

    process = begun()
    shown, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "training from disk: 2 processes read their own cells there" in shown
    assert "wrote m.keras" in shown
    assert not state.parent.exists()
    found = cc.CellTypeClassifier.load(tmp_path / "m.keras")
    alone = cc.CellTypeClassifier("mlp", training=TrainingConfig(epochs=EPOCHS))
    alone.fit(cells, labels_key=KEY)
    for mine, its in zip(found.model_.get_weights(), alone.model_.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-4)
    history = found.manifest_.training["history"]
    assert len(history) == len(alone.manifest_.training["history"]) > n_done


@posix_only
@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["coordinator-killed", "other-killed"])
def test_a_command_that_is_killed_ends_the_one_on_another_machine(cells, tmp_path, number):
    path, state = write(cells, tmp_path / "cells.h5ad"), tmp_path / "m.keras.partial"
    address = f"127.0.0.1:{launching._free_port()}"
    asked = ["train", path, "--labels-key", KEY, "--out", "m.keras", "--network", "mlp"]
    asked += ["--epochs", str(EPOCHS), "--coordinator", address, "--num-processes", "2"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "cellclassifier", *asked, "--process-id", str(own)],
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for own in (0, 1)
    ]
    killed, other = processes[number], processes[1 - number]
    try:
        wait_until((state / "epoch_adam.npz").exists, other)
        killed.kill()
        killed_at = time.monotonic()
        _, said = other.communicate(timeout=120)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert time.monotonic() - killed_at < 60
    assert other.returncode == 1
    assert len(said.splitlines()) == 1
    assert said.startswith(f"cellclassifier: process {1 - number} of 2 lost touch with the others")
    assert f"kept in '{state}'; run the same command again, and it goes on" in said


@needs_proc
def test_sigterm_ends_all_processes(begun):
    process = begun()
    wait_until(lambda: len(children(process)) == 2, process)
    of_number = children(process)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "cellclassifier: interrupted: " in said
    assert all(map(is_gone, of_number.values()))


OPTIONS = {
    "none": (["--processes", "0"], "--processes is a number from 1 on, not 0"),
    "half": (["--coordinator", "a:1"], "missing: --process-id, --num-processes"),
    "both": (["--processes", "2", "--coordinator", "a:1"], "give one of them"),
    "no-port": (
        ["--coordinator", "a", "--process-id", "0", "--num-processes", "2"],
        "a free port there, such as node1:4000, not 'a'",
    ),
    "too-large": (
        ["--coordinator", "a:1", "--process-id", "2", "--num-processes", "2"],
        "it is 2, of 2",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_make_no_sense_are_refused(command, reference_file, tmp_path, capsys, name):
    options, expected = OPTIONS[name]
    out = tmp_path / "m.keras"
    asked = ["train", reference_file, "--labels-key", "cell_type", "--out", out, *options]
    assert command(*asked) == 1
    assert expected in capsys.readouterr().err
    assert not out.exists()


def test_more_processes_than_cores_are_noted(monkeypatch):
    monkeypatch.setattr(launching, "_n_cores", lambda: 2)
    with pytest.warns(cc.errors.InputWarning, match="3 processes are more than the 2 cores"):
        crew = Crew.asked_for(launching.TogetherOptions(processes=3))
    assert crew.count == 3
    assert crew.coordinator.startswith("127.0.0.1:")


# what each of two processes does, and what is said of it
ENDS = {
    "own-error": (
        ["say 'no such column' false; exit 1", "sleep 0.2; say 'gone' true; exit 1"],
        "^no such column$",
    ),
    "of-the-last": (
        ["say 'gone' true; exit 1", "sleep 0.5; say 'no room' false; exit 1"],
        "^no room$",
    ),
    "killed": (
        ["say 'x lost (why)' true; exit 1", "sleep 0.3; kill -9 $$"],
        r"^process 1 of 2 was ended by SIGKILL .*others of this machine were stopped: run the same",
    ),
    "lost": (
        ["say 'process 0 lost (why)' true; exit 1", "sleep 60"],
        r"^process 0 of 2 lost touch with the others \(why\), and the others",
    ),
    "aborted": (["kill -6 $$", "sleep 60"], "^process 0 of 2 lost touch with the others, and"),
    "no-word": (["sleep 60", "exit 3"], "^process 1 of 2 ended with status 3, and the others"),
}
PROGRAM = """#!/bin/sh
number=$(expr "$CELLCLASSIFIER_SEAT" : '.*"number": \\([0-9]*\\)')
report=$(expr "$CELLCLASSIFIER_SEAT" : '.*"report": "\\([^"]*\\)"')
say() { printf '{"text": "%s", "is_lost": %s}' "$1" "$2" > "$report"; }
case $number in
"""


@posix_only
@pytest.mark.parametrize("name", ENDS)
def test_the_first_cause_is_said(tmp_path, monkeypatch, name):
    does, expected = ENDS[name]
    program = tmp_path / "program"
    cases = "".join(f"{number}) {what};;\n" for number, what in enumerate(does))
    program.write_text(f"{PROGRAM}{cases}esac\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(launching.sys, "executable", str(program))
    began = time.monotonic()
    with pytest.raises(ClusterError, match=expected):
        run_together([], Crew("127.0.0.1:1", 2, (0, 1)), tmp_path / "m.keras")
    assert time.monotonic() - began < 20  # the other one was ended


def test_a_number_of_processes_is_one_of_several():
    with pytest.raises(InputError, match="it is -1, of 2"):
        Crew.asked_for(launching.TogetherOptions(coordinator="a:1", process_id=-1, num_processes=2))
