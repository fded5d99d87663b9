"""The table of the record on rare types stands in the results."""

from pathlib import Path

from few_cells import N_KEPT, RESULTS_FILE, VARIANTS, as_table
from rows import Rows

RECORD = Path(__file__).resolve().parents[2] / "docs" / "decisions" / "0034-rare-types.md"


def test_the_table_stands_in_the_results():
    text, table = RECORD.read_text(encoding="utf-8"), as_table(Rows(RESULTS_FILE).read())
    assert len(table) == len(N_KEPT) * len(VARIANTS)
    for row in table.itertuples(index=False):
        n_kept, variant, *scores = row
        line = " | ".join([str(n_kept), variant, *(f"{score:.2f}" for score in scores)])
        assert f"| {line} |" in text


def test_more_are_named_and_hardly_any_lost():
    table = as_table(Rows(RESULTS_FILE).read()).set_index(["n_kept", "variant"])
    for n_kept in N_KEPT:
        lifted, plain = (table.loc[n_kept, variant] for variant in ("lifted", "as fitted"))
        assert lifted["named, %"] > plain["named, %"] + 5
        others = "accuracy of the others, %"
        assert lifted[others] > plain[others] - 0.1
