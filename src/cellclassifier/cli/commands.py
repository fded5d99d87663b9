"""The commands: read files, one public call, write files."""

# The heavy imports stand inside the functions, so that --help answers at once. The signatures are
# read when a command runs: their types have to be real.

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from cellclassifier.cli.console import say, show_model
from cellclassifier.cli.options import AS_FOUND, CellsOptions, Switch
from cellclassifier.cli.report import command_line, reporting_to
from cellclassifier.cli.scoring import read_scored, score_batches


def evaluate(
    named: Path,
    *,
    truth_key: str,
    label_map: Path | None = None,
    batch_key: str | None = None,
    out: Path | None = None,
    confusion: Path | None = None,
    report: Path | None = None,
) -> None:
    """Score annotated cells against their true types.

    Parameters
    ----------
    named
        Cells that annotate wrote.
    truth_key
        The column of .obs with the true types.
    label_map
        A CSV with the columns label,mapped, applied to truth and prediction alike, to score two
        vocabularies at a common level.
    batch_key
        The column of .obs with donors, studies or lanes, to show the accuracy of each.
    out
        Where to write the scores as JSON.
    confusion
        Where to draw the confusion matrix: .png, .svg or .pdf.
    report
        A page to look at, .html: all scores, with plots.
    """
    import cellclassifier as cc
    from cellclassifier.data.annotations import read_provenance
    from cellclassifier.files import check_writable
    from cellclassifier.reporting import batches_table, evaluation_table, plots
    from cellclassifier.reporting.report.page import check_report_path

    if out is not None:
        check_writable(out)
    if report is not None:
        check_report_path(report)
    if confusion is not None:
        check_writable(plots.check_figure_path(confusion))
    cells, evaluation = read_scored(named, truth_key, label_map)
    Console().print(evaluation_table(evaluation))
    if batch_key is not None:
        Console().print("", batches_table(score_batches(cells, truth_key, batch_key, label_map)))
    if out is not None:
        evaluation.save(out)
        say(f"wrote {out}")
    if confusion is not None:
        plots.save_figure(plots.confusion(evaluation), confusion)
        say(f"wrote {confusion}")
    if report is not None:
        scored = {"true types": f".obs['{truth_key}']"}
        if label_map is not None:
            scored["mapped by"] = label_map.name
        with reporting_to(report, "the scores are above"):
            cc.write_evaluation_report(
                evaluation,
                report,
                title=named.name,
                provenance={**scored, **read_provenance(cells), **command_line()},
            )


def inspect(
    model: Path | None = None,
    *,
    preset: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Show what a model file says, or a network of the original study.

    Parameters
    ----------
    model
        The model file.
    preset
        original-cnn or original-mlp, instead of a file.
    as_json
        Print JSON instead of text.
    """
    from cellclassifier.errors import InputError

    if (model is None) == (preset is None):
        raise InputError("inspect takes a model file or --preset, one of the two")
    if preset is not None:
        from cellclassifier.networks import build_preset

        network = build_preset(preset)
        if as_json:
            _print_json(json.loads(network.to_json()))
        else:
            network.summary()
    elif as_json and model is not None:
        from cellclassifier.modelfile import manifest_json

        _print_json(manifest_json(model))
    elif model is not None:
        show_model(model)


def genes(
    reference: Path,
    *,
    labels_key: str,
    out: Path,
    plot: Path | None = None,
    weights: Literal["equal", "class_share"] = "equal",
    estimator: Literal["smoothed", "plug_in", "miller_madow"] = "smoothed",
    strict: Switch = False,
    options: CellsOptions = AS_FOUND,
) -> None:
    """Rank genes by how well their counts tell the types apart.

    Parameters
    ----------
    reference
        Labelled cells with raw counts: .h5ad, .zarr, 10x, .loom, .csv, .mat or .rds.
    labels_key
        The column of .obs with the cell types.
    out
        The CSV to write: rank, ensembl_id, gene_symbol, js_divergence_nats, n_cells.
    plot
        Where to draw some cells by genes, in the file's order and by divergence: .png, .svg or
        .pdf.
    weights
        equal gives each type the same weight; class_share its share of the cells, which makes the
        divergence the mutual information of count and type.
    estimator
        smoothed corrects the bias for genes with many distinct counts; plug_in does not, and
        miller_madow subtracts it.
    strict
        Refuse cells without a label, instead of leaving them out.
    """
    import cellclassifier as cc
    from cellclassifier.data import LabelledCounts
    from cellclassifier.files import check_writable
    from cellclassifier.reporting import plots

    check_writable(out)
    if plot is not None:
        check_writable(plots.check_figure_path(plot))
    cells = LabelledCounts.of(options.read(reference), labels_key, strict=strict, **options.counts)
    raw = cells.raw
    ranking = cc.rank_genes(raw.whole, cells.codes, raw.genes, weights=weights, estimator=estimator)
    ranking.save(out)
    say(f"wrote {out}: {len(raw.genes):,} genes, best first")
    if plot is not None:
        plots.save_figure(plots.genes(ranking, raw.counts, cells.labels), plot)
        say(f"wrote {plot}")


def demo(*, out: Path = Path("demo"), seed: int = 0) -> None:
    """Train, evaluate, annotate and save on 700 real blood cells, without network.

    Parameters
    ----------
    out
        The folder to write to.
    seed
        Of the split and of the training.
    """
    import cellclassifier as cc
    from cellclassifier.reporting import evaluation_table
    from cellclassifier.training import progress_bar

    with progress_bar("training") as watch:
        done = cc.run_demo(out, seed=seed, watch=watch)
    say(f"counts: {done.counts}")
    say(f"trained on {done.n_training:,} cells; scores on cells that were kept apart:")
    Console().print(evaluation_table(done.evaluation))
    say("wrote " + ", ".join(str(path) for path in done.files))


def _print_json(content: object) -> None:
    Console().print_json(json.dumps(content))
