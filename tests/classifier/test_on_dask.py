"""Cells named by the workers of a Dask cluster: the same as by one process, whatever happens."""

import os
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from streamed_cells import (
    KEY,
    Interrupting,
    drawn,
    in_blocks_of,
    outside_the_sample,
    write,
)

from cellclassifier import CellTypeClassifier
from cellclassifier.classifier import on_dask
from cellclassifier.classifier.on_dask import PART_BLOCKS
from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.cli.app import main
from cellclassifier.data import read_cells
from cellclassifier.errors import ClusterError, CountsError, InputError

N_CELLS = 3_000


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes, each of which a nanny replaces where it is lost."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(drawn(N_CELLS, seed=5), tmp_path_factory.mktemp("cells") / "cells.h5ad")


@pytest.fixture(scope="module")
def expected(classifier, path, tmp_path_factory):
    """What one process says."""
    out = tmp_path_factory.mktemp("named") / "named.h5ad"
    annotate_file(classifier, path, out, streaming=in_blocks_of(500))
    return read_cells(out)


def check_named_alike(path, expected):
    """Compare all that was written, bit by bit."""
    named = read_cells(path)
    pd.testing.assert_frame_equal(named.obs, expected.obs)
    key = "cell_type_probabilities"
    np.testing.assert_array_equal(np.asarray(named.obsm[key]), np.asarray(expected.obsm[key]))
    assert named.uns["cellclassifier"]["shift"] == expected.uns["cellclassifier"]["shift"]
    assert named.uns["cellclassifier"]["advice"] == expected.uns["cellclassifier"]["advice"]


class Killing:
    """Kills a worker, as the kernel does for want of memory, once some cells are named."""

    def __init__(self, cluster):
        self.cluster, self.killed = cluster, None

    def __call__(self, n_done, n_cells):
        if self.killed is None and 0 < n_done < n_cells:
            self.killed = next(iter(self.cluster.workers.values())).pid
            os.kill(self.killed, signal.SIGKILL)


def test_workers_say_what_one_process_says(classifier, cluster, path, expected, tmp_path):
    out = tmp_path / "named.h5ad"
    steps = in_blocks_of(70, dask=cluster.scheduler_address)
    given = annotate_file(classifier, path, out, streaming=steps)
    check_named_alike(out, expected)
    assert given.out == out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["named.h5ad"]


def test_workers_take_the_shift_of_a_network_that_does_not_adapt(cluster, tmp_path):
    linear = CellTypeClassifier("linear").fit(drawn(600, seed=3), labels_key=KEY)
    path = write(drawn(300, seed=5, spread=0.2), tmp_path / "cells.h5ad")
    for out, dask in (("here.h5ad", None), ("there.h5ad", cluster.scheduler_address)):
        annotate_file(linear, path, tmp_path / out, streaming=in_blocks_of(100, dask=dask))
    expected = read_cells(tmp_path / "here.h5ad")
    assert "does not adapt to it" in expected.uns["cellclassifier"]["advice"]
    check_named_alike(tmp_path / "there.h5ad", expected)


def test_a_worker_that_is_killed_changes_nothing(classifier, cluster, path, expected, tmp_path):
    out, killing = tmp_path / "named.h5ad", Killing(cluster)
    steps = in_blocks_of(10, dask=cluster.scheduler_address, watch=killing)
    annotate_file(classifier, path, out, streaming=steps)
    assert killing.killed
    check_named_alike(out, expected)


def test_a_block_that_contradicts_the_sample_ends_the_work(classifier, cluster, tmp_path):
    cells, odd = drawn(N_CELLS, seed=5), outside_the_sample(N_CELLS)
    cells.X.data[cells.X.indptr[odd]] = 0.5
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    steps = in_blocks_of(100, dask=cluster.scheduler_address)
    with pytest.raises(CountsError, match="counted from 0"):
        annotate_file(classifier, path, out, streaming=steps)
    assert not out.exists()


