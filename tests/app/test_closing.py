"""Nothing is left of what lay in the temporary folder."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from cellclassifier.app import Room, serve
from cellclassifier.cli import main
from cellclassifier.errors import InputError, OutputError

PROGRAM = Path(sys.executable).with_name("cellclassifier")


def started(folder):
    """Start the command, and return it, its address and its temporary folder."""
    command = [PROGRAM, "app", "--no-browser", "--port", "0", "--scratch", folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    address = process.stdout.readline().split()[-1]
    (room,) = folder.iterdir()
    return process, address, room


@pytest.mark.parametrize("way", ["SIGINT", "SIGTERM", "SIGHUP", "button"])
def test_closed_in_any_way_it_leaves_nothing(tmp_path, way):
    process, address, room = started(tmp_path)
    assert stat.S_IMODE(room.stat().st_mode) == 0o700
    answer = requests.put(f"{address}upload/cells?name=a.csv", data=b"a,b\n", timeout=10)
    assert answer.status_code == 200
    assert [path.suffix for path in room.iterdir()] == [".csv"]
    if way == "button":
        assert requests.post(f"{address}close", json={}, timeout=10).json() == {"closed": True}
    else:
        process.send_signal(getattr(signal, way))
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "the temporary files are removed" in said
    assert list(tmp_path.iterdir()) == []


def test_the_browser_is_started_without_the_token(tmp_path, monkeypatch, capsys):
    seen = []

    def browse(entrance):
        page = requests.get(entrance, timeout=10)
        seen.extend([entrance, page.url])
        requests.post(f"{page.url}close", json={}, timeout=10)

    monkeypatch.setattr("webbrowser.open", browse)
    with pytest.raises(SystemExit) as ended:
        main(["app", "--port", "0", "--scratch", str(tmp_path)])
    assert ended.value.code == 0
    entrance, address = seen
    assert address in capsys.readouterr().out
    assert entrance != address


def test_an_error_leaves_nothing_either(tmp_path):
    def fails(*_):
        assert len(list(tmp_path.iterdir())) == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        serve(port=0, scratch=tmp_path, opened=fails)
    assert list(tmp_path.iterdir()) == []


def test_a_room_goes_with_all_in_it(tmp_path):
    with Room.made(tmp_path) as room:
        (room.folder / "deep" / "er").mkdir(parents=True)
        (room.folder / "deep" / "er" / "cells.h5ad").touch()
    assert list(tmp_path.iterdir()) == []


def test_where_no_room_can_be_made_it_is_said(tmp_path):
    with (
        pytest.raises(OutputError, match="name another one by --scratch"),
        Room.made(tmp_path / "missing"),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": 70_000}, "from 0 to 65,535"),
        ({"port": -1}, "from 0 to 65,535"),
        ({"max_gb": -1.0}, "positive"),
        ({"models": Path("/no/such/folder")}, "no folder"),
    ],
)
def test_options_that_cannot_be_are_refused(given, words, tmp_path):
    with pytest.raises(InputError, match=words):
        serve(**given, scratch=tmp_path, opened=lambda *_: None)
    assert list(tmp_path.iterdir()) == []
