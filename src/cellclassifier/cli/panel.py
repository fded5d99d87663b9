"""The command ``panel``: few genes that tell the types apart."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

from pathlib import Path

from rich.console import Console

from cellclassifier.cli.options import AS_FOUND, CellsOptions, Switch


def panel(
    reference: Path,
    *,
    labels_key: str,
    out: Path,
    sizes: str = "10,30,100,300",
    plot: Path | None = None,
    candidates: int = 4000,
    seed: int = 0,
    strict: Switch = False,
    options: CellsOptions = AS_FOUND,
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
    strict
        Refuse cells without a label, instead of leaving them out.
    """
    import cellclassifier as cc
    from cellclassifier.cli.console import say
    from cellclassifier.data import LabelledCounts
    from cellclassifier.files import check_writable
    from cellclassifier.reporting import panel_table, plots
    from cellclassifier.training import progress_bar

    numbers = _numbers(sizes)
    check_writable(out)
    if plot is not None:
        check_writable(plots.check_figure_path(plot))
    cells = LabelledCounts.of(options.read(reference), labels_key, strict=strict, **options.counts)
    with progress_bar("scoring panels") as watch:
        curve = cc.panel_curve(
            cells.raw,
            cells.labels,
            sizes=numbers,
            candidates=candidates,
            seed=seed,
            watch=watch,
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
