"""What plotting libraries weigh in a page, and how they draw 50,000 cells there.

    PYTHONPATH=benchmarks/accuracy python benchmarks/report/libraries.py

Bokeh is taken from its Python package, the others from npm, as their makers build them for a page.
Each draws the same cells in a page of its own, under the policy of our reports, which forbids every
request, and `eval`. Repeated and in turns, in headless Chromium; rows go to
benchmarks/results/report_libraries.jsonl. The cells are made by this script, whose hash stands in
the rows.
"""

import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from in_chromium import Seen, opened_pages
from record import Row, provenance, save

N_CELLS, N_REPEATS = 50_000, 5
# of the window; the cells cover a tenth of it
LEAST_COLOURED = 0.02
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
PAGE = """<!doctype html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<div id="plot" style="width:900px;height:560px"></div>
<script>{library}</script>
<script>
const told = {cells};
const root = document.documentElement;
const done = () => requestAnimationFrame(() => {{ root.dataset.ready = "yes"; }});
{draw}
</script>"""


@dataclass(frozen=True)
class Library:
    """A library, the file of it that a page needs, and how it draws cells."""

    name: str
    package: str
    file: str
    draw: str


PLOTLY = """
Plotly.newPlot("plot", [{x: told.x, y: told.y, text: told.name, mode: "markers", type: "TYPE",
  marker: {color: told.colour, size: 3}}]).then(done);
"""
LIBRARIES = (
    Library(
        "plotly.js, gl2d bundle",
        "plotly.js-gl2d-dist-min",
        "package/plotly-gl2d.min.js",
        PLOTLY.replace("TYPE", "scattergl"),
    ),
    Library(
        "plotly.js, basic bundle",
        "plotly.js-basic-dist-min",
        "package/plotly-basic.min.js",
        PLOTLY.replace("TYPE", "scatter"),
    ),
    Library(
        "ECharts",
        "echarts",
        "package/dist/echarts.min.js",
        """
const chart = echarts.init(document.getElementById("plot"));
chart.on("finished", done);
chart.setOption({animation: false, tooltip: {}, xAxis: {}, yAxis: {}, series: [{type: "scatter",
  progressive: 0, symbolSize: 3, data: told.x.map((x, n) => ({value: [x, told.y[n]],
  name: told.name[n], itemStyle: {color: told.colour[n]}}))}]});
""",
    ),
)
BOKEH = "Bokeh"
DRAW_BOKEH = """
const item = told.item; delete told.item;
Bokeh.embed.embed_item(item, "plot").then(() => {
  const models = Bokeh.documents.flatMap((doc) => [...doc._all_models.values()]);
  models.find((model) => model.name === "cells").data = told;
  done();
});
"""


def main() -> None:
    """Weigh, draw, print and save."""
    with tempfile.TemporaryDirectory(prefix="libraries-") as folder:
        pages = {BOKEH: bokeh_page(Path(folder))}
        pages |= {one.name: npm_page(one, Path(folder)) for one in LIBRARIES}
        seen = opened_pages({name: path for name, (path, _, _) in pages.items()}, N_REPEATS)
    rows: list[Row] = [
        {
            "library": name,
            "version": version,
            "library_bytes": size,
            "n_cells": N_CELLS,
            **seconds(seen[name], seen[BOKEH]),
            "coloured": round(seen[name].coloured, 3),
            "errors": seen[name].errors[:2],
            **provenance(Path(__file__)),
        }
        for name, (_, version, size) in pages.items()
    ]
    for row in rows:
        print(json.dumps({key: row[key] for key in list(row)[:8]}))
    save("report_libraries.jsonl", rows, lambda _: True)


def seconds(own: Seen, bokeh: Seen) -> Row:
    """Return the median time, also as a multiple of Bokeh's; None where nothing was drawn."""
    if own.coloured < LEAST_COLOURED:
        return {"seconds": None, "relative_seconds": None}
    ratios = [mine / base for mine, base in zip(own.seconds, bokeh.seconds, strict=True)]
    return {"seconds": round(median(own.seconds), 2), "relative_seconds": round(median(ratios), 2)}


def cells() -> dict[str, list[float] | list[str]]:
    """Return positions, names and colours of cells."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(12, 2)) * 6
    codes = rng.integers(0, 12, N_CELLS)
    position = (centre[codes] + rng.normal(size=(N_CELLS, 2))).round(3)
    colours = [f"hsl({30 * code},70%,45%)" for code in codes]
    names = [f"CELL{number:06d}-1" for number in range(N_CELLS)]
    return {
        "x": position[:, 0].tolist(),
        "y": position[:, 1].tolist(),
        "name": names,
        "colour": colours,
    }


def npm_page(library: Library, folder: Path) -> tuple[Path, str, int]:
    """Write a page with a library of npm; return it, the version, and the bytes of the library."""
    done = subprocess.run(
        ["npm", "pack", library.package, "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (packed,) = json.loads(done.stdout)
    with tarfile.open(folder / packed["filename"]) as archive:
        archive.extract(library.file, folder / library.package, filter="data")
    code = (folder / library.package / library.file).read_text(encoding="utf-8")
    return (
        write_page(folder / f"{library.package}.html", code, library.draw, {}),
        packed["version"],
        len(code),
    )


def bokeh_page(folder: Path) -> tuple[Path, str, int]:
    """Write a page with the Bokeh that is installed, as our reports do."""
    import bokeh
    from bokeh.embed import json_item
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure
    from bokeh.util.paths import bokehjs_path

    code = (bokehjs_path(dev=False) / "js" / "bokeh.min.js").read_text(encoding="utf-8")
    plot = figure(width=900, height=560, tools="pan,wheel_zoom,hover", tooltips="@name")
    source = ColumnDataSource({name: [] for name in ("x", "y", "name", "colour")}, name="cells")
    plot.scatter("x", "y", source=source, color="colour", size=3)
    page = write_page(folder / "bokeh.html", code, DRAW_BOKEH, {"item": json_item(plot)})
    return page, bokeh.__version__, len(code)


def write_page(path: Path, code: str, draw: str, more: dict[str, object]) -> Path:
    """Write a page that draws the cells."""
    told = json.dumps({**cells(), **more})
    path.write_text(
        PAGE.format(policy=POLICY, library=code, cells=told, draw=draw), encoding="utf-8"
    )
    return path


if __name__ == "__main__":
    main()
