"""A page of HTML with all that it shows inside."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cellclassifier.errors import OutputError
from cellclassifier.files import check_writable, replacing

ASSETS = files("cellclassifier.reporting.report") / "assets"
SCRIPTS = ("theme.js", "tables.js", "plots.js", "cell_map.js")
STYLE = "report.css"


def check_report_path(path: str | Path) -> Path:
    """Return `path` where a report can be written there.

    Raises
    ------
    OutputError
        Its name does not end in ``.html``, or it cannot be written.

    Examples
    --------
    >>> check_report_path("report.pdf")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.OutputError: cannot write a report to 'report.pdf': name it .html; ...
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise OutputError(
            f"cannot write a report to '{path}': name it .html; a browser prints it as PDF"
        )
    return check_writable(path)


def write_page(
    template: str,
    path: str | Path,
    *,
    plots: Mapping[str, Any],
    data: Mapping[str, object],
    **content: object,
) -> None:
    """Fill a template and write it, whole or not at all.

    Parameters
    ----------
    template
        The name of a file in ``templates``.
    path
        Where to.
    plots
        Figures of Bokeh, by the id of the element that each is drawn in.
    data
        What the scripts of the page are given, by name: what JSON can hold.
    **content
        What the template is given.
    """
    path = check_report_path(path)
    text = (
        _environment()
        .get_template(template)
        .render(
            style=_asset(STYLE),
            library=_library() if plots else "",
            scripts=[_asset(name) for name in SCRIPTS],
            plots={name: as_json(_item(figure, name)) for name, figure in plots.items()},
            data=as_json(data),
            made_by=f"cellclassifier {version('cellclassifier')}",
            **content,
        )
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def as_json(content: object) -> Markup:
    r"""Return JSON for a script element, which nothing in it can end.

    Examples
    --------
    >>> as_json({"label": "</script>"})
    Markup('{"label":"\\u003c/script\\u003e"}')
    """
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704  (no letter that means anything in HTML is left)


def packed(values: npt.NDArray[Any]) -> str:
    """Return the bytes of numbers, low ones first, as a text that JSON can hold.

    >>> packed(np.array([1, 2], dtype=np.uint16))
    'AQACAA=='
    """
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode("ascii")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cellclassifier.reporting.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": "{:,}".format, "share": _as_share, "digits": _as_digits}
    return environment


def _as_share(value: float | None, digits: int = 1) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.{digits}%}"


def _as_digits(value: float | None, digits: int = 3) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.{digits}f}"


def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))  # noqa: S704  (our own file)


def _library() -> Markup:
    """Return the part of Bokeh that runs in a browser, as its package ships it."""
    from bokeh.util.paths import bokehjs_path

    path = bokehjs_path(dev=False) / "js" / "bokeh.min.js"
    return Markup(path.read_text(encoding="utf-8"))  # noqa: S704  (of the installed package)


def _item(figure: Any, name: str) -> Any:  # noqa: ANN401  (Bokeh's types)
    from bokeh.embed import json_item

    return json_item(figure, name)
