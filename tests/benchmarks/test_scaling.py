"""The page on growth: its lines, its arithmetic, and that its tables are those of the results."""

import doctest
import math
import re

import growth
import growth_inputs
import growth_work
import pytest
import scaling
import scaling_figures
import scaling_forecast
import scaling_tables
from record import RESULTS
from scaling_figures import Line, Measured, bend, memory_growth

PAGE = scaling.PAGE.read_text(encoding="utf-8")
WORDS = re.sub(r"\s+", " ", PAGE)
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def row(part, n_cells, *, cores=2, genes=2000, n_types=10, **costs):
    """A row of work that takes 2 s, and 10 µs a cell."""
    seconds = 2 + 1e-5 * n_cells
    found = {
        "seconds": seconds,
        "cpu_seconds": seconds,
        "peak_mb": 700 + 2e-5 * n_cells,
        "peak_mb_before": 600,
    }
    found |= {"load_average": 0.5, "machine": "a machine", "commit": "abc", "repeats": 3}
    facts = {"part": part, "n_cells": n_cells, "genes": genes, "n_types": n_types, "cores": cores}
    return {"benchmark": "growth", **facts, **found, "file_mb": 0.011 * n_cells, **costs}


def steps(names, per_cell, n_cells):
    return {
        f"{name}_{kind}": per_cell * n_cells
        for name in names
        for kind in ("seconds", "cpu_seconds")
    }


@pytest.fixture
def measured():
    rows = [{"work": "read", "n_cells": 100_000}]  # of another benchmark
    naming = ("settling", "blocks", "table")
    for n in SIZES:
        rows.append(row("read", n, cores=1, genes=None, n_types=None, cpu_seconds=4e-6 * n))
        rows.append(row("align", n, cores=1))
        rows.append(row("name", n, table_mb=6e-5 * n, **steps(naming, 5e-6, n)))
        rows.append(row("train", n, kept_mb=0.002 * n, **steps(scaling_forecast.STEPS, 1e-5, n)))
        rows[-1] |= steps(["scan"], 1e-6, n)
    rows += [row("name on dask", n, **steps(naming, 8e-6, n)) for n in SIZES[2:4]]
    for genes, n_types in (("all", 10), (2000, 10), (2000, 100), (500, 10)):
        about = {"genes": genes, "n_types": n_types, "cores": 1}
        stages = steps(scaling_tables.STAGES, 1e-6, SIZES[2])
        rows.append(row("stages", SIZES[2], **about, **stages, align_cpu_seconds=1))
        if (genes, n_types) != (2000, 10):
            rows.append(row("align", SIZES[2], **about))
            table = {"table_cpu_seconds": 0.5}
            rows.append(row("name", SIZES[2], **about | {"cores": 2}, **table))
    rows.append(row("name", SIZES[2], cores=1, table_mb=6, **steps(naming, 1e-5, SIZES[2])))
    return Measured(rows)


def results_of(figures):
    return {figure.what: figure.result for figure in figures}


def test_naming_is_drawn_out_to_100_million_cells(measured):
    found = results_of(scaling_forecast.naming(measured))
    # 2 s + 10 µs each
    assert found["one machine, two cores, as measured"] == "17 min"
    assert found["of it, what is left of the table in the end"] == "8 min"
    # reading is longer than 5 µs / 32; then the table
    assert found["one machine, 32 cores: a cell"] == "4.00 µs, reading"
    assert found["one machine, 32 cores, at best"] == "15 min"
    # a tenth of 8 µs, and the table's 8 µs there
    assert found["10 machines of two cores, on Dask"] == "15 min"
    # five steps of 1 µs, one of them the network's, and the table's 5 µs: a tenth less
    assert found["two cores and a GPU, at best"] == "15 min"
    assert found["its cells over the bus, dense"] == "66.7 s"


