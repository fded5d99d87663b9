"""Several processes that run one command together, begun and watched by another.

The one that watches computes nothing. Where one process ends badly it ends the others of its
machine, and says in one line which one it was. Each process is told by a variable of its
environment who it is, and leaves word, in a file, of what went wrong.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from cyclopts import Parameter

from cellclassifier.cli.seat import SEAT, TRACEBACK, Seat
from cellclassifier.errors import (
    ClusterError,
    InputError,
    InputWarning,
)
from cellclassifier.files import partial_folder

if TYPE_CHECKING:
    from cellclassifier.training import Ranks

LOOPBACK = "127.0.0.1"
MAX_PORT = 65_535
# in seconds: between looks, for what follows from a bad end to show, and for an end by SIGTERM
GLANCE, GRACE, PARTING = 0.1, 2.0, 5.0


# what main was called with, for processes to be called with the same
ARGUMENTS: ContextVar[Sequence[str]] = ContextVar("ARGUMENTS", default=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TogetherOptions:
    """By how many processes a network is trained.

    Parameters
    ----------
    processes
        Train by so many processes of this machine, each on its part of every minibatch.
    coordinator
        For processes on several machines: HOST:PORT at which process 0 listens. The same command
        is run once for each process.
    process_id
        For processes on several machines: which one this is, from 0.
    num_processes
        For processes on several machines: how many there are.
    """

    processes: int | None = None
    coordinator: str | None = None
    process_id: int | None = None
    num_processes: int | None = None

    def join(self, out: Path) -> "Ranks":
        """Return which process this is, when all are there.

        The process that was begun by hand does not return: it begins the others, which call this
        again, and ends with them.

        Parameters
        ----------
        out
            The model file to write.

        Raises
        ------
        InputError
            The options contradict each other, or do not make sense.
        ClusterError
            A process is not there, or ended badly.
        """
        seat = Seat.of_this_process()
        if seat is None and (crew := Crew.asked_for(self)) is not None:
            run_together(ARGUMENTS.get(), crew, out)
            sys.exit(0)
        from cellclassifier.training import ALONE, Meeting, Ranks

        if seat is None:
            return ALONE
        meeting = Meeting(
            seat.coordinator,
            Ranks(seat.number, seat.count, on_one_machine=seat.n_here == seat.count),
            max(1, _n_cores() // seat.n_here) if seat.n_here > 1 else None,
            seat.number if seat.n_here > 1 else None,
        )
        return meeting.join()


ALONE = TogetherOptions()


@dataclass(frozen=True)
class Crew:
    """Which processes train together, and which of them are begun here.

    Parameters
    ----------
    coordinator
        Host and port at which the first one listens.
    count
        How many there are.
    here
        The numbers of those of this machine.
    """

    coordinator: str
    count: int
    here: Sequence[int]

    @classmethod
    def asked_for(cls, asked: TogetherOptions) -> Self | None:
        """Return who trains; None for the one process that there is.

        Raises
        ------
        InputError
            The options contradict each other, or do not make sense.

        Examples
        --------
        >>> asked = TogetherOptions(coordinator="node1:4000", process_id=1, num_processes=2)
        >>> Crew.asked_for(asked)
        Crew(coordinator='node1:4000', count=2, here=(1,))
        >>> Crew.asked_for(TogetherOptions(processes=1))
        """
        across = {
            "--coordinator": asked.coordinator,
            "--process-id": asked.process_id,
            "--num-processes": asked.num_processes,
        }
        missing = [name for name, value in across.items() if value is None]
        if len(missing) == len(across):
            return cls._on_this_machine(1 if asked.processes is None else asked.processes)
        if asked.processes is not None:
            raise InputError(
                "--processes begins all processes on this machine, and --coordinator one of those "
                "on several machines: give one of them"
            )
        address, number, count = asked.coordinator, asked.process_id, asked.num_processes
        if address is None or number is None or count is None:
            raise InputError(
                "processes on several machines need all of --coordinator, --process-id and "
                f"--num-processes; missing: {', '.join(missing)}"
            )
        if not 0 <= number < count:
            raise InputError(
                f"--process-id counts from 0 to one less than --num-processes; it is {number}, of "
                f"{count}"
            )
        _check_address(address)
        return cls(address, count, (number,)) if count > 1 else None

    @classmethod
    def _on_this_machine(cls, count: int) -> Self | None:
        if count < 1:
            raise InputError(f"--processes is a number from 1 on, not {count}")
        if count == 1:
            return None
        if count > _n_cores():
            warnings.warn(
                f"{count} processes are more than the {_n_cores()} cores of this machine that can "
                "be used, and will be slower than as many as there are cores",
                InputWarning,
                2,
            )
        return cls(f"{LOOPBACK}:{_free_port()}", count, tuple(range(count)))


def run_together(command: Sequence[str], crew: Crew, out: Path) -> None:
    """Run a command in all processes of this machine, and wait for them to end.

    Parameters
    ----------
    command
        The arguments of ``cellclassifier``.
    crew
        Who takes part.
    out
        The model file that they write.

    Raises
    ------
    ClusterError
        A process ended badly, was ended, or lost the others.
    KeyboardInterrupt
        After Ctrl-C, or SIGTERM where `main` takes it as that, when all processes are ended.
    """
    with tempfile.TemporaryDirectory(prefix="cellclassifier-") as folder:
        members = [_Member.begin(command, crew, number, Path(folder)) for number in crew.here]
        try:
            while any(member.is_running for member in members):
                if any(member.ended_badly for member in members):
                    _say_what_happened(members, crew, out)
                time.sleep(GLANCE)
            if any(member.ended_badly for member in members):
                _say_what_happened(members, crew, out)
        except KeyboardInterrupt:
            _end(members)
            raise KeyboardInterrupt(f"interrupted: {_kept(out)}") from None
        finally:
            _end(members)


@dataclass(frozen=True, eq=False)
class _Member:
    """A process, seen by the one that began it."""

    seat: Seat
    process: "subprocess.Popen[bytes]"

    @classmethod
    def begin(cls, command: Sequence[str], crew: Crew, number: int, folder: Path) -> Self:
        report = folder / f"{number}.json"
        seat = Seat(number, crew.count, crew.coordinator, len(crew.here), str(report))
        # a proxy is not asked for the way between them, as JAX would
        kept = {name: value for name, value in os.environ.items() if "_proxy" not in name.lower()}
        is_shown = number == crew.here[0] or bool(os.environ.get(TRACEBACK))
        process = subprocess.Popen(  # noqa: S603  (the same command again)
            [sys.executable, "-m", "cellclassifier", *command],
            env={**kept, SEAT: json.dumps(asdict(seat)), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,  # which ends when this process does
            stdout=None if is_shown else subprocess.DEVNULL,
            stderr=None if is_shown else subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the process that watches
        )
        return cls(seat, process)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def ended_badly(self) -> bool:
        return self.process.poll() not in (None, 0)

    @property
    def word(self) -> Mapping[str, object] | None:
        """What it left in its file."""
        try:
            word: Mapping[str, object] = json.loads(Path(self.seat.report).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return word

    @property
    def was_killed(self) -> bool:
        """Whether somebody ended it; JAX ends itself by SIGABRT where others are lost."""
        status = self.process.poll()
        return status is not None and status < 0 and status != -signal.SIGABRT


def _say_what_happened(members: Sequence[_Member], crew: Crew, out: Path) -> NoReturn:
    """Raise the first cause, of all that follows from it."""
    end = time.monotonic() + GRACE
    while time.monotonic() < end and any(member.is_running for member in members):
        time.sleep(GLANCE)
    bad = [member for member in members if member.ended_badly]
    for member in bad:
        if member.was_killed:
            number = -member.process.returncode
            how = f"was ended by {signal.Signals(number).name}"
            if number == signal.SIGKILL:
                how += " (by hand, or by the system for want of memory)"
            raise ClusterError(_stopped(member, how, crew, out))
    for member in bad:
        if member.word is not None and not member.word["is_lost"]:
            raise ClusterError(str(member.word["text"]))
    first = bad[0]
    if first.word is not None:
        reason = str(first.word["text"]).partition("(")[2].removesuffix(")")
        raise ClusterError(_stopped(first, f"lost touch with the others ({reason})", crew, out))
    status = first.process.returncode
    how = "lost touch with the others" if status < 0 else f"ended with status {status}"
    raise ClusterError(_stopped(first, how, crew, out))


def _stopped(member: _Member, how: str, crew: Crew, out: Path) -> str:
    others = ", and the others of this machine were stopped" if len(crew.here) > 1 else ""
    return f"process {member.seat.number} of {crew.count} {how}{others}: {_kept(out)}"


def _end(members: Sequence[_Member]) -> None:
    """End all processes that still run; their state on disk is whole at any time."""
    for member in members:
        member.process.terminate()
    for member in members:
        try:
            member.process.wait(PARTING)
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()
        if member.process.stdin is not None and not member.process.stdin.closed:
            member.process.stdin.close()


def _kept(out: Path) -> str:
    folder = partial_folder(out)
    if not folder.exists():
        return "run the same command again"
    return (
        f"the finished epochs are kept in '{folder}'; run the same command again, and it goes on "
        "after the last of them"
    )


def _n_cores() -> int:
    """Return the cores that this process may use, as `n_cores`, which takes seconds to load."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        return int(listening.getsockname()[1])


def _check_address(coordinator: str) -> None:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) <= MAX_PORT:
        raise InputError(
            f"--coordinator is the host of process 0 and a free port there, such as node1:4000, "
            f"not '{coordinator}'"
        )
