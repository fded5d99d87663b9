"""A page that is served, real cells to name, and a model of real cells."""

import asyncio
import threading
import time
from dataclasses import dataclass

import pytest
import requests
from browsing import NASTY
from chromium import chromium

import cellclassifier as cc
from cellclassifier.app import AppServer, Room, Workbench

SECONDS = 60
MAX_BYTES = 3_000_000


@dataclass(frozen=True)
class Running:
    """A server at work in a thread."""

    server: AppServer
    room: Room
    workbench: Workbench
    max_bytes: int = MAX_BYTES

    @property
    def address(self):
        return self.server.address

    def ask(self, method, where, **options):
        return requests.request(method, f"{self.address}{where}", timeout=SECONDS, **options)

    def order(self, where, **told):
        return self.ask("POST", where, json=told)

    def files(self):
        return sorted(path.name for path in self.room.folder.iterdir())

    def wait_for(self, condition):
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.02)

    def rest(self):
        """Wait until nothing is at work, and return what the page is told."""
        self.workbench._thread.join(SECONDS)
        told = self.workbench.told()
        assert told["doing"] == ""
        return told


@pytest.fixture
def running(tmp_path):
    """Serve a page; the server ends after the test."""
    with Room.made(tmp_path) as room:
        workbench = Workbench(room)
        server = AppServer(workbench, room, port=0, max_bytes=MAX_BYTES)
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(server.run(ready.set)))
        thread.start()
        assert ready.wait(SECONDS)
        yield Running(server, room, workbench)
        server.end()
        thread.join(SECONDS)
        workbench.close(SECONDS)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def blood(tmp_path_factory):
    """A folder with cells.h5ad, 200 real blood cells, and model.keras, trained on others."""
    folder = tmp_path_factory.mktemp("blood")
    cells = cc.demo_cells()
    cells.obs["cell_type"] = cells.obs["bulk_labels"].astype(str) + NASTY[1]
    classifier = cc.CellTypeClassifier(network="linear", genes=200, seed=0)
    classifier.fit(cells[200:].copy(), labels_key="cell_type", library_size_key="n_counts")
    classifier.save(folder / "model.keras")
    cells[:200].copy().write_h5ad(folder / "cells.h5ad")
    return folder


@pytest.fixture(scope="session")
def browser():
    with chromium() as opened:
        yield opened
