"""What a classifier goes by, as a value."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cellclassifier.errors import InputError
from cellclassifier.evaluation.survey import GeneDots
from cellclassifier.files import replacing
from cellclassifier.labels import shown

KINDS = (".csv", ".json")


@dataclass(frozen=True, eq=False)
class Explanation:
    """The genes that push cells toward each type, and away from the type that comes next.

    Parameters
    ----------
    table
        A row for each type and gene, the best gene of a type first:

        - ``cell_type``, ``rank`` from 1 on, ``ensembl_id`` and ``gene_symbol``;
        - ``contribution``: to the difference between the logits of the type and of the runner-up
          (natural logarithm of the odds between both), mean over the type's cells; of it
          ``by_presence``, from cells with more of the gene than the baseline has, which is what
          ranks it, and ``by_absence``, from the others;
        - ``mean_expression`` and ``share_expressing`` in the type's cells, and with ``_rest`` in
          all others; expression as the model normalises it;
        - ``runner_up``: the type that comes next in most of the cells.
    n_cells
        The cells of each type that were taken apart.
    baseline
        ``"mean"`` or ``"zero"``, as in `ExplainSettings`.
    source
        Which cells these were, in words.
    dots
        How the best genes of each type are expressed in all types, for `plots.markers`.
    shift
        What the network was adapted to; None where it was not.
    """

    table: pd.DataFrame
    n_cells: dict[str, int]
    baseline: str
    source: str
    dots: GeneDots
    shift: float | None = None

    @property
    def types(self) -> list[str]:
        """The types that there were cells of, in the order of the model."""
        return list(self.n_cells)

    def best(self, n_genes: int = 10) -> pd.DataFrame:
        """Return the rows of the best genes of each type."""
        return self.table[self.table["rank"] <= n_genes]

    def genes_of(self, cell_type: str, n_genes: int = 10) -> list[str]:
        """Return the names of the best genes of a type: the symbol, or the id where there is none.

        Raises
        ------
        InputError
            There were no cells of that type.
        """
        if cell_type not in self.n_cells:
            raise InputError(
                f"no cell was explained as '{cell_type}'; there were cells of {shown(self.types)}"
            )
        rows = self.best(n_genes)
        rows = rows[rows["cell_type"] == cell_type]
        return [str(name) for name in gene_names(rows)]

    def to_json(self) -> dict[str, Any]:
        """Return what `save` writes as JSON: ``about`` and, for each type, a list of genes."""
        genes = self.table.drop(columns=["cell_type", "runner_up"])
        return {
            "about": {"cells": self.source, "baseline": self.baseline, "shift": self.shift},
            "types": {
                str(cell_type): {
                    "n_cells": self.n_cells[str(cell_type)],
                    "runner_up": str(rows["runner_up"].iloc[0]),
                    "genes": genes.loc[rows.index].to_dict("records"),
                }
                for cell_type, rows in self.table.groupby("cell_type", sort=False)
            },
        }

    def save(self, path: str | Path) -> None:
        """Write the table as ``.csv``, or all of it as ``.json``, whole or not at all.

        Raises
        ------
        InputError
            The name ends in something else.
        OutputError
            It cannot be written.
        """
        path = check_explanation_path(path)
        with replacing(path) as temporary:
            if path.suffix == ".csv":
                self.table.to_csv(temporary, index=False, float_format="%.6g")
            else:
                temporary.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    def __repr__(self) -> str:
        head = f"Explanation of {len(self.types)} types by {self.source} (baseline {self.baseline})"
        return "\n".join(
            [head, *(f"  {each}: {', '.join(self.genes_of(each))}" for each in self.types)]
        )


def gene_names(rows: pd.DataFrame) -> pd.Series:
    """Return the symbol of each gene, or its id where there is none."""
    return rows["gene_symbol"].where(rows["gene_symbol"] != "", rows["ensembl_id"])


def check_explanation_path(path: str | Path) -> Path:
    """Return `path` where its ending is that of an explanation."""
    path = Path(path)
    if path.suffix not in KINDS:
        raise InputError(f"an explanation is written as {' or '.join(KINDS)}, not as '{path}'")
    return path
