"""Text for the terminal: the genes that a model goes by."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cellclassifier.evaluation import Explanation

SHOWN_GENES = 10


def explanation_table(explanation: Explanation) -> RenderableType:
    """Return the best genes of each type, with the types that they tell it from."""
    table = Table("type", "cells", "rather than", "the genes that speak for it", box=None)
    table.pad_edge = False
    table.columns[1].justify = "right"
    for cell_type, rows in explanation.best(1).groupby("cell_type", sort=False):
        name = str(cell_type)
        table.add_row(
            Text(name),
            f"{explanation.n_cells[name]:,}",
            Text(str(rows["runner_up"].iloc[0])),
            Text(", ".join(explanation.genes_of(name, SHOWN_GENES))),
        )
    about = f"{explanation.source}; baseline: {BASELINES[explanation.baseline]}"
    return Group(table, "", Text(about))


BASELINES = {
    "mean": "the mean expression of the training cells",
    "zero": "a cell without counts",
}
