"""The page, its style and its script, which has the look of the reports."""

from functools import cache
from importlib.metadata import version
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from cellclassifier.app.room import CELLS_SUFFIXES, MODEL_SUFFIXES

# by name: importing the reports would take longer than all else until the page opens
ASSETS, REPORT_ASSETS = (
    files("cellclassifier") / folder / "assets" for folder in ("app", "reporting/report")
)


@cache
def page_text(max_bytes: int) -> str:
    """Return the page.

    Parameters
    ----------
    max_bytes
        The largest file that can be dropped.
    """
    environment = Environment(
        loader=PackageLoader("cellclassifier.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        version=version("cellclassifier"),
        max_bytes=max_bytes,
        max_size=f"{max_bytes / 1e9:,.3g} GB",
        cells_suffixes=",".join(CELLS_SUFFIXES),
        model_suffixes=",".join(MODEL_SUFFIXES),
    )


@cache
def style_text() -> str:
    """Return the style of reports, and what the page has more."""
    own = (ASSETS / "app.css").read_text(encoding="utf-8")
    return (REPORT_ASSETS / "report.css").read_text(encoding="utf-8") + own


@cache
def script_text() -> str:
    """Return the switch of light and dark, and the page's own script."""
    own = (ASSETS / "app.js").read_text(encoding="utf-8")
    return (REPORT_ASSETS / "theme.js").read_text(encoding="utf-8") + own
