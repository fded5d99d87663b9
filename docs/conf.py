"""How Sphinx builds the pages: ``make docs``, without a network, and without a warning."""

import re
from importlib.metadata import version as version_of
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cellclassifier.cli.app import build_app

project = "cellclassifier"
author = "The cellclassifier authors"
copyright = author  # noqa: A001  (the name that Sphinx reads)
version = release = version_of("cellclassifier")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks keep their outputs; tests/test_notebooks.py runs them
default_role = "code"  # docstrings name things in single backticks
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
napoleon_attr_annotations = False  # the signature has them
napoleon_google_docstring = False
napoleon_use_ivar = True
templates_path = ["_templates"]
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "sphinx_book_theme"
html_title = f"cellclassifier {release}"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True, "navbar_persistent": []}
html_show_sourcelink = False

# Two pages live beside the scripts that write them, and are included under docs/benchmarks: links
# that lead out of this folder on a repository's page lead to the inclusions here.
_OUTSIDE = re.compile(r"\.\./(benchmarks/(?:leaderboard|protocol)\.md)")
# how autodoc spells numpy's arrays in a signature, short of the type of their elements
_ARRAY = re.compile(r"~numpy\.ndarray\[tuple\[~typing\.Any, \.\.\.\], ~numpy\.dtype\[(.+?)\]\]")


def lead_inside(_app: Sphinx, _name: str, source: list[str]) -> None:
    """Turn links to the pages beside the benchmarks into links to their inclusions."""
    source[0] = _OUTSIDE.sub(r"\1", source[0])


def shorten_arrays(
    _app: Sphinx,
    _what: str,
    _name: str,
    _obj: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Write arrays in a signature as the code does."""
    short = [text and _ARRAY.sub(r"NDArray[\1]", text) for text in (signature, returned)]
    return short[0], short[1]


class CommandLine(SphinxDirective):
    """All commands with their options, from the functions that run them."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Return the help of each command as a section."""
        text = build_app().generate_docs(output_format="markdown")
        _contents, heading, sections = text.partition("\n## cellclassifier ")
        return self.parse_text_to_nodes(heading + sections, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is above."""
    app.add_directive("command-line", CommandLine)
    app.connect("source-read", lead_inside)
    app.connect("autodoc-process-signature", shorten_arrays)
    return {"parallel_read_safe": True}
