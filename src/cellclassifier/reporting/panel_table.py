"""Text for the terminal: what panels of each size reach."""

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table

METHOD_NAMES = {"redundancy_aware": "redundancy-aware", "most_divergent": "most divergent"}
SCORE_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def panel_table(summary: pd.DataFrame) -> RenderableType:
    """Return accuracy and macro-F1 of each method by the number of genes, with 95 % intervals."""
    table = Table(box=None, pad_edge=False)
    table.add_column("genes", justify="right")
    for column in ("chosen", "accuracy", "macro-F1"):
        table.add_column(column)
    by_size = summary.sort_values(["n_genes", "method"], ascending=[True, False])
    for _, scores in by_size.iterrows():
        name = METHOD_NAMES[scores["method"]]
        intervals = (_interval(scores, score) for score in SCORE_NAMES)
        table.add_row(f"{scores['n_genes']:,}", name, *intervals)
    return Group("held-out cells of five folds, mean and 95 % interval:", "", table)


def _interval(scores: pd.Series, score: str) -> str:
    return f"{scores[score]:.3f} ({scores[f'{score}_low']:.3f}-{scores[f'{score}_high']:.3f})"
