"""The code blocks of a document, and how each is run.

A block of a page runs in the page's folder, in the order of the page:

- ``sh``: `cellclassifier` commands in this process, what is more than that by bash;
- ``python``: executed, names kept from block to block;
- a block after a line that is nothing but a file name in backticks and a colon is written to that
  file, whatever its language; a later block of commands uses it;
- a block after a comment ``<!-- not run: why -->`` is left out, for a reason of `NOT_RUN`;
- ``text``, ``toml`` and blocks without a language show what a file or an answer looks like.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest

from cellclassifier.cli import main

ROOT = Path(__file__).resolve().parents[2]
STUBS = Path(__file__).with_name("cluster_stubs")
SHOWN = ("", "text", "toml", "json")

NOT_RUN = frozenset(
    {
        "downloads published cells",  # tests/fetching does, from a server of its own
        "waits for a browser",  # tests/app opens one
    }
)
# where they are not installed, test_pages.py runs the step that is in their file
WORKFLOW_PROGRAMS = ("snakemake", "nextflow")

_NOT_RUN = re.compile(r"<!-- not run: (.*) -->")
_FILE = re.compile(r"`([\w.-]+)`:")
_PLAIN = re.compile(r"[|;&<>$`*]")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the file it stands for, why it is not run."""

    language: str
    code: str
    file: str | None = None
    reason: str | None = None


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a Markdown text, without directives such as ``{toctree}``."""
    blocks, before, lines = [], "", iter(text.splitlines())
    for line in lines:
        if line.startswith("```"):
            code = "".join(f"{own}\n" for own in takewhile(lambda own: own != "```", lines))
            blocks.append(_block(line.removeprefix("```"), code, before))
        before = line or before
    return [block for block in blocks if not block.language.startswith("{")]


def _block(language: str, code: str, before: str) -> Block:
    file, reason = _FILE.fullmatch(before), _NOT_RUN.fullmatch(before)
    return Block(language, code, file[1] if file else None, reason[1] if reason else None)


class PageRun:
    """A page under way, in the current folder; `smaller` replaces texts by quicker ones."""

    def __init__(self, name: str, smaller: dict[str, str]) -> None:
        self.name = name
        self.smaller = smaller
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.missing: list[str] = []

    def run(self, block: Block) -> None:
        """Run, write or show one block."""
        code = block.code
        for text, quicker in self.smaller.items():
            code = code.replace(text, quicker)
        if block.reason is not None:
            assert block.reason in NOT_RUN, f"{block.reason!r} is no reason not to run a block"
        elif block.file is not None:
            if block.language == "r":
                need_r_packages(code)
            Path(block.file).write_text(code, encoding="utf-8")
        elif block.language == "python":
            exec(compile(code, self.name, "exec"), self.names)  # noqa: S102  (our own document)
        elif block.language == "sh":
            self.missing += run_shell(code)
        else:
            assert block.language in SHOWN, f"nothing here runs {block.language!r}"


def run_shell(code: str) -> list[str]:
    """Run commands, those of this package in this process unless the shell has a part in them.

    Returns the programs that are not installed, whose commands were left out.
    """
    missing = []
    for command in commands_of(code):
        words = shlex.split(command, comments=True)
        if not words or is_set_up(words):
            continue
        if words[0] in WORKFLOW_PROGRAMS and shutil.which(words[0]) is None:
            missing.append(words[0])
        elif words[0] == "cellclassifier" and not _PLAIN.search(command):
            with pytest.raises(SystemExit) as stopped:
                main(words[1:])
            assert stopped.value.code == 0, command
        else:
            run_by_bash(command)
    return missing


def need_r_packages(code: str) -> None:
    """Skip the page where R, or a package that the code takes, is not installed."""
    packages = [a or b for a, b in re.findall(r"library\((\w+)\)|(\w+)::", code)]
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    asked = f"for (p in c({str(packages)[1:-1]})) if (!nzchar(system.file(package = p))) cat(p)"
    done = subprocess.run(
        ["Rscript", "-e", asked],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    if done.stdout:
        pytest.skip(f"R has no package {done.stdout}; up to here the page ran")


def commands_of(code: str) -> Iterator[str]:
    """Yield the lines, those that end in a backslash joined with the next."""
    yield from code.replace("\\\n", " ").splitlines()


def is_set_up(words: list[str]) -> bool:
    """Say whether a command installs, tests or measures; check what it names, but do not run it."""
    if words[:2] == ["pip", "install"]:
        check_installable(words[2:])
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(f"\n{target}:" in makefile for target in words[1:]), words
    elif words[0] == "python" and words[1].startswith(("benchmarks/", "scripts/", "tests/")):
        assert (ROOT / words[1]).is_file(), f"there is no script {words[1]}"
    else:
        return False
    return True


def check_installable(wanted: list[str]) -> None:
    """Check that the extras named are this package's; other packages go by their name alone."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in wanted:
        own = re.fullmatch(r"(?:\.|cellclassifier)(?:\[([\w,-]+)\])?", name)
        extras = own[1].split(",") if own and own[1] else []
        assert set(extras) <= set(project["optional-dependencies"]), f"no such extra: {name}"


def run_by_bash(command: str) -> None:
    """Run one command with all that belongs to it, such as pipes."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def programs_path() -> str:
    """Return a PATH with this Python's programs, and stubs of a cluster's, before all others."""
    return os.pathsep.join([str(Path(sys.executable).parent), str(STUBS), os.environ["PATH"]])
