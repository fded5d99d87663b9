"""How near three estimates of the Jensen-Shannon divergence come to the original study's ranking.

    python benchmarks/accuracy/gene_ranking.py

The 3,098 sorted cells here are ranked and compared with the published ranking of the original
20,000 cells of the same ten populations. One JSON line an estimate is written to
benchmarks/results/gene_ranking.jsonl, and a table is printed.
"""

import time

import numpy as np
import pandas as pd
from record import Row, provenance, save, shared_data
from scipy.stats import pearsonr, spearmanr

import cellclassifier as cc
from cellclassifier.data.ranking import Estimator

DATA = "zheng_sorted_facs.h5ad"
ORACLE = "seed_divergences.csv"
ESTIMATORS: tuple[Estimator, ...] = ("plug_in", "miller_madow", "smoothed")
TOPS = (30, 100, 300, 1000)


def main() -> None:
    """Rank by each estimate, compare, print and save."""
    cells = cc.read_cells(shared_data(DATA))
    published = pd.read_csv(shared_data(ORACLE))
    labels = cells.obs["cell_type"].astype(str)
    codes = cc.LabelSpace.of(labels).encode(labels)
    raw = cc.find_counts(cells)
    rows: list[Row] = []
    for estimator in ESTIMATORS:
        started = time.perf_counter()
        ranking = cc.rank_genes(raw.counts, codes, raw.genes, estimator=estimator)
        seconds = time.perf_counter() - started
        rows.append(
            {
                "estimator": estimator,
                **compared(ranking.to_frame(), published),
                "seconds": round(seconds, 3),
                **provenance(shared_data(DATA)),
            }
        )
    save("gene_ranking.jsonl", rows, lambda _: True)
    print("estimator     Spearman  Pearson  in common of the top " + " / ".join(map(str, TOPS)))
    for row in rows:
        common = " / ".join(f"{row[f'top_{top}']}" for top in TOPS)
        print(
            f"{row['estimator']:12}  {row['spearman']:.4f}    {row['pearson']:.3f}    {common}"
            f"   MALAT1 is number {row['rank_of_MALAT1']} "
            f"(published {row['published_rank_of_MALAT1']}), {row['seconds']:.2f} s"
        )


def compared(ranking: pd.DataFrame, published: pd.DataFrame) -> Row:
    """Compare two rankings, both best first, over the genes they share."""
    key, value = "ensembl_id", "js_divergence_nats"
    both = ranking.merge(published, on=key, suffixes=("", "_published"))
    ours, theirs = both[value], both[f"{value}_published"]
    overlap = {
        f"top_{top}": len(set(ranking[key][:top]) & set(published[key][:top])) for top in TOPS
    }
    return {
        "n_genes": len(both),
        "spearman": float(spearmanr(ours, theirs).statistic),
        "pearson": float(pearsonr(ours, theirs).statistic),
        **overlap,
        "rank_of_MALAT1": rank_of("MALAT1", ranking),
        "published_rank_of_MALAT1": rank_of("MALAT1", published),
    }


def rank_of(symbol: str, ranking: pd.DataFrame) -> int:
    """Return the place of a gene, from 1."""
    return int(np.flatnonzero(ranking["gene_symbol"] == symbol)[0]) + 1


if __name__ == "__main__":
    main()
