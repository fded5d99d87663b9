"""What the pages say of shallow cells and of other tissues is what the results say."""

import json

import anndata as ad
import depth
import foreign
import numpy as np
import pandas as pd
import top_k
from record import RESULTS
from scipy import sparse


def test_cells_are_cut_down_as_asked():
    counts = np.random.default_rng(0).poisson(20, (50, 40)).astype("float32")
    sizes = pd.DataFrame(
        {"n_counts_all_genes": counts.sum(axis=1) + 400}, index=[f"cell{n}" for n in range(50)]
    )
    genes = pd.DataFrame(index=[f"gene{n}" for n in range(40)])
    cells = ad.AnnData(sparse.csr_matrix(counts), obs=sizes, var=genes)
    cut = depth.cut_down(cells, 0.25, 0.5)
    assert cut.shape == (50, 20)
    assert np.all(cut.X.toarray() <= cells[:, cut.var_names].X.toarray())
    assert abs(cut.X.sum() / cells[:, cut.var_names].X.sum() - 0.25) < 0.02
    kept = cut.obs["n_counts_all_genes"] / cells.obs["n_counts_all_genes"]
    assert abs(kept.mean() - 0.25) < 0.02
    assert depth.cut_down(cells, 1.0, 1.0).X.sum() == counts.sum()


def test_other_tissues_and_shallow_cells_stand_in_the_results():
    for made, results in ((depth, "trust_depth.jsonl"), (foreign, "trust_foreign.jsonl")):
        lines = (RESULTS / results).read_text(encoding="utf-8")
        rows = [json.loads(line) for line in lines.splitlines()]
        page = made.PAGE.read_text(encoding="utf-8")
        assert page.partition(made.MARKER)[2].strip().startswith(made.table(rows).strip())
        if made is depth:
            assert_calibrated(rows)
        else:
            unknown = {kind: [r["unknown"] for r in rows if r["cells"] == kind] for kind in
                       ("known", "pancreas")}  # fmt: skip
            assert max(unknown["known"]) < 0.07
            assert min(unknown["pancreas"]) > 0.99


def test_sets_beside_a_peers_first_guesses_stand_in_the_results():
    rows = [json.loads(line) for line in (RESULTS / "trust_top_k.jsonl").read_text().splitlines()]
    page = top_k.PAGE.read_text(encoding="utf-8")
    assert len(rows) == 6
    assert page.partition(top_k.MARKER)[2].strip().startswith(top_k.table(rows).strip())


def assert_calibrated(rows):
    """Hold what the page says of shallow cells, over all sets and settings."""
    before, after = (
        {name: np.array([row[kind][name] for row in rows]) for name in rows[0]["calibrated"]
         if name not in ("calibrated_depth", "shift")}
        for kind in ("as_it_is", "calibrated")
    )  # fmt: skip
    assert (after["accuracy"] - before["accuracy"]).mean() > 0.01
    assert (after["accuracy"] - before["accuracy"]).min() > -0.01
    assert np.median(after["log_loss"] / before["log_loss"]) < 0.98
    assert np.abs(after["coverage"] - 0.9).mean() < 0.5 * np.abs(before["coverage"] - 0.9).mean()
    assert after["unknown"].max() < 0.075 < before["unknown"].mean()
