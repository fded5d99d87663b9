"""The command ``explain``: the genes that a model goes by."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from cellclassifier.cli.options import AS_FOUND, CellsOptions, Switch


def explain(
    model: Path,
    *,
    out: Path,
    cells: Path | None = None,
    labels_key: str | None = None,
    n_genes: Annotated[int | Literal["all"], Parameter(name="--genes")] = 100,
    cells_per_type: int = 200,
    baseline: Literal["mean", "zero"] | None = None,
    map_orthologs: Switch = False,
    shift: float | None = None,
    seed: int = 0,
    options: CellsOptions = AS_FOUND,
) -> None:
    """Say which genes push cells toward each type, and away from the type that comes next.

    Parameters
    ----------
    model
        The model file.
    out
        The table to write, .csv or .json: for each type the best genes with their contribution,
        and their expression in the type and in the rest.
    cells
        Cells to explain, of any kind that annotate reads; 10,000 of them at most, drawn by the
        seed. Without them, those that the model file keeps.
    labels_key
        The column of .obs with the type that each cell is explained as. Without it, the one that
        the model gives it.
    n_genes
        How many genes of each type to write, or all.
    cells_per_type
        How many cells of each type are taken apart.
    baseline
        The cell that says nothing: mean, with the mean expression of the training cells, or zero,
        without counts. Without it, the mean where the model knows it.
    map_orthologs
        Match mouse cells to a model of human ones, or the reverse, through one-to-one orthologues.
    shift
        How far the cells are from the training cells, as for annotate.
    seed
        Of the cells that are drawn.
    """
    import cellclassifier as cc
    from cellclassifier.cli.console import say
    from cellclassifier.evaluation.explanation import check_explanation_path
    from cellclassifier.files import check_writable
    from cellclassifier.reporting.explanation_table import explanation_table

    check_writable(check_explanation_path(out))
    settings = cc.ExplainSettings(
        baseline=baseline,
        n_genes=None if n_genes == "all" else n_genes,
        cells_per_type=cells_per_type,
        seed=seed,
    )
    explanation = cc.CellTypeClassifier.load(model).explain(
        None if cells is None else options.read(cells),
        labels_key=labels_key,
        map_orthologs=map_orthologs,
        shift=shift,
        settings=settings,
        **options.counts,
    )
    explanation.save(out)
    Console().print(explanation_table(explanation))
    say(f"wrote {out}")
