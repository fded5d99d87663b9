"""What users install: archives, recipe, image, citation, hooks, completion."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from cellclassifier.cli.app import build_app

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE = ROOT / "src" / "cellclassifier"


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The source archive and the wheel, built by the backend that is installed: no network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_the_whole_package(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("cellclassifier/")}
    sources = {
        str(path.relative_to(SOURCE.parent))
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == sources
    assert any(name.endswith("human_genes.npz") for name in packed)


def test_the_source_archive_holds_sources_and_nothing_made(dist):
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {"README.md", "LICENSE", "Makefile", "docs/conf.py", "tests/conftest.py"} <= names
    made = re.compile(r"_build|/generated/|__pycache__|^demo/|\.venv")
    assert [name for name in names if made.search(name)] == []


def test_the_extras_are_none_but_those_that_something_needs():
    named = set(PROJECT["optional-dependencies"])
    assert {"tensorflow", "torch", "tune", "onnx", "rds", "bench", "docs", "dev"} <= named
    assert all(PROJECT["optional-dependencies"].values())


def test_the_conda_recipe_is_that_of_pyproject(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import build_conda_recipe

    text = build_conda_recipe.RECIPE.read_text(encoding="utf-8")
    assert text == build_conda_recipe.recipe(), "run python scripts/build_conda_recipe.py"
    recipe = yaml.safe_load(text)
    assert recipe["package"] == {"name": "cellclassifier", "version": PROJECT["version"]}
    needed = {line.split()[0] for line in recipe["requirements"]["run"]} - {"python"}
    wanted = {re.split(r"[<>=]", name)[0] for name in PROJECT["dependencies"]}
    assert {"python-isal", "matplotlib-base"} <= needed
    assert needed == {build_conda_recipe.CONDA_NAMES.get(name, name) for name in wanted}


class TestImage:
    """No Docker daemon is needed: what the Dockerfile names has to be there."""

    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()

    def test_what_is_copied_is_there_and_let_in(self):
        let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert let_in[0] == "*"
        copied = [
            name
            for line in self.lines
            if line.startswith("COPY ") and "--from" not in line
            for name in line.split()[1:-1]
        ]
        assert {"pyproject.toml", "src"} <= set(copied)
        for name in copied:
            assert (ROOT / name).exists()
            assert f"!{name}" in let_in

    def test_what_the_build_reads_is_copied(self):
        copied = " ".join(line for line in self.lines if line.startswith("COPY "))
        assert all(name in copied for name in (PROJECT["readme"], *PROJECT["license-files"]))

    def test_its_python_extras_and_command_are_ours(self):
        text = "\n".join(self.lines)
        (python,) = set(re.findall(r"^FROM python:3\.(\d+)", text, flags=re.MULTILINE))
        assert f"Programming Language :: Python :: 3.{python}" in PROJECT["classifiers"]
        (extras,) = re.findall(r'"\$wheel\[([\w,]+)\]"', text)
        assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
        assert 'ENTRYPOINT ["cellclassifier"]' in text
        assert "cellclassifier" in PROJECT["scripts"]

    def test_it_does_not_run_as_root(self):
        assert [line for line in self.lines if line.startswith("USER ")] == ["USER cells"]


def test_the_citation_is_one():
    """The keys that the Citation File Format 1.2.0 asks for, and some that it knows."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    known = {"abstract", "keywords", "license", "references", "type", "version"}
    assert set(citation) <= known | {"cff-version", "message", "title", "authors"}
    assert citation["cff-version"] == "1.2.0"
    assert (citation["title"], citation["version"], citation["license"]) == tuple(
        PROJECT[key] for key in ("name", "version", "license")
    )
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)


def test_the_hooks_run_what_make_check_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = hooks["repos"]
    assert local["repo"] == "local"
    tools = {tuple(hook["entry"].split()[:2]) for hook in local["hooks"]}
    checks = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck:")[2]
    wanted = re.findall(r"\$\(BIN\)/(\S+)(?: (\w+))?", checks.partition("\n\n")[0])
    assert {f".venv/bin/{tool}" for tool, _ in wanted} == {tool for tool, *_ in tools}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell):
    script = build_app().generate_completion(shell=shell)
    assert "annotate" in script
    assert "labels-key" in script


def test_completion_is_set_up_in_the_shell_at_hand(tmp_path):
    command = [Path(sys.executable).with_name("cellclassifier"), "--install-completion"]
    home = {"HOME": str(tmp_path), "SHELL": "/bin/bash", "XDG_DATA_HOME": str(tmp_path / "data")}
    done = subprocess.run(
        command, env=os.environ | home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("annotate" in path.read_text(encoding="utf-8") for path in written)