def test_work_that_is_interrupted_goes_on_without_a_cluster(
    classifier, cluster, path, expected, tmp_path
):
    model, out = tmp_path / "model.keras", tmp_path / "named.h5ad"
    classifier.save(model)
    steps = in_blocks_of(30, dask=cluster.scheduler_address, watch=Interrupting(2))
    with pytest.raises(KeyboardInterrupt, match="run the same command again"):
        annotate_file(type(classifier).load(model), path, out, streaming=steps)
    n_kept = len(list((tmp_path / "named.h5ad.partial").glob("block_*.npz")))
    assert n_kept >= PART_BLOCKS
    begun = []
    steps = in_blocks_of(20, watch=lambda n_done, _: begun.append(n_done))
    annotate_file(type(classifier).load(model), path, out, streaming=steps)
    assert begun[0] >= 30 * PART_BLOCKS
    check_named_alike(out, expected)


def test_the_command_names_on_a_cluster(classifier, cluster, path, expected, tmp_path):
    model, out = tmp_path / "model.keras", tmp_path / "named.h5ad"
    classifier.save(model)
    dask = ["--dask", cluster.scheduler_address]
    with pytest.raises(SystemExit, match="0"):
        main(["annotate", str(path), "--model", str(model), "--out", str(out), *dask])
    check_named_alike(out, expected)


# --- what can be wrong


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "tcp://[::1]:9"])
def test_a_scheduler_that_is_not_there(classifier, path, tmp_path, monkeypatch, address):
    monkeypatch.setattr(on_dask, "PATIENCE", 1)
    steps = in_blocks_of(500, dask=address)
    with pytest.raises(ClusterError, match="no Dask scheduler with a worker answers") as raised:
        annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=steps)
    assert "dask scheduler" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_without_workers(classifier, path, tmp_path, monkeypatch):
    monkeypatch.setattr(on_dask, "PATIENCE", 1)
    with LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as empty:
        steps = in_blocks_of(500, dask=empty.scheduler_address)
        with pytest.raises(ClusterError, match="no Dask scheduler with a worker answers"):
            annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=steps)


def test_workers_that_are_all_gone_are_missed(monkeypatch):
    monkeypatch.setattr(on_dask, "PATIENCE", 0.5)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as empty,
        Client(empty) as client,
    ):
        waiting = client.map(abs, [1, 2])
        with pytest.raises(ClusterError, match=r"has had no worker for 1\.0 seconds") as raised:
            list(on_dask._finished(client, waiting, "tcp://host:1"))
    assert "cannot import cellclassifier" in str(raised.value)


@pytest.mark.parametrize("address", ["", "localhost:8786", "local:", "local:x", "four"])
def test_what_is_no_address(classifier, path, tmp_path, address):
    steps = in_blocks_of(500, dask=address)
    with pytest.raises(InputError, match=f"tcp://host:8786, not '{address}'"):
        annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=steps)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def job(classifier, path, tmp_path, monkeypatch):
    """What a worker is given."""
    jobs = []

    def take(_, job, missing):
        jobs.append(job)
        return iter(on_dask.name_part([bounds], job) for bounds in missing)

    monkeypatch.setattr("cellclassifier.classifier.streaming.named_on_dask", take)
    folder = tmp_path / "job"
    folder.mkdir()
    steps = in_blocks_of(1_000, dask="local", watch=Interrupting(2))
    with pytest.raises(KeyboardInterrupt):
        annotate_file(classifier, path, folder / "named.h5ad", streaming=steps)
    return jobs[0]


def test_a_worker_of_another_version_is_refused(job):
    with pytest.raises(
        ClusterError, match=r"a Dask worker has cellclassifier .*, and the command 0\.0"
    ):
        on_dask.name_part([(0, 1_000)], replace(job, version="0.0"))


def test_a_worker_that_sees_another_file_is_refused(job):
    other = tuple((name, 1 if name == "bytes" else value) for name, value in job.before)
    with pytest.raises(InputError, match="changed while it was read"):
        on_dask.name_part([(0, 1_000)], replace(job, before=other))


def test_a_worker_names_the_blocks_that_it_is_given(job):
    bounds = [(1_000, 2_500), (2_500, N_CELLS)]
    assert on_dask.name_part(bounds, job) == N_CELLS - 1_000
    assert job.kept([(0, 1_000), *bounds]).missing() == []
