"""The command ``annotate``: from a file of cells to their names, in little memory."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

from pathlib import Path
from typing import Literal

from rich.console import Console

from cellclassifier.cli.console import say
from cellclassifier.cli.options import AS_FOUND, CellsOptions, Switch
from cellclassifier.cli.report import command_line, reporting_to


def annotate(
    cells: Path,
    *,
    model: Path,
    out: Path | None = None,
    in_place: Switch = False,
    annotations_only: Switch = False,
    block_cells: int | None = None,
    dask: str | None = None,
    engine: Literal["keras", "lowlevel"] = "keras",
    map_orthologs: Switch = False,
    shift: float | None = None,
    depth: float | None = None,
    coverage: float = 0.9,
    refused: float = 0.05,
    keep_best: Switch = False,
    unknown: Literal["keep", "label"] = "keep",
    vote: Literal["auto"] | None = None,
    vote_key: str | None = None,
    vote_agreement: float = 0.9,
    report: Path | None = None,
    options: CellsOptions = AS_FOUND,
) -> None:
    """Name the type of each cell of a file.

    Finished blocks are kept in OUT.partial until all is written: where the command is ended, by
    Ctrl-C too, the same command goes on.

    Parameters
    ----------
    cells
        Cells with raw counts, or values that provably come from counts: .h5ad, .zarr, 10x .h5 or
        folder, .loom, .csv, .tsv, .mat or .rds. The first three are never held whole.
    model
        The model file.
    out
        The annotated copy to write, .h5ad or .zarr; the keys it gains are listed in
        docs/reference/keys.md. Or the annotations alone: .csv, .csv.gz or .parquet.
    in_place
        Write into the file of the cells itself, instead of --out.
    annotations_only
        Insist on --out being a table of the annotations alone.
    block_cells
        How many cells are worked on at a time, 2,048 unless given: it bounds the memory, and
        changes no result.
    dask
        Have a Dask cluster name the cells: local:4 for four processes of this machine, or the
        address of a scheduler, such as tcp://host:8786, whose workers see the files under the same
        paths. It changes no result.
    engine
        What runs the network: keras, or lowlevel, which is faster for convolutional networks on a
        processor and needs TensorFlow.
    map_orthologs
        Name mouse cells by a model of human ones, or the reverse, through one-to-one orthologues.
    shift
        How far the cells are from the training cells. It is measured on a sample of the cells
        unless it is given; 0 names each cell for itself.
    depth
        How deep the cells are, as a share of the training cells' counts, for which scores are
        calibrated. It is measured on a sample of the cells unless it, or the shift, is given.
    coverage
        How often the set of types of a cell is to hold its true one, between 0 and 1.
    refused
        The share of cells of known types that may be called unknown; 0 calls none so.
    keep_best
        Have the most probable type in every set, also where it alone is right more often than
        --coverage asks for.
    unknown
        keep: unknown cells keep their most probable type as their label; label: they get the label
        unknown.
    vote
        auto: have clusters that are found among the cells vote on their type, into columns of its
        own, predicted_cell_type_vote and two more; for 200,000 cells at most.
    vote_key
        Have the clusters in this column of .obs vote, instead.
    vote_agreement
        The share of a cluster's cells that has to say the same; else they keep their own type.
    report
        A page to look at, .html: what came of the cells, and how far to believe it. It is one
        file that needs no network, and is made last.
    """
    import cellclassifier as cc
    from cellclassifier.classifier.streaming import Streaming, annotate_file
    from cellclassifier.classifier.streaming_progress import cells_bar
    from cellclassifier.classifier.trusting import TrustSettings
    from cellclassifier.classifier.voting import asked_to_vote
    from cellclassifier.data.streaming import check_output
    from cellclassifier.reporting.annotation_table import annotation_table

    check_output(out, in_place=in_place, annotations_only=annotations_only)
    if report is not None:
        from cellclassifier.reporting.report import check_report_path

        check_report_path(report)
    voting = asked_to_vote(vote, vote_key, vote_agreement)
    classifier = cc.CellTypeClassifier.load(model, engine=engine)
    with cells_bar(f"naming {cells.name}") as watch:
        named = annotate_file(
            classifier,
            cells,
            out,
            genes_in=options.genes_in,
            map_orthologs=map_orthologs,
            shift=shift,
            depth=depth,
            trust=TrustSettings(
                coverage=coverage, refused=refused, keep_best=keep_best, unknown=unknown
            ),
            streaming=Streaming(block_cells=block_cells, watch=watch, dask=dask),
            vote=voting,
            **options.counts,
        )
    Console().print(annotation_table(named))
    if named.vote:
        say(named.vote)
    say(f"wrote {named.out}")
    if report is not None:
        with reporting_to(report, f"the cells are named, in '{named.out}'"):
            survey = cc.survey_annotation(
                classifier,
                cells,
                named,
                genes_in=options.genes_in,
                map_orthologs=map_orthologs,
                settings={
                    "model file": model.name,
                    "asked for": f"sets that hold the true type in {coverage:.4g} of the cells; "
                    f"{refused:.4g} of known cells called unknown at most",
                    **command_line(),
                },
                **options.counts,
            )
            cc.write_annotation_report(survey, report)
