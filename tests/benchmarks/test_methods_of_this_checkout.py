"""What the accuracy benchmark measures as ours is the package of its own checkout."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASK = "import methods, sys; print(methods.METHODS[sys.argv[1]].variables(1)['PYTHONPATH'])"


def paths_of(method):
    folder = ROOT / "benchmarks" / "accuracy"
    asked = subprocess.run(
        [sys.executable, "-c", ASK, method], cwd=folder, capture_output=True, text=True, check=True
    )
    return asked.stdout.strip().split(os.pathsep)


def test_ours_is_of_this_checkout_and_peers_do_not_see_it():
    assert paths_of("ours")[0] == str(ROOT / "src")
    assert str(ROOT / "src") not in paths_of("knn")
