"""The command ``panel``: few genes that tell the types apart."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

from pathlib import Path

from rich.console import Console


def panel(
    reference: Path,
    *,
    labels_key: str,
    out: Path,
    sizes: str = "10,30,100,300",
    plot: Path | None = None,
    candidates: int = 4000,
    seed: int = 0,
    layer: str | None = None,
    library_size_key: str | None = None,
    gene_ids: str | None = None,
) -> None:
    """Choose few genes that tell the types apart, and say how well.

    Parameters
    ----------
    reference
        Labelled cells with raw counts, as for train.
    labels_key
        The column of .obs with the cell types.
    out
        The CSV to write, best gene first: rank, ensembl_id, gene_symbol, gain, panel_size, and the
        accuracy and macro-F1 that the panel of that size reaches. train --genes takes it.
    sizes
        The numbers of genes to score, separated by commas; the largest is the panel written.
    plot
        Where to draw accuracy and macro-F1 against size, beside those of the most divergent genes:
        .png, .svg or .pdf.
    candidates
        How many of the most divergent genes to choose from.
    seed
        Of the folds and of the training.
    layer
        The layer with the raw counts, where find_counts shall look nowhere else.
    library_size_key
        The column of .obs with each cell's counts over all genes, where genes were removed.
    gene_ids
        The column of .var with the gene names or ids.
    """
    import cellclassifier as cc
    from cellclassifier.cli.console import say
    from cellclassifier.data import read_training_labels
    from cellclassifier.files import check_writable
    from cellclassifier.reporting import panel_table, plots
    from cellclassifier.training import progress_bar

    numbers = _numbers(sizes)
    check_writable(out)
    if plot is not None:
        check_writable(plots.check_figure_path(plot))
    cells = cc.read_cells(reference)
    labels = read_training_labels(cells, labels_key)
    raw = cc.find_counts(cells, layer=layer, library_size_key=library_size_key, gene_ids=gene_ids)
    with progress_bar("scoring panels") as watch:
        curve = cc.panel_curve(
            raw, labels, sizes=numbers, candidates=candidates, seed=seed, watch=watch
        )
    curve.save(out)
    Console().print(panel_table(curve.summary()))
    written = [out]
    if plot is not None:
        plots.save_figure(plots.panel(curve.summary()), plot)
        written.append(plot)
    say(f"wrote {', '.join(map(str, written))}: {len(curve.choice):,} genes, best first")


def _numbers(sizes: str) -> list[int]:
    """Return the sizes of a text such as ``10,30,100``."""
    from cellclassifier.errors import InputError

    try:
        return [int(size) for size in sizes.split(",")]
    except ValueError as error:
        raise InputError(
            f"--sizes are whole numbers separated by commas, such as 10,30,100; not '{sizes}'"
        ) from error
