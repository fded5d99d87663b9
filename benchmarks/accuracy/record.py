"""What every results file holds, and how it is written."""

import datetime as dt
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
SHARED_DATA = ROOT.parent / "shared" / "data"
PACKAGES = ("cellclassifier", "keras", "jax", "tensorflow-cpu", "numpy", "scipy", "anndata")

Row = dict[str, Any]


def shared_data(name: str) -> Path:
    """Return a file of the data folder beside the project, or end with a line that says so."""
    path = SHARED_DATA / name
    if not path.exists():
        raise SystemExit(
            f"this benchmark needs {name} in the folder shared/data beside the project"
        )
    return path


def provenance(data: Path) -> Row:
    """Return what is needed to repeat a row."""
    return {
        "commit": measured_commit(),
        "data": data.name,
        "data_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "versions": installed_versions() | {"python": platform.python_version()},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def measured_commit() -> str:
    """Return the commit, dirty if anything but results differs from it."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "benchmarks", ":!benchmarks/results")
    return git("describe", "--always", "--exclude=*") + ("-dirty" if changed else "")


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on, of those that are installed."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def save(name: str, rows: list[Row], replaces: Callable[[Row], bool]) -> None:
    """Write rows to a results file in the place of those they replace."""
    path = RESULTS / name
    old = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = [row for row in old if not replaces(row)]
    temporary = path.with_suffix(".part")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in kept + rows))
    temporary.replace(path)
