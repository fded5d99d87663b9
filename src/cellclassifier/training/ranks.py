"""The processes that train one network together, and what they say to each other.

Each is a process of JAX, with a number. The first of them, number 0, alone reads the files, keeps
the state of the training and writes the model; all others lend their cores to the gradient steps.
"""

import math
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cellclassifier.errors import BackendError, ClusterError, LostProcessError
from cellclassifier.networks import keras

# In seconds: for the first process to listen, for the others to come, and for all to end.
PATIENCE, GATHERING, PARTING = 60, 300, 30
# after which a process that does not say that it lives is taken for dead
HEARTBEAT = 20
# what JAX says of connections that break, in one exception or another
_OF_CONNECTION = re.compile(
    r"Gloo|NCCL|UNAVAILABLE|DEADLINE|CANCELLED|ABORTED|[Cc]oordination|[Hh]eartbeat"
)
# the others wait while the first goes through a hundred million cells, and for what comes after
LONGEST_MS = 30 * 24 * 3600 * 1000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class OthersDone(Exception):  # noqa: N818  (nothing is wrong)
    """Only the first process goes on from here."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is.

    Parameters
    ----------
    number
        From 0.
    count
        How many there are; 1 for the usual training.
    on_one_machine
        Whether all of them are, where what one reads costs the others next to nothing.

    Examples
    --------
    A batch of 7 cells falls into three parts of the same size, when the last is filled up.

    >>> [Ranks(number, 3).part(7) for number in range(3)], Ranks(0, 3).share(7)
    ([slice(0, 3, None), slice(3, 6, None), slice(6, 7, None)], 3)
    """

    number: int = 0
    count: int = 1
    on_one_machine: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this process reads files and writes the model."""
        return self.number == 0

    @property
    def are_several(self) -> bool:
        """Whether there are others."""
        return self.count > 1

    def share(self, n_cells: int) -> int:
        """Return the cells of a batch that each process takes, with what fills it up."""
        return math.ceil(n_cells / self.count)

    def part(self, n_cells: int) -> slice:
        """Return which cells of a batch are this process's; parts of the last ones may be empty."""
        share = self.share(n_cells)
        return slice(min(self.number * share, n_cells), min((self.number + 1) * share, n_cells))

    def tell(self, name: str, text: str) -> None:
        """Tell the other processes something, once for each name; the first process does so."""
        if self.are_several:
            with self.in_touch():
                _client().key_value_set(name, text)

    def hear(self, name: str) -> str:
        """Return what the first process tells, as soon as it does."""
        with self.in_touch():
            return str(_client().blocking_key_value_get(name, LONGEST_MS))

    def agree(self, name: str, text: str) -> None:
        """Wait for the first process, and make sure that it sees the same as this one.

        Raises
        ------
        ClusterError
            It does not.
        """
        if self.is_first:
            self.tell(name, text)
        elif (told := self.hear(name)) != text:
            raise ClusterError(
                f"process {self.number} of {self.count} sees another state of the training than "
                f"the first one ({name}: '{text}', not '{told}'): the folder of the output has to "
                "lie on one file system that all processes share"
            )

    def disband(self) -> None:
        """End the connection; all processes have to."""
        if self.are_several:
            import jax

            with self.in_touch():
                jax.distributed.shutdown()  # type: ignore[no-untyped-call]

    def leave_to_first(self) -> None:
        """End the work of all processes but the first.

        Raises
        ------
        OthersDone
            This is not the first one.
        """
        if not self.is_first:
            raise OthersDone

    @contextmanager
    def in_touch(self) -> Iterator[None]:
        """Say of work that needs all processes when one of them is lost.

        Raises
        ------
        LostProcessError
            JAX could not reach the others.
        """
        if not self.are_several:
            yield
            return
        from jax.errors import JaxRuntimeError

        try:
            yield
        except (JaxRuntimeError, ValueError) as error:
            # what a broken connection is in an array that is waited for
            if not _OF_CONNECTION.search(str(error)):
                raise
            raise LostProcessError(
                f"process {self.number} of {self.count} lost touch with the others "
                f"({str(error).splitlines()[0][:200]})"
            ) from error


# the usual training
ALONE = Ranks()


@dataclass(frozen=True)
class Meeting:
    """Where processes meet.

    Parameters
    ----------
    coordinator
        Host and port at which the first process listens: ``host:port``.
    ranks
        Which process this is.
    n_cores
        How many cores this process's gradient steps use; None for all that it may run on.
    device
        Which of the machine's accelerators it uses; None for all that it sees.
    """

    coordinator: str
    ranks: Ranks
    n_cores: int | None = None
    device: int | None = None

    def join(self) -> Ranks:
        """Meet the other processes, before anything is computed by JAX.

        Raises
        ------
        BackendError
            Keras does not run on JAX.
        ClusterError
            The first process, or one of the others, is not there.
        """
        backend = keras.backend.backend()
        if backend != "jax":
            raise BackendError(
                f"several processes train on JAX only, and Keras runs on {backend}: set "
                "KERAS_BACKEND=jax"
            )
        if not self.ranks.is_first:
            self._find_first()
        import jax

        for option in (
            "jax_enable_preemption_service",  # which would catch SIGTERM, and not end
            # or what cells are exchanged by would run beside a step, and meet another's messages
            "jax_cpu_enable_async_dispatch",
        ):
            jax.config.update(option, False)  # type: ignore[no-untyped-call]  # noqa: FBT003
        host, _, port = self.coordinator.rpartition(":")
        bound = f"127.0.0.1:{port}" if host in LOOPBACK else None
        try:
            jax.distributed.initialize(
                self.coordinator,
                self.ranks.count,
                self.ranks.number,
                local_device_ids=self.device,
                cluster_detection_method="deactivate",
                initialization_timeout=GATHERING,
                heartbeat_timeout_seconds=HEARTBEAT,
                shutdown_timeout_seconds=PARTING,
                coordinator_bind_address=bound,
            )
            self._begin_devices(jax)
        except RuntimeError as error:
            raise ClusterError(
                f"process {self.ranks.number} of {self.ranks.count} could not join the others at "
                f"'{self.coordinator}', which has to be a free port of the machine of process 0 "
                f"that all machines reach ({str(error).splitlines()[0][:200]})"
            ) from error
        return self.ranks

    def _find_first(self) -> None:
        """Wait until the first process listens."""
        host, _, port = self.coordinator.rpartition(":")
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with socket.create_connection((host.strip("[]"), int(port)), timeout=5):
                    return
            except OSError as error:
                if time.monotonic() > end:
                    raise ClusterError(
                        f"nobody listens at '{self.coordinator}', where process 0 of "
                        f"{self.ranks.count} should be, for {PATIENCE} seconds ({error}). Begin "
                        "process 0 on that machine, with the same --coordinator"
                    ) from error
                time.sleep(0.2)

    def _begin_devices(self, jax: Any) -> None:  # noqa: ANN401  (the module)
        """Have JAX make as many threads as this process has cores."""
        if self.n_cores is None or not hasattr(os, "sched_setaffinity"):
            jax.devices()
            return
        cores = sorted(os.sched_getaffinity(0))
        first = self.ranks.number * self.n_cores % len(cores)
        os.sched_setaffinity(0, cores[first : first + self.n_cores])
        try:
            jax.devices()
        finally:  # what the first process does before and after the steps uses all of them
            os.sched_setaffinity(0, cores)


def _client() -> Any:  # noqa: ANN401  (JAX has no name for it)
    # as Orbax does: what JAX's collectives wait for ends after 30 minutes, and needs devices
    from jax._src import distributed

    return distributed.global_state.client
