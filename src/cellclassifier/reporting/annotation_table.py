"""What came of the cells of a file, as a table."""

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table

from cellclassifier.data.streaming import FileAnnotation
from cellclassifier.predictions import STATUSES, UNKNOWN
from cellclassifier.reporting.tables import facts_table


def annotation_table(named: FileAnnotation) -> RenderableType:
    """Return how many cells were given each type, and with what confidence."""
    table = Table("predicted type", box=None, pad_edge=False)
    table.add_column("cells", justify="right")
    table.add_column("median confidence", justify="right")
    for label, n_cells, median in type_counts(named):
        table.add_row(label, f"{n_cells:,}", f"{median:.2f}")
    return Group(table, "", facts_table(annotation_facts(named)), "", named.advice)


def type_counts(named: FileAnnotation) -> list[tuple[str, int, float]]:
    """Return label, cells and median confidence of each type found, the commonest first."""
    cells = pd.DataFrame({"code": named.codes, "confidence": named.confidence})
    found = cells.groupby("code")["confidence"].agg(["size", "median"])
    found = found.sort_values("size", ascending=False, kind="stable")
    labels = [*named.label_space.labels, UNKNOWN]
    return [(labels[code], int(size), float(median)) for code, size, median in found.itertuples()]


def annotation_facts(named: FileAnnotation) -> dict[str, str]:
    """Return what is to be known of the cells as a whole, in words."""
    facts = {"model's genes measured": f"{named.gene_coverage:.1%}", **_statuses(named)}
    if named.shift is not None:
        facts["shift"] = f"{named.shift:.2f}"
    if n_empty := _n_empty_sets(named):
        cells = "1 cell" if n_empty == 1 else f"{n_empty:,} cells"
        facts["empty sets"] = f"{cells}, by lot, so that sets are right as often as asked for"
    return facts


def _statuses(named: FileAnnotation) -> dict[str, str]:
    """Return how many cells there are of each status, the best first."""
    if named.status is None:
        return {}
    sizes = np.bincount(named.status, minlength=len(STATUSES))
    return {
        status.replace("_", " "): f"{size:,} {'cell' if size == 1 else 'cells'} "
        f"({size / len(named.status):.1%})"
        for status, size in zip(reversed(STATUSES), reversed(sizes), strict=True)
        if size
    }


def _n_empty_sets(named: FileAnnotation) -> int:
    """Count the cells whose prediction set has no type."""
    sets = named.packed_sets
    return 0 if sets is None else int((sets == 0).all(axis=1).sum())
