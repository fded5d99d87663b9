"""The command ``check``: what a file is, before anything is named."""

# The heavy imports stand inside the function, so that --help answers at once. The signature is
# read when the command runs: its types have to be real.

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from cellclassifier.cli.options import AS_FOUND, CellsOptions, Switch


def check(
    cells: Path,
    *,
    model: Path | None = None,
    map_orthologs: Switch = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    seed: int = 0,
    options: CellsOptions = AS_FOUND,
) -> None:
    """Say what a file holds, and how well a model can be expected to name its cells.

    Parameters
    ----------
    cells
        The cells, of any kind that annotate reads.
    model
        A model file: its genes are looked for, and its own validation cells, cut down to the genes
        and the depth of these, say which accuracy can be hoped for.
    map_orthologs
        Match mouse cells to a model of human ones, or the reverse, through one-to-one orthologues.
    as_json
        Print JSON instead of text.
    seed
        Of the thinning of the validation cells.
    """
    import cellclassifier as cc
    from cellclassifier.reporting.input_table import input_table

    classifier = None if model is None else cc.CellTypeClassifier.load(model)
    report = cc.check(
        options.read(cells), classifier, map_orthologs=map_orthologs, seed=seed, **options.counts
    )
    if as_json:
        Console().print_json(json.dumps(report.to_json(), default=str))
    else:
        Console().print(input_table(report))
