"""The command that searches the settings of a network."""

from pathlib import Path

from rich.console import Console

from cellclassifier.cli.console import say
from cellclassifier.cli.options import AS_FOUND, CellsOptions, Switch


def tune(
    reference: Path,
    *,
    labels_key: str,
    out: Path,
    network: str = "mlp",
    trials: int = 30,
    study: Path | None = None,
    timeout: float | None = None,
    importance: Path | None = None,
    seed: int = 0,
    batch_key: str | None = None,
    strict: Switch = False,
    options: CellsOptions = AS_FOUND,
) -> None:
    """Search the settings under which a network names cells best.

    Parameters
    ----------
    reference
        Labelled cells with raw counts, as for train.
    labels_key
        The column of .obs with the cell types.
    out
        The settings to write, BEST.json, for train --config.
    network
        mlp, linear or cnn.
    trials
        How many settings to try, those already in the study included.
    study
        A SQLite file that keeps the trials. Run again with the same file, and the search goes on
        where it was interrupted, or with a higher number of trials.
    timeout
        Seconds after which no new trial begins.
    importance
        Where to draw which settings mattered: .png, .svg or .pdf.
    seed
        The same seed gives the same trials on the same machine.
    batch_key
        The column of .obs with donors, studies or lanes: each is scored by classifiers that have
        not seen it.
    strict
        Refuse cells without a label, instead of leaving them out.
    """
    import cellclassifier as cc
    from cellclassifier.files import check_writable
    from cellclassifier.reporting import plots
    from cellclassifier.reporting.tuning import draw_importance, trials_table
    from cellclassifier.training import progress_bar

    check_writable(out)
    if importance is not None:
        check_writable(plots.check_figure_path(importance))
    plan = cc.TuningPlan(network, n_trials=trials, study=study, seed=seed, timeout=timeout)
    cells = options.read(reference)
    try:
        with progress_bar(f"tuning {network}") as watch:
            tuning = cc.tune(
                cells,
                labels_key=labels_key,
                batch_key=batch_key,
                plan=plan,
                strict=strict,
                watch=watch,
                **options.counts,
            )
    except KeyboardInterrupt:
        if study is None:
            raise
        raise KeyboardInterrupt(
            f"interrupted; '{study}' keeps the trials that ended: the same command goes on"
        ) from None
    Console().print(trials_table(tuning.trials))
    tuning.best.save(out)
    say(f"wrote {out}")
    if importance is not None and tuning.importance:
        plots.save_figure(draw_importance(tuning.importance), importance)
        say(f"wrote {importance}")
    elif importance is not None:
        say(f"did not draw {importance}: too few trials came to an end to say what mattered")
