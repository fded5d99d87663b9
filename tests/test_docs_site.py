"""The pages as a site: they build without a warning, and name and link what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cellclassifier as cc
from cellclassifier.cli.app import COMMANDS, build_app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
# two screens of a hundred columns
MAX_README_LINES = 110


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    """All pages are in a table of contents, all links lead somewhere, all docstrings parse."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    done = subprocess.run(
        [*command, "--builder", "dummy", DOCS, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]


def test_every_public_name_is_on_the_page_of_the_api_once():
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (\w+)$", text, flags=re.MULTILINE)
    elsewhere = {"__version__", "errors"}  # the latter has a page of its own
    assert sorted(listed) == sorted(set(cc.__all__) - elsewhere)


def test_the_command_line_has_all_commands_for_its_page():
    text = build_app().generate_docs(output_format="markdown")
    sections = re.findall(r"^## cellclassifier ([\w-]+)$", text, flags=re.MULTILINE)
    assert set(COMMANDS) <= set(sections)


def test_the_readme_fits_on_two_screens():
    assert len(README.splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_links_of_the_page_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)", text)
    files = [target for target in targets if not target.startswith("https:")]
    assert files
    assert [target for target in files if not (ROOT / target).exists()] == []


def test_the_readme_shows_a_picture():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+\.png)\)", README)
    assert pictures
    assert all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)
