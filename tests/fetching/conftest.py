from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archive_server import ArchiveServer, archive_of, serving

from cellclassifier.fetching import Downloads, FetchedCells, fetch_cells

# name -> label and number of cells; the seed of the counts is the number, too
TOY_FILES = {"b_cells": ("B", 30), "nk_cells": ("NK", 12), "t_cells": ("T", 25)}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    """Three populations; no proxy stands between."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as content:
        for name, (_, n_cells) in TOY_FILES.items():
            content.files[f"{name}.tar.gz"] = archive_of(n_cells, seed=n_cells)
        yield content


@pytest.fixture
def catalogue(server: ArchiveServer, tmp_path: Path) -> Path:
    labels = {name: label for name, (label, _) in TOY_FILES.items()}
    return server.write_catalogue(tmp_path / "sets.toml", labels, cells_per_type=20, n_genes=30)


@pytest.fixture
def cache_folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def fetch(catalogue: Path, cache_folder: Path, tmp_path: Path) -> Callable[..., FetchedCells]:
    """Fetch the toy set without waiting between tries."""

    def call(*, offline=False, accept_change=False, catalogue=catalogue, **options) -> FetchedCells:
        downloads = Downloads(
            cache_folder, offline=offline, accept_change=accept_change, wait_seconds=0
        )
        options = {"out": tmp_path / "out", "catalogue": catalogue, **options}
        return fetch_cells("toy-set", downloads=downloads, **options)

    return call
