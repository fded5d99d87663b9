"""The tables of the records on large files stand in the results."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DECISIONS = ROOT / "docs" / "decisions"
# cells of the files of two kinds that were trained from
OF_KINDS = 30_000


def rows_of(name):
    text = (ROOT / "benchmarks" / "results" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def record(number):
    return next(DECISIONS.glob(f"{number}-*.md")).read_text(encoding="utf-8")


def line_of(values):
    return f"| {' | '.join(map(str, values))} |"


def naming_lines():
    rows = [row for row in rows_of("scale") if "times_read" in row and "CellTypist" not in row]
    for row in rows:
        yield line_of(
            [
                row["kind"], f"{row['n_cells']:,}", row["work"], f"{row['seconds']:.1f}",
                f"{row['times_read_by_anndata']:.1f}", f"{row['times_read']:.1f}",
                f"{row['cells_per_second']:,}", f"{row['peak_mb']:.0f}",
            ]
        )  # fmt: skip


def peer_lines():
    for row in rows_of("scale"):
        if row.get("work") in ("beside CellTypist", "CellTypist"):
            name = "cellclassifier" if "beside" in row["work"] else "CellTypist"
            yield line_of(
                [
                    name, f"{row['seconds']:.1f}", f"{row['cells_per_second']:,}",
                    f"{row['peak_mb']:,.0f}",
                ]
            )  # fmt: skip


def memory_lines():
    found = {}
    for row in rows_of("predict_speed"):
        of_size = found.setdefault((row["n_types"], row["n_genes"]), {})
        of_size[row["way"], row["cores"]] = f"{row['cells_per_second']:,}"
    ours = [(way, n_cores) for way in ("classify", "predict") for n_cores in (1, 2)]
    ways = [*ours, ("logistic regression", 1)]
    for (n_types, n_genes), of_way in found.items():
        yield line_of([f"{n_genes:,}", n_types, *(of_way[way] for way in ways)])


def process_lines():
    found = {}
    for row in rows_of("scale_processes"):
        found.setdefault((row["network"], row["batch_size"]), {})[row["way"]] = row
    for (network, size), of_way in found.items():
        shown = [
            f"{of_way[way]['times_one']:.2f}" if way in of_way else ""
            for way in ("two", "exchanged", "added", "apart")
        ]
        yield line_of([network, size, *shown])


def training_lines():
    for row in rows_of("scale_train"):
        if row["way"] == "resumed" or row["n_cells"] == OF_KINDS:
            continue  # after a kill only its model says something; others have their own table
        scan = "" if row["scan_seconds"] is None else f"{row['scan_seconds']:.1f}"
        yield line_of(
            [
                f"{row['n_cells']:,}", row["way"],
                ", ".join(f"{value:.1f}" for value in row["pass_seconds"]),
                ", ".join(f"{value:.1f}" for value in row["epoch_seconds"]),
                scan, f"{row['rest_seconds']:.1f}", f"{row['peak_mb']:,}", row["model"][:8],
            ]
        )  # fmt: skip


def kind_lines():
    """Training from a file that is compressed, beside one that is not."""
    rows = [row for row in rows_of("scale_train") if row["n_cells"] == OF_KINDS]
    stores = {row["kind"]: row["seconds"] for row in rows if row["way"] == "store"}
    for row in rows:
        if row["way"] == "disk":
            yield line_of(
                [
                    row["kind"], f"{row['n_cells']:,}",
                    ", ".join(f"{value:.1f}" for value in row["pass_seconds"]),
                    ", ".join(f"{value:.1f}" for value in row["epoch_seconds"]),
                    stores.get(row["kind"], ""), row["model"][:8],
                ]
            )  # fmt: skip


def start_lines():
    names = {
        "inspect": "`inspect`",
        "annotate": "`annotate`",
        "annotate, Keras first": "`annotate`, Keras imported and the network built first",
        "CellTypist": "CellTypist",
    }
    for row in rows_of("start_speed"):
        times = [f"{row[key]:.1f}" for key in ("seconds", "cpu_seconds")]
        yield line_of([names[row["what"]], *times, f"{row['peak_mb']:,.0f}"])


TABLES = [
    ("0029", training_lines, 3),
    ("0029", kind_lines, 2),
    ("0031", process_lines, 3),
    ("0032", naming_lines, 16),
    ("0032", peer_lines, 2),
    ("0032", memory_lines, 6),
    ("0036", start_lines, 4),
]


@pytest.mark.parametrize(("number", "lines", "n_lines"), TABLES)
def test_the_table_stands_in_the_results(number, lines, n_lines):
    expected, text = list(lines()), record(number).splitlines()
    assert len(expected) >= n_lines
    assert [line for line in expected if line not in text] == []


def test_what_is_said_of_the_rows_holds():
    models = {row["way"]: row["model"] for row in rows_of("scale_train") if row["n_cells"] == 20000}
    assert len(models) == 3
    assert len(set(models.values())) == 1  # from disk, from memory, and killed in between
    naming = {
        row["n_cells"]: row
        for row in rows_of("scale")
        if row.get("work") == "annotations" and row["kind"] == "h5ad, uncompressed"
    }
    assert naming[500_000]["peak_mb"] <= 1.05 * naming[100_000]["peak_mb"] < 1000
    largest = max(rows_of("scale_train"), key=lambda row: row["n_cells"])
    assert largest["n_cells"] == 500_000
    assert largest["peak_mb"] * 2**20 < 2e9
    (beside,) = (row for row in rows_of("scale") if row.get("work") == "beside CellTypist")
    said = (
        f"{beside['times_as_fast']:.0f} times as fast as CellTypist, "
        f"in {beside['share_of_memory']:.2f} of its memory"
    )
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")


def test_where_a_hundred_thousand_cells_a_second_are_named_from_memory():
    """As the record on naming from disk says below its table."""
    reached = {
        (row["way"], row["cores"], row["n_types"], row["n_genes"])
        for row in rows_of("predict_speed")
        if row["cells_per_second"] >= 100_000 and row["n_genes"] >= 2_000
    }
    assert reached == {
        ("classify", 2, 10, 2_000),
        ("classify", 2, 10, 4_000),
        ("predict", 2, 10, 2_000),
        ("predict", 2, 10, 4_000),
        ("predict", 2, 50, 2_000),
        ("predict", 1, 10, 2_000),
    }


def test_naming_without_keras_is_worth_it():
    seconds = {row["what"]: row["seconds"] for row in rows_of("start_speed")}
    assert seconds["annotate"] < 0.6 * seconds["annotate, Keras first"]
    assert 0.3 < seconds["annotate"] / seconds["CellTypist"] < 0.4  # "about a third", README.md
