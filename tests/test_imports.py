"""Importing does nothing, quickly; commands load what they need and no more."""

import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import pytest

import cellclassifier as cc
from cellclassifier import CellTypeClassifier, write_cells

HEAVY = ("keras", "jax", "tensorflow", "anndata", "scanpy", "sklearn", "pandas", "matplotlib")
SECONDS_TO_IMPORT = 0.2
SECONDS_TO_HELP = 0.7
TRIES = 5  # the best counts: other work on the machine only ever adds

TIME_OF_IMPORT = """
import time
begin = time.perf_counter()
import cellclassifier
print(time.perf_counter() - begin)
"""
LOADED_BY_IMPORT = """
import sys
import cellclassifier
print(*{name.partition(".")[0] for name in sys.modules})
"""
LOADED_BY_COMMAND = """
import sys
from cellclassifier.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert ended.code == 0, ended.code
print(*{name.partition(".")[0] for name in sys.modules})
"""
SIDE_EFFECTS = """
import logging, os, sys, warnings
def state():
    root = logging.root
    hooks = sys.excepthook, sys.displayhook
    return dict(os.environ), warnings.filters[:], root.handlers[:], root.level, hooks
before = state()
import cellclassifier
dir(cellclassifier)
print(state() == before)
"""


def python(script: str, *arguments: object, **options: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_quick():
    assert min(float(python(TIME_OF_IMPORT)) for _ in range(TRIES)) < SECONDS_TO_IMPORT


def test_import_loads_nothing_heavy():
    assert set(python(LOADED_BY_IMPORT).split()) & set(HEAVY) == set()


def test_import_has_no_side_effects(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    assert python(SIDE_EFFECTS, cwd=tmp_path, env=environment) == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_help_is_quick():
    def seconds() -> float:
        begin = perf_counter()
        shown = python("from cellclassifier.cli import main; main()", "--help")
        assert "annotate" in shown
        return perf_counter() - begin

    assert min(seconds() for _ in range(TRIES)) < SECONDS_TO_HELP


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["evaluate", "named.h5ad", "--truth-key", "cell_type"], id="evaluate"),
        pytest.param(["inspect", "model.keras"], id="inspect"),
        pytest.param(["inspect", "model.keras", "--json"], id="inspect-json"),
    ],
)
def test_command_needs_no_keras(toy_reference, tmp_path, arguments):
    classifier = CellTypeClassifier("linear").fit(toy_reference, labels_key="cell_type")
    classifier.save(tmp_path / "model.keras")
    write_cells(classifier.annotate(toy_reference), tmp_path / "named.h5ad")
    loaded = python(LOADED_BY_COMMAND, *arguments, cwd=tmp_path).splitlines()[-1].split()
    assert set(loaded) & {"keras", "jax", "tensorflow"} == set()


@pytest.mark.parametrize("name", sorted(cc._HOMES))
def test_public_name_is_there(name):
    value = getattr(cc, name)
    home = import_module(f"cellclassifier.{cc._HOMES[name]}")
    assert value is (home if cc._HOMES[name] == name else getattr(home, name))


def test_all_names_are_listed():
    assert cc.__all__ == sorted([*cc._HOMES, "__version__"])
    assert dir(cc) == cc.__all__
    assert cc.__version__ == version("cellclassifier")


def test_names_for_type_checkers_are_the_public_names():
    text = Path(cc.__file__).read_text(encoding="utf-8")
    block = text.partition("if TYPE_CHECKING:\n")[2].partition("\n\n")[0]
    homes = {}
    for line in block.splitlines():
        words = line.split()
        assert words[0::2][:3] == ["from", "import", "as"], line
        assert words[3] == words[5], line
        home = words[1].removeprefix("cellclassifier").removeprefix(".")
        homes[words[3]] = home or words[3]
    assert homes == cc._HOMES


def test_unknown_name():
    with pytest.raises(
        AttributeError, match="module 'cellclassifier' has no attribute 'Clasifier'"
    ):
        _ = cc.Clasifier
