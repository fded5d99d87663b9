"""Virtual environments of the peers, made once from pinned requirements, outside the repository."""

import hashlib
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "peers" / "requirements"


@dataclass(frozen=True)
class Environment:
    """An interpreter with the packages of some requirement files, installed one after another.

    No file at all stands for the interpreter that runs the benchmark.
    """

    files: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """A hash of what is required."""
        texts = [(REQUIREMENTS / name).read_bytes() for name in self.files]
        return hashlib.sha256(b"\n".join(texts)).hexdigest()

    def python(self) -> Path:
        """Return the interpreter; the first call makes it, which takes minutes."""
        if not self.files:
            return Path(sys.executable)
        folder = cache_folder() / f"{Path(self.files[-1]).stem}-{self.sha256[:12]}"
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        # written last, so that a folder without it is an installation that was cut off
        finished = folder / "finished"
        if not finished.exists():
            print(f"making {folder.name} from {', '.join(self.files)}", file=sys.stderr)
            venv.create(folder, with_pip=True, clear=True)
            for name in self.files:
                self._install(python, REQUIREMENTS / name)
            finished.touch()
        return python

    @staticmethod
    def _install(python: Path, requirements: Path) -> None:
        """Install what a file pins."""
        command: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            requirements,
        ]
        subprocess.run(command, check=True)


def cache_folder() -> Path:
    """Return the folder of all environments."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "cellclassifier" / "benchmarks"


OWN = Environment()
CLASSICAL = Environment(("classical.txt",))
CELLTYPIST = Environment(("celltypist.txt",))
ACTINN_JAX = Environment(("actinn_jax.txt",))
SINGLER = Environment(("singler.txt",))
# torch comes first, by itself: asked for by another package it brings gigabytes along
SCANVI = Environment(("torch.txt", "scanvi.txt"))
