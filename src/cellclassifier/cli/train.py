"""The command ``train``: from labelled cells to a model file."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cellclassifier.cli.console import say, show_model
from cellclassifier.cli.launching import ALONE, TogetherOptions
from cellclassifier.cli.options import AS_FOUND, CellsOptions, Switch
from cellclassifier.cli.report import command_line, reporting_to

if TYPE_CHECKING:
    from cellclassifier.classifier.reference_files import GoesOn
    from cellclassifier.classifier.storage import Storage

Genes = int | Literal["all"] | Path


def train(
    reference: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    labels_key: str,
    out: Path,
    network: str | None = None,
    config: Path | None = None,
    genes: Genes | None = None,
    gene_order: Literal["native", "divergence", "spread"] | None = None,
    epochs: int | None = None,
    engine: Literal["keras", "lowlevel"] = "keras",
    seed: int = 0,
    batch_key: str | None = None,
    strict: Switch = False,
    label_map: Path | None = None,
    genes_of: Literal["shared", "all"] = "shared",
    from_disk: Annotated[bool | None, Parameter(negative="--in-memory")] = None,
    memory: float | None = None,
    keep_cells: bool = True,
    report: Path | None = None,
    options: CellsOptions = AS_FOUND,
    together: TogetherOptions = ALONE,
) -> None:
    """Train a classifier on labelled cells.

    Parameters
    ----------
    reference
        Labelled cells with raw counts: .h5ad, .zarr, 10x, .loom, .csv, .mat or .rds. Several files
        are one reference.
    labels_key
        The column of .obs with the cell types.
    out
        The model file to write, MODEL.keras.
    network
        wide-deep, linear, mlp, cnn, or one of the original study's: original-mlp, original-cnn.
        Without it, the one of the settings file, or else wide-deep.
    config
        A settings file, as tune writes it: network, genes, normalisation and training.
    genes
        How many of the most divergent genes to look at, or all, or a file with the names of those
        to look at: a CSV that panel or genes wrote, or one name a line. Without it, what the
        settings file says, or else what goes with the network: 4000 for all but the original
        study's.
    gene_order
        In which order a convolutional network gets them: native as the file has them, divergence
        best first, spread the best far apart. Without it a number of genes comes best first, for
        cnn spread, and all others as they are.
    epochs
        Passes over the cells at most; without it, what the settings file says, or else what goes
        with the network.
    engine
        What runs the network: keras, or lowlevel, which is faster for convolutional networks on a
        processor and needs TensorFlow.
    seed
        The same seed gives the same model on the same machine.
    batch_key
        The column of .obs with donors, studies or lanes: whole ones are set apart then, and what
        the model says of its answers is said of a new one. Of several files, the same value is the
        same batch.
    strict
        Refuse cells without a label, instead of leaving them out.
    label_map
        A CSV with the columns label,mapped: what each label of the files is to become.
    genes_of
        Of several files: shared looks at the genes that all of them measured, all at those that any
        did, and takes what a file did not measure for no counts.
    from_disk
        Leave the cells on disk, or read them into memory; the model is the same. Without it, what
        fits into half of the free memory is read. From disk, what is done is kept in OUT.partial:
        where the command is ended, by Ctrl-C too, the same command goes on.
    memory
        The gigabytes that training in memory may take, instead of half of what is free.
    keep_cells
        Keep some hundred cells that training set apart in the model file, so that check can say
        which accuracy to expect; not where counts of single cells must not be passed on.
    report
        A page to look at, .html: what the model was trained on, and what to expect of it.
    """
    ranks = together.join(out)
    import cellclassifier as cc
    from cellclassifier.classifier.from_disk import fit_file
    from cellclassifier.classifier.reference_files import ReferenceFiles
    from cellclassifier.classifier.settings import choose_settings
    from cellclassifier.data import read_gene_list
    from cellclassifier.evaluation import read_label_map
    from cellclassifier.files import check_writable
    from cellclassifier.modelfile.model import check_model_path
    from cellclassifier.reporting.report.page import check_report_path
    from cellclassifier.training.progress import training_bars

    check_writable(check_model_path(out))
    if report is not None:
        check_report_path(report)
    named = read_gene_list(genes) if isinstance(genes, Path) else None
    n_genes = None if isinstance(genes, Path) else genes
    settings = choose_settings(
        network, config=config, genes=n_genes, gene_order=gene_order, epochs=epochs
    )
    classifier = settings.classifier(seed=seed)
    classifier.set_params(engine=engine)
    if named is not None:
        classifier.set_params(genes=named, gene_order=gene_order)
    with training_bars(settings.network.name) as (watch_cells, watch):
        fit_file(
            classifier,
            reference,
            out,
            labels_key=labels_key,
            keep_cells=keep_cells,
            files=ReferenceFiles(
                strict=strict,
                batch_key=batch_key,
                label_map=None if label_map is None else read_label_map(label_map),
                genes_of=genes_of,
                genes_in=options.genes_in,
                from_disk=from_disk,
                memory_gb=memory,
                tell=_say_where,
                watch_cells=watch_cells,
                watch=watch,
            ),
            ranks=ranks,
            **options.counts,
        )
    if not ranks.is_first:
        return
    show_model(out)
    say(f"wrote {out}")
    if report is not None:
        with reporting_to(report, f"the model is there, '{out}'"):
            cc.write_training_report(
                classifier.check_fitted(),
                report,
                title=out.name,
                search=None if settings.tuning is None else asdict(settings.tuning),
                provenance={
                    "reference": ", ".join(one.name for one in reference),
                    **command_line(),
                },
            )


def _say_where(told: "Storage | GoesOn") -> None:
    """Say that cells stay on disk, and that a training goes on; else all is as one expects."""
    if getattr(told, "from_disk", True):
        say(str(told))
