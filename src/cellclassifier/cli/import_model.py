"""The command that makes a model file of a Keras 2 file."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from cellclassifier.cli.console import say, show_model


def import_model(
    old: Path,
    *,
    genes: Path,
    labels: Path,
    out: Path,
    normalisation: Literal["log1p", "log1p_per_library"] = "log1p",
    counts_per_cell: float | None = None,
) -> None:
    """Make a model file of a whole-model .h5 file of Keras 2.

    Parameters
    ----------
    old
        The .h5 file that model.save wrote.
    genes
        The genes, in the order of the network's input: a CSV that panel or genes wrote, or one
        name a line.
    labels
        A text file with one cell type a line, in the order of the network's output.
    out
        The model file to write, MODEL.keras.
    normalisation
        What the network was trained on: log1p of the counts, or of counts per library.
    counts_per_cell
        What log1p_per_library scales the counts of a cell to, such as 10000.
    """
    import cellclassifier as cc
    from cellclassifier.errors import InputError
    from cellclassifier.files import check_writable
    from cellclassifier.modelfile.model import check_model_path

    check_writable(check_model_path(out))
    if normalisation == "log1p" and counts_per_cell is not None:
        raise InputError("--counts-per-cell goes with --normalisation log1p_per_library alone")
    transform = cc.Normalisation(normalisation)
    if counts_per_cell is not None:
        transform = replace(transform, counts_per_cell=counts_per_cell)
    classifier = cc.CellTypeClassifier.load(
        old, genes=genes, labels=labels, normalisation=transform
    )
    classifier.save(out)
    show_model(out)
    say(f"wrote {out}")