def test_room_is_drawn_out_to_100_million_cells(measured):
    found = results_of(scaling_forecast.room(measured))
    assert found["the file, not compressed"] == "1.10 TB"
    assert found["reading it from a hard disk"] == "1.5 h"
    assert found["what two cores ask of the disk"] == "1.10 GB/s"
    assert found["the table of annotations"] == "6.0 GB"
    # 720 MB at a million, and 20 bytes for each more
    assert found["memory"] == "2.7 GB"


def test_training_is_drawn_out_to_100_million_cells(measured):
    found = results_of(scaling_forecast.training(measured))
    assert found["towers: all cells once"] == "17 min"
    assert found["in all, two cores"] == "67 min"
    assert found["towers with a GPU, at best"] == "2 min"
    assert found["counts kept on disk"] == "200 GB"


def test_a_line_is_found_from_small_files_as_from_large_ones():
    rows = [
        {"n_cells": n, "seconds": (2 + 1e-5 * n) * off}
        for n, off in zip(SIZES, (1.02, 0.98, 1.02, 0.98, 1), strict=True)
    ]
    line = Line.through(rows)
    assert line.start == pytest.approx(2, rel=0.05)
    assert line.per_cell == pytest.approx(1e-5, rel=0.05)


def test_time_that_bends_and_memory_that_grows_are_seen():
    rows = [
        {"n_cells": n, "cpu_seconds": 1e-12 * n**2, "peak_mb": 1e-3 * n, "peak_mb_before": 90}
        for n in SIZES
    ]
    assert bend(rows) > 10
    assert math.isnan(bend(rows[:2]))  # of two points nobody can tell
    ratio, per_cell = memory_growth(rows, 100_000)
    assert ratio == pytest.approx(10)
    assert per_cell == pytest.approx(1000)


@pytest.mark.parametrize("name", scaling.TABLES)
def test_a_table_has_no_figure_of_another_benchmark(name, measured):
    text = scaling.TABLES[name](measured)
    if name == "conditions":
        assert text.startswith("Measured on a machine, whose load was 0.5 to 0.5 meanwhile")
        return
    assert len(text.splitlines()) >= 4
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert "nan" not in text


def test_the_tables_of_the_page_are_those_of_the_results():
    assert scaling.with_tables(PAGE, scaling.read(RESULTS / "scale.jsonl")) == PAGE


def test_a_page_without_markers_is_refused(measured):
    with pytest.raises(ValueError, match="needs the lines"):
        scaling.with_tables("no tables here", measured)


def test_rows_say_how_to_repeat_them():
    needed = {"commit", "data", "data_sha256", "versions", "machine", "date", "load_average"}
    rows = list(scaling.read(RESULTS / "scale.jsonl").own())
    assert rows
    assert all(needed <= row.keys() for row in rows)


def test_what_the_page_says_of_the_package_is_so():
    from cellclassifier.classifier.sampling import SAMPLE_CELLS
    from cellclassifier.classifier.streaming import BLOCK_CELLS
    from cellclassifier.training.stacking.opinions import MAX_MEMBER_LOGITS
    from cellclassifier.training.stacking.paths import MAX_CELLS
    from cellclassifier.training.stacking.towers import MAX_BATCH, MAX_STEPS

    assert f"blocks of {BLOCK_CELLS:,} cells" in WORDS
    assert f"the sample of {SAMPLE_CELLS:,} cells" in WORDS
    assert f"look at {MAX_CELLS:,} cells at most" in WORDS
    assert MAX_MEMBER_LOGITS == 2**26
    assert f"From some 1.5 million cells on ({MAX_STEPS:,} steps of {MAX_BATCH})" in WORDS
    assert pytest.approx(MAX_STEPS * MAX_BATCH, rel=0.05) == 1.5e6
    assert growth_work.BATCH_CELLS == MAX_BATCH
    # of five folds four are seen: all heads have their 20,000 cells
    assert 0.8 * scaling_tables.LINEAR_FROM > MAX_CELLS


@pytest.mark.parametrize(
    "module", [growth, growth_inputs, scaling_figures, scaling_forecast, scaling_tables]
)
def test_the_examples_run(module):
    done = doctest.testmod(module)
    assert done.failed == 0
