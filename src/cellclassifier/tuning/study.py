"""A study on disk: made, found again, or refused."""

import hashlib
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from cellclassifier.data import LabelledCounts
from cellclassifier.errors import InputError, OutputError
from cellclassifier.files import check_writable
from cellclassifier.tuning.engine import optuna

if sys.platform != "win32":
    import fcntl

STUDY_NAME = "cellclassifier tune"
SQLITE_MAGIC = b"SQLite format 3\0"
# a trial that ends, well or pruned, counts; one that was interrupted does not
COUNTED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)

# a trial is given up where its best log-loss so far is above the median of the others' at the same
# epoch, where at least five others came so far; no network shows much in its first epochs
PRUNER = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2, n_min_trials=5)


@contextmanager
def open_study(path: Path | None, fingerprint: Mapping[str, str]) -> Iterator[optuna.Study]:
    """Yield the study in the file at `path`, made where it is missing; None keeps it in memory.

    Parameters
    ----------
    path
        The SQLite file.
    fingerprint
        What has to be the same for trials to be comparable, in the words of messages.

    Raises
    ------
    InputError
        The file is not a study of ours, is of another fingerprint, or another run has it open.
    OutputError
        It cannot be written.
    """
    if path is None:
        yield optuna.create_study(pruner=PRUNER)
        return
    is_new = not path.exists() or not path.stat().st_size
    if is_new:
        check_writable(path)
    else:
        _check_file(path)
    try:
        with _locked_storage(path) as storage:
            yield _opened(storage, path, fingerprint, is_new=is_new)
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise OutputError(f"cannot work with the study '{path}': {reason}") from error


def counted_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that ended, pruned ones included."""
    return study.get_trials(deepcopy=False, states=COUNTED)


def fingerprint_of(
    cells: LabelledCounts, network: str, seed: int, search: object
) -> dict[str, str]:
    """Return what has to be the same for two trials to be comparable.

    Parameters
    ----------
    cells
        Their labels, genes, library sizes and batches are hashed.
    network, seed
        As they are.
    search
        What is searched, and how it is scored; its ``repr`` is hashed.
    """
    parts = (cells.codes, cells.raw.library_size, cells.label_space.labels, cells.raw.genes.names)
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(part.tobytes())
        else:
            digest.update("\n".join(part).encode())
    if cells.batch_codes is not None:
        digest.update(cells.batch_codes.tobytes())
    return {
        "labelled cells": digest.hexdigest(),
        "network": network,
        "seed": str(seed),
        "search space": hashlib.sha256(repr(search).encode()).hexdigest(),
    }


def _check_file(path: Path) -> None:
    """Refuse a file that is no SQLite, or has no study of ours, before anything writes to it."""
    try:
        with path.open("rb") as file:
            start = file.read(len(SQLITE_MAGIC))
        if start != SQLITE_MAGIC:
            raise InputError(
                f"'{path}' is not a study: it is no SQLite file. Name a new file, or one that "
                "tune --study made"
            )
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            names = [row[0] for row in database.execute("SELECT study_name FROM studies")]
    except OSError as error:
        raise InputError(f"cannot read the study '{path}': {error.strerror}") from error
    except sqlite3.Error as error:
        raise InputError(f"'{path}' is not a study that tune --study made: {error}") from error
    if STUDY_NAME not in names:
        raise InputError(f"'{path}' is not a study that tune --study made; it holds {names}")


@contextmanager
def _locked_storage(path: Path) -> Iterator[optuna.storages.RDBStorage]:
    path.touch()  # SQLite takes an empty file for a new database
    with _alone(path), _storage(path) as storage:
        yield storage


@contextmanager
def _storage(path: Path) -> Iterator[optuna.storages.RDBStorage]:
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
    except RuntimeError as error:  # made by a newer or a much older Optuna
        raise InputError(f"cannot work with the study '{path}': {error}") from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep a second run out: each would take the other's running trial for an interrupted one."""
    if sys.platform == "win32":
        yield
        return
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another run of tune works on the study '{path}'; wait until it ends, or name "
                "another file"
            ) from error
        yield


def _opened(
    storage: optuna.storages.RDBStorage,
    path: Path,
    fingerprint: Mapping[str, str],
    *,
    is_new: bool,
) -> optuna.Study:
    study = optuna.create_study(
        storage=storage, study_name=STUDY_NAME, pruner=PRUNER, load_if_exists=not is_new
    )
    stored = study.user_attrs
    for name, value in fingerprint.items():
        if name not in stored and not study.trials:
            study.set_user_attr(name, value)
        elif stored.get(name) != value:
            raise InputError(_difference(path, name, stored.get(name), value))
    _mark_interrupted(study)
    return study


def _difference(path: Path, name: str, stored: object, asked: str) -> str:
    if name in ("network", "seed"):
        what = f"the {name} {stored}, not {asked}"
    else:
        what = f"other {name}s" if name == "search space" else f"other {name}"
    return (
        f"the study '{path}' was made with {what}; its trials cannot be compared with new ones. "
        "Name another file, or tune as before"
    )


def _mark_interrupted(study: optuna.Study) -> None:
    """Mark trials that a killed run left behind."""
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
