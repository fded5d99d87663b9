"""The commands ``plot …``: figures for papers, from files that the other commands wrote."""

# The heavy imports stand inside the functions, so that --help answers at once. The signatures are
# read when a command runs: their types have to be real.

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cellclassifier.cli.console import say
from cellclassifier.cli.options import AS_FOUND, CellsOptions
from cellclassifier.cli.scoring import read_scored

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cellclassifier.evaluation import Evaluation


def confusion(
    named: Path,
    *,
    truth_key: str,
    out: Path,
    label_map: Path | None = None,
    normalise: Literal["true", "predicted", "none"] = "true",
) -> None:
    """Draw the confusion matrix of annotated cells.

    Parameters
    ----------
    named
        Cells that annotate wrote.
    truth_key
        The column of .obs with the true types.
    out
        The figure to write: .png, .svg or .pdf.
    label_map
        A CSV with the columns label,mapped, as for evaluate.
    normalise
        Shares of the true type, of the predicted type, or none for numbers of cells.
    """
    from cellclassifier.reporting import plots

    _draw(out, lambda: plots.confusion(_scored(named, truth_key, label_map), normalise=normalise))


def reliability(named: Path, *, truth_key: str, out: Path, label_map: Path | None = None) -> None:
    """Draw accuracy against confidence.

    Parameters
    ----------
    named
        Cells that annotate wrote.
    truth_key
        The column of .obs with the true types.
    out
        The figure to write: .png, .svg or .pdf.
    label_map
        A CSV with the columns label,mapped, as for evaluate.
    """
    from cellclassifier.reporting import plots

    _draw(out, lambda: plots.reliability(_scored(named, truth_key, label_map)))


def answered(*named: Path, truth_key: str, out: Path, label_map: Path | None = None) -> None:
    """Draw the accuracy over the surest cells against the share of all that they are.

    Parameters
    ----------
    named
        Cells that annotate wrote; several files get a line each.
    truth_key
        The column of .obs with the true types.
    out
        The figure to write: .png, .svg or .pdf.
    label_map
        A CSV with the columns label,mapped, as for evaluate.
    """
    from cellclassifier.errors import InputError
    from cellclassifier.reporting import plots

    if not named:
        raise InputError("name one file of annotated cells or more")
    _draw(
        out,
        lambda: plots.answered(
            {path.stem: _scored(path, truth_key, label_map) for path in named}
            if len(named) > 1
            else _scored(named[0], truth_key, label_map)
        ),
    )


def genes(
    model: Path,
    *,
    out: Path,
    cells: Path | None = None,
    labels_key: str | None = None,
    cell_type: Annotated[str | None, Parameter(name="--type")] = None,
    n_genes: Annotated[int, Parameter(name="--genes")] = 15,
    seed: int = 0,
    options: CellsOptions = AS_FOUND,
) -> None:
    """Draw the genes that speak for each type: how they are expressed, or what they contribute.

    Parameters
    ----------
    model
        The model file.
    out
        The figure to write: .png, .svg or .pdf.
    cells
        Cells to explain, as for explain; without them, those that the model file keeps.
    labels_key
        The column of .obs with the type that each cell is explained as, as for explain.
    cell_type
        Draw what the best genes of this one type contribute; without it, the expression of the
        best five of each type in all types, as dots.
    n_genes
        How many genes of the one type.
    seed
        Of the cells that are drawn.
    """
    import cellclassifier as cc
    from cellclassifier.reporting import plots

    def draw() -> "Axes":
        classifier, settings = cc.CellTypeClassifier.load(model), cc.ExplainSettings(seed=seed)
        given = None if cells is None else options.read(cells)
        explanation = classifier.explain(
            given, labels_key=labels_key, settings=settings, **options.counts
        )
        if cell_type is None:
            return plots.markers(explanation)
        return plots.contributions(explanation, cell_type, n_genes=n_genes)

    _draw(out, draw)


def embedding(
    named: Path,
    *,
    out: Path,
    colour: str = "predicted_cell_type",
    basis: str = "X_umap",
    seed: int = 0,
    options: CellsOptions = AS_FOUND,
) -> None:
    """Draw cells in a plane, coloured by a column of .obs.

    Parameters
    ----------
    named
        Cells that annotate wrote, or any with that column.
    out
        The figure to write: .png, .svg or .pdf.
    colour
        The column: texts get a colour each, numbers a scale.
    basis
        The entry of .obsm with the places. Where X_umap is not there, it is made: UMAP by scanpy of
        the cells' counts, at most 50,000 of them, drawn by the seed.
    seed
        Of that.
    """
    from cellclassifier.cli.embedding import draw_embedding

    _draw(out, lambda: draw_embedding(options.read(named), colour, basis, seed, options.counts))


def panel(table: Path, *, out: Path) -> None:
    """Draw what panels of each size reach.

    Parameters
    ----------
    table
        The CSV that the command panel wrote.
    out
        The figure to write: .png, .svg or .pdf.
    """
    from cellclassifier.reporting import plots
    from cellclassifier.reporting.gene_plots import read_panel_scores

    _draw(out, lambda: plots.panel(read_panel_scores(table)))


def _draw(out: Path, draw: "Callable[[], Axes | Figure]") -> None:
    """Check at once that a figure can be written, draw it and write it."""
    from cellclassifier.files import check_writable
    from cellclassifier.reporting import plots

    check_writable(plots.check_figure_path(out))
    plots.save_figure(draw(), out)
    say(f"wrote {out}")


def _scored(named: Path, truth_key: str, label_map: Path | None) -> "Evaluation":
    _, evaluation = read_scored(named, truth_key, label_map)
    return evaluation
