"""Training by several processes: the model of one process, and the same loss in each."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import training_rank

from cellclassifier.errors import BackendError, ClusterError, InputError, LostProcessError
from cellclassifier.networks import ConvBlock, build_cnn, build_linear, build_mlp
from cellclassifier.networks import keras as keras_used
from cellclassifier.training import Meeting, Ranks, TrainingConfig, Upkeep, ranks, train_network
from cellclassifier.training.batches import BatchReader, order_of_part
from cellclassifier.training.shared_model import is_by_units

PROGRAM = Path(training_rank.__file__)
needs_jax = pytest.mark.skipif(
    keras_used.backend.backend() != "jax", reason="several processes train on JAX only"
)


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@needs_jax
@pytest.mark.slow
def test_three_processes_train_the_networks_of_one(tmp_path):
    count, coordinator = 3, f"127.0.0.1:{free_port()}"
    processes = [
        subprocess.Popen(
            [sys.executable, PROGRAM, coordinator, str(number), str(count), tmp_path],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number in range(count)
    ]
    told, weights = training_rank.trained()
    for process in processes:
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said.decode()[-2000:]
    of_each = [
        json.loads((tmp_path / f"told_{number}.json").read_text()) for number in range(count)
    ]
    assert of_each[1:] == of_each[:1] * (count - 1)  # to the bit
    for name, epochs in of_each[0].items():
        assert len(epochs) == len(told[name])
        for (*mine, scores), (*its, expected) in zip(epochs, told[name], strict=True):
            assert mine == its
            assert scores == pytest.approx(expected, rel=1e-4)
        found = np.load(tmp_path / f"{name}_0.npz")
        for key, expected in zip(found.files, weights[name], strict=True):
            np.testing.assert_allclose(found[key], expected, atol=1e-4, err_msg=name)
    # the others keep nothing
    assert {path.name for path in tmp_path.glob("epoch_*")} == {
        "epoch_adam.npz", "epoch_adam_all.npz", "epoch_towers.npz",
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("n_cells", [0, 1, 20, 21, 24, 29])
def test_the_parts_of_all_processes_are_the_batches(count, n_cells):
    batch_size, order = 10, np.random.default_rng(0).permutation(n_cells)
    whole = [order[first : first + batch_size] for first in range(0, n_cells, batch_size)]
    of_each = [Ranks(number, count) for number in range(count)]
    for rank in of_each:
        read = order_of_part(order, batch_size, rank)
        expected = [batch[rank.part(len(batch))] for batch in whole]
        np.testing.assert_array_equal(read, np.concatenate([order[:0], *expected]))
    for batch in whole:
        parts = [batch[rank.part(len(batch))] for rank in of_each]
        np.testing.assert_array_equal(np.concatenate(parts), batch)
        assert max(map(len, parts)) == of_each[0].share(len(batch))


def test_networks_are_shared_by_units_where_these_can_be_dealt_out():
    for count, hidden, expected in ((2, (6, 5), True), (4, (6, 5), False), (2, (6,), True)):
        model = build_mlp(7, 3, hidden=hidden)
        assert is_by_units(model, Ranks(0, count)) == expected
    blocks = [ConvBlock(channels=2, kernel=2, pool=2)]
    assert not is_by_units(build_cnn(16, 3, blocks=blocks), Ranks(0, 2))
    assert not is_by_units(build_mlp(7, 3, hidden=(6,)), Ranks())


def test_exchanged_rows_are_put_in_the_order_of_batches(monkeypatch):
    """Three processes in one: what each sends is what it read, and all get whole batches."""
    monkeypatch.setattr("cellclassifier.training.batches.POOL_CELLS", 62)
    cells, batch_size = training_rank.examples(), 31
    order = np.random.default_rng(0).permutation(len(cells))
    of_each = [Ranks(number, 3) for number in range(3)]
    sent = []

    def exchange(mine, ranks):
        window = order[len(sent) * 62 : (len(sent) + 1) * 62]
        parts = [order_of_part(window, batch_size, rank) for rank in of_each]
        assert (mine != cells.expression[parts[ranks.number]]).nnz == 0
        sent.append(ranks)
        return cells.expression[np.concatenate(parts)]

    monkeypatch.setattr("cellclassifier.training.batches.exchanged", exchange)
    with BatchReader(cells, batch_size, order, of_each[1], whole=True) as reader:
        for number, first in enumerate(range(0, len(order), batch_size)):
            expected = order[first : first + batch_size]
            rows, part = reader[number]
            np.testing.assert_array_equal(rows, expected)
            np.testing.assert_array_equal(part.codes, cells.codes[expected])
            assert (part.expression != cells.expression[expected]).nnz == 0
    assert len(sent) == 4


@pytest.mark.parametrize("count", [2, 3, 40])
def test_each_process_reads_its_own_cells_only(count, monkeypatch):
    monkeypatch.setattr("cellclassifier.training.batches.POOL_CELLS", 62)
    cells = training_rank.examples()
    order = np.random.default_rng(0).permutation(len(cells))
    whole = [order[first : first + 31] for first in range(0, len(cells), 31)]
    for rank in (Ranks(number, count) for number in range(count)):
        with BatchReader(cells, 31, order, rank) as reader:
            for number, batch in enumerate(whole):
                mine = batch[rank.part(len(batch))]
                rows, part = reader[number]
                np.testing.assert_array_equal(rows, mine)
                np.testing.assert_array_equal(part.codes, cells.codes[mine])
                assert (part.expression != cells.expression[mine]).nnz == 0


@needs_jax
def test_a_first_process_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(ranks, "PATIENCE", 0.5)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match=rf"nobody listens at '{address}', where process 0 of 2"):
        Meeting(address, Ranks(1, 2)).join()


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(ranks.keras.backend, "backend", lambda: "torch")
    with pytest.raises(BackendError, match="on JAX only, and Keras runs on torch"):
        Meeting("127.0.0.1:1", Ranks(1, 2)).join()


def test_what_is_not_trained_step_by_step_is_refused():
    cells = training_rank.examples()
    several = Upkeep(ranks=Ranks(0, 2))
    for config, engine in (
        (TrainingConfig(solver="lbfgs"), "keras"),
        (TrainingConfig(), "lowlevel"),
    ):
        with pytest.raises(InputError, match="2 processes train by gradient steps of Keras"):
            train_network(
                build_linear(cells.n_genes, 3), cells.expression, cells.codes, config,
                engine=engine, upkeep=several,
            )  # fmt: skip


@needs_jax
def test_connections_that_break_are_lost_processes():
    from jax.errors import JaxRuntimeError

    for error in (
        ValueError("UNKNOWN: Gloo AllGather failed: Connection reset by peer"),
        JaxRuntimeError("UNAVAILABLE: the coordination service is gone"),
    ):
        with pytest.raises(LostProcessError, match="process 1 of 3 lost touch with"):  # noqa: SIM117
            with Ranks(1, 3).in_touch():
                raise error
    with pytest.raises(ValueError, match="of another kind"), Ranks(1, 3).in_touch():
        raise ValueError("of another kind")
    with pytest.raises(JaxRuntimeError), Ranks(1, 3).in_touch():
        raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")


def test_processes_that_see_different_states_do_not_go_on(monkeypatch):
    monkeypatch.setattr(Ranks, "hear", lambda *_: "3")
    Ranks(1, 2).agree("epochs done", "3")
    with pytest.raises(ClusterError, match=r"sees another state .* \(epochs done: '2', not '3'\)"):
        Ranks(1, 2).agree("epochs done", "2")
