"""Tables of annotations are written while cells are named, and are the same however that ends."""

import gzip

import pandas as pd
import pytest
from streamed_cells import Interrupting, in_blocks_of, write

from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.classifier.voting import VoteSettings
from cellclassifier.data.streaming import lists
from cellclassifier.errors import OutputError

KINDS = {
    "csv": ("named.csv", lambda path: path.read_bytes()),
    "gzip": ("named.csv.gz", lambda path: gzip.decompress(path.read_bytes())),
    "parquet": ("named.parquet", lambda path: pd.read_parquet(path).to_csv()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_that_was_interrupted_is_the_same(classifier, cells, tmp_path, kind):
    name, read = KINDS[kind]
    path, out, whole = write(cells, tmp_path / "cells.h5ad"), tmp_path / name, tmp_path / "whole"
    whole.mkdir()
    annotate_file(classifier, path, whole / name, streaming=in_blocks_of(50))
    with pytest.raises(KeyboardInterrupt):
        annotate_file(
            classifier, path, out, streaming=in_blocks_of(50, watch=Interrupting(4), n_threads=1)
        )
    assert not out.exists()
    there = sorted((tmp_path / f"{name}.partial").glob("block_*.npz"))
    for number in (0, 2):  # of those before, so that others wait for it
        there[number].unlink()
    annotate_file(classifier, path, out, streaming=in_blocks_of(50, n_threads=4))
    assert read(out) == read(whole / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cells.h5ad", name, "whole"]


def test_rows_are_written_before_all_cells_are_named(classifier, cells, tmp_path):
    path, out, sizes = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.csv", []

    def look(*_):
        sizes.append((tmp_path / "named.csv.partial" / "table.csv").stat().st_size)

    annotate_file(classifier, path, out, streaming=in_blocks_of(50, watch=look, n_threads=1))
    assert sizes[0] == 0
    assert sizes[-1] > out.stat().st_size / 2


def test_a_table_with_votes_waits_for_them(classifier, cells, tmp_path):
    cells.obs["mine"] = pd.Categorical(["a", "b"] * (cells.n_obs // 2))
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.csv"
    annotate_file(classifier, path, out, streaming=in_blocks_of(50), vote=VoteSettings(key="mine"))
    table = pd.read_csv(out)
    assert len(table) == cells.n_obs
    assert [name for name in table.columns if "vote" in name]


def test_a_disk_that_is_full_meanwhile_keeps_what_is_done(classifier, cells, tmp_path, monkeypatch):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.csv"
    append, left = lists._Csv.append, [4]

    def full(self, *rows):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        append(self, *rows)

    monkeypatch.setattr(lists._Csv, "append", full)
    with pytest.raises(OutputError, match="No space left on device"):
        annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    monkeypatch.undo()
    assert not out.exists()
    assert len(list((tmp_path / "named.csv.partial").glob("block_*.npz"))) >= 4
    annotate_file(classifier, path, out, streaming=in_blocks_of(50))
    assert len(pd.read_csv(out)) == cells.n_obs
