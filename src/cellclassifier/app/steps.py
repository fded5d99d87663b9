"""What is done for the page, each step by what the commands call."""

# heavy imports stand inside the functions, so that the page opens at once

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cellclassifier.app.room import Chosen
from cellclassifier.app.wishes import Wishes

if TYPE_CHECKING:
    from cellclassifier.classifier import CellTypeClassifier
    from cellclassifier.data.streaming import FileAnnotation
    from cellclassifier.training.progress import CellsWatcher

# more say no more about what a file is, and would be held in memory
CHECKED_CELLS = 20_000


@dataclass(frozen=True)
class Checked:
    """What `check` says.

    Parameters
    ----------
    found, fit
        What is in the file, and how it fits the model: names and values, in words.
    """

    found: dict[str, str]
    fit: dict[str, str]


@dataclass(frozen=True)
class Named:
    """What came of the cells.

    Parameters
    ----------
    types
        Label, cells and median confidence of each type found, the commonest first.
    facts
        Names and values, in words.
    advice
        Whether the labels can be believed here.
    cautious
        Whether something speaks against it.
    """

    types: list[tuple[str, int, float]]
    facts: dict[str, str]
    advice: str
    cautious: bool

    @classmethod
    def of(cls, named: "FileAnnotation") -> "Named":
        """Return what the page shows of it."""
        from cellclassifier.classifier.advising import CARE
        from cellclassifier.reporting.annotation_table import annotation_facts, type_counts

        advice = named.advice.removeprefix(CARE)
        advice = advice[:1].upper() + advice[1:]
        facts = annotation_facts(named) | ({"vote": named.vote} if named.vote else {})
        return cls(type_counts(named), facts, advice, named.advice.startswith(CARE))


def check_cells(cells: Chosen, classifier: "CellTypeClassifier", wishes: Wishes) -> Checked:
    """Return what `check` says of a file; of a large one by a sample, and says so."""
    import cellclassifier as cc
    from cellclassifier.classifier.sampling import sample_runs
    from cellclassifier.reporting.input_table import input_facts, model_facts

    read = cc.read_cells(cells.path, genes_in=wishes.genes_in)
    n_cells = read.n_obs
    runs = sample_runs(n_cells, CHECKED_CELLS)
    if len(runs) > 1:
        rows = [row for run in runs for row in range(run.start, run.stop)]
        read = read[rows].copy()
    report = cc.check(read, classifier, map_orthologs=wishes.map_orthologs, **wishes.counts)
    found = input_facts(report)
    if len(runs) > 1:
        found["cells"] = f"{n_cells:,}, of which {len(rows):,} were looked at"
    return Checked(found, {} if report.model is None else model_facts(report.model))


def name_cells(
    cells: Chosen,
    classifier: "CellTypeClassifier",
    out: Path,
    wishes: Wishes,
    watch: "CellsWatcher",
) -> "FileAnnotation":
    """Name the cells of a file, as `annotate` does."""
    import cellclassifier as cc

    return cc.annotate_file(
        classifier,
        cells.path,
        out,
        genes_in=wishes.genes_in,
        map_orthologs=wishes.map_orthologs,
        trust=cc.TrustSettings(coverage=wishes.coverage, refused=wishes.refused),
        streaming=cc.Streaming(watch=watch),
        vote=cc.VoteSettings() if wishes.vote else None,
        **wishes.counts,
    )


def write_table(named: Path, out: Path) -> None:
    """Write the annotations of a named file as ``annotate --out cells.csv`` does."""
    import cellclassifier as cc
    from cellclassifier.data.annotations import LABEL_KEY
    from cellclassifier.data.streaming.digits import DIGITS
    from cellclassifier.data.streaming.lists import NAME_COLUMN
    from cellclassifier.files import replacing

    columns = cc.read_cells(named).obs.filter(regex=f"^{LABEL_KEY}(_|$)")
    columns.columns = [
        "label" if key == LABEL_KEY else key.removeprefix(f"{LABEL_KEY}_") for key in columns
    ]
    with replacing(out) as temporary:
        columns.to_csv(temporary, index_label=NAME_COLUMN, float_format=f"%.{DIGITS}g")


def write_report(
    cells: Chosen,
    model: Chosen,
    classifier: "CellTypeClassifier",
    named: "FileAnnotation",
    out: Path,
    wishes: Wishes,
) -> None:
    """Write the page that ``annotate --report`` writes."""
    import cellclassifier as cc

    survey = cc.survey_annotation(
        classifier,
        cells.path,
        named,
        genes_in=wishes.genes_in,
        map_orthologs=wishes.map_orthologs,
        settings={
            "model file": model.name,
            "asked for": f"sets that hold the true type in {wishes.coverage:.4g} of the cells; "
            f"{wishes.refused:.4g} of known cells called unknown at most",
            "command": "cellclassifier app",
        },
        **wishes.counts,
    )
    cc.write_annotation_report(replace(survey, file=cells.name), out)
