"""The report on cells that were named."""

from pathlib import Path
from typing import Any

from cellclassifier.evaluation import ModelFit
from cellclassifier.evaluation.survey import AnnotationSurvey, DepthComparison
from cellclassifier.predictions import STATUSES, UNKNOWN
from cellclassifier.reporting.report.cell_map import map_data, map_figure
from cellclassifier.reporting.report.dot_plot import lay_out_dots
from cellclassifier.reporting.report.page import check_report_path, write_page
from cellclassifier.reporting.report.palette import GREY, type_colours
from cellclassifier.reporting.report.plots import depth_plot

NONE_UNKNOWN = {
    "asked": "It was asked that none be: their novelty is told, and none is refused.",
    "shift": "Cells from so far away look novel for that alone: their novelty is told, and none is "
    "refused.",
}
SECTIONS = {
    "summary": "Summary",
    "input": "Input",
    "types": "Types",
    "map": "Map",
    "doubt": "Doubt",
    "genes": "Genes",
    "depth": "Depth",
    "provenance": "Provenance",
}


def write_annotation_report(survey: AnnotationSurvey, path: str | Path) -> None:
    """Write one HTML file that shows what came of the cells of a file, and how far to believe it.

    It needs no network and no server: all that it shows is inside.

    Parameters
    ----------
    survey
        What `survey_annotation` returned.
    path
        Where to, ``.html``.

    Raises
    ------
    OutputError
        It cannot be written.

    Examples
    --------
    >>> write_annotation_report(None, "report.pdf")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.OutputError: cannot write a report to 'report.pdf': name it .html; ...
    """
    check_report_path(path)
    colours = _colours(survey)
    depth = survey.depth
    dots = lay_out_dots(survey.dots)
    statuses = [status for status in reversed(STATUSES) if status in survey.statuses]
    left_out = set() if statuses else {"doubt"}
    left_out |= set() if dots["genes"] else {"genes"}
    write_page(
        "annotation.html",
        path,
        plots={
            "cell-map": map_figure(survey.drawn),
            "size-plot": depth_plot("counts", depth.library_size, depth.trained_library_size),
            "genes-plot": depth_plot("genes", depth.genes_detected, depth.trained_genes_detected),
        },
        data={"map": map_data(survey.drawn, survey.labels, list(colours.values()))},
        title=f"{survey.file}: cell types",
        kind="Cell types",
        sections=[(key, name) for key, name in SECTIONS.items() if key not in left_out],
        survey=survey,
        colour_of=colours,
        headline=_headline(survey),
        advice=_lines(survey.advice),
        found=_found(survey),
        statuses=statuses,
        type_columns=_type_columns(survey, statuses),
        absent=sorted(set(survey.labels) - {found.label for found in survey.types} - {UNKNOWN}),
        colourings=_colourings(survey),
        odds=_odds(survey),
        most_resembled=max(survey.unknown.resembled.values(), default=1) if survey.unknown else 1,
        why_none=NONE_UNKNOWN.get(survey.none_unknown or "", ""),
        dots=dots,
        depth=_depth_facts(depth, survey.input.model),
    )


def _colours(survey: AnnotationSurvey) -> dict[str, str]:
    """Return the colour of each label, the most striking ones for the commonest types."""
    n_known = len(survey.labels) - (survey.labels[-1] == UNKNOWN)
    common = [found.label for found in survey.types if found.label in survey.labels[:n_known]]
    rest = [label for label in survey.labels[:n_known] if label not in set(common)]
    chosen = dict(zip([*common, *rest], type_colours(n_known), strict=True))
    return {label: chosen.get(label, GREY) for label in survey.labels}


def _headline(survey: AnnotationSurvey) -> list[tuple[str, str, str]]:
    n_known = len(survey.labels) - (survey.labels[-1] == UNKNOWN)
    n_found = sum(found.label != UNKNOWN for found in survey.types)
    tiles = [
        ("cells", f"{survey.n_cells:,}", ""),
        ("types found", f"{n_found}", f"of {n_known} that the model knows"),
    ]
    named = {"assigned": "one type fits", "ambiguous": "several types fit", UNKNOWN: "no type fits"}
    for status, n_cells in survey.statuses.items():
        share = n_cells / survey.n_cells
        more = f"{n_cells:,} cells" + (f": {named[status]}" if status in named else "")
        tiles.append((status.replace("_", " "), f"{share:.1%}", more))
    if not survey.statuses:
        confident = sum(found.mean_confidence * found.n_cells for found in survey.types)
        tiles.append(("mean confidence", f"{confident / survey.n_cells:.2f}", ""))
    elif UNKNOWN not in survey.statuses:
        tiles.append((UNKNOWN, "0.0%", "no cell was called so"))
    return tiles


def _lines(advice: str) -> list[str]:
    """Return the sentences of the advice, each with a capital letter and a full stop."""
    parts = [part.strip().rstrip(".") for part in advice.split("; ")]
    return [f"{part[:1].upper()}{part[1:]}." for part in parts if part]


def _found(survey: AnnotationSurvey) -> dict[str, str]:
    """Return what was in the file, in words."""
    found, fit = survey.input, survey.input.model
    low, middle, high = found.library_size
    facts = {
        "cells": f"{found.n_cells:,}",
        "counts": found.counts,
        "counts a cell": f"{middle:,.0f} (half of the cells drawn: {low:,.0f} to {high:,.0f})",
        "genes": f"{found.n_genes:,}; {found.genes}",
    }
    if fit is not None:
        facts["model's genes measured"] = (
            f"{fit.gene_coverage:.1%} of {fit.n_panel:,} ({fit.n_by_id:,} by id, "
            f"{fit.n_by_name:,} by name"
            + (f", {fit.n_orthologs:,} through orthologues)" if fit.n_orthologs else ")")
        )
        facts["accuracy to expect"] = _expected(fit)
    if survey.shift is not None:
        facts["shift"] = f"{survey.shift:.2f} (0 for cells like those of the training)"
    return facts


def _expected(fit: ModelFit) -> str:
    expected = fit.expected
    if expected is None:
        return "not known: the model kept no validation cells"
    low, high = expected.interval
    return (
        f"{expected.accuracy:.3f} at best ({low:.3f} to {high:.3f}), against "
        f"{expected.as_trained:.3f} with all genes and full depth; measured on the model's "
        f"{expected.n_cells:,} validation cells, cut down to these genes and this depth"
    )


def _type_columns(survey: AnnotationSurvey, statuses: list[str]) -> list[str]:
    names = [status.replace("_", " ") for status in statuses]
    novelty = ["median novelty"] if survey.unknown else []
    return ["type", "cells", "share", "mean confidence", *names, *novelty]


def _colourings(survey: AnnotationSurvey) -> list[tuple[str, str]]:
    drawn = survey.drawn
    told: dict[str, tuple[str, Any]] = {
        "type": ("type", drawn.codes),
        "confidence": ("confidence", drawn.confidence),
        "novelty": ("novelty", drawn.novelty),
        "set_size": ("set size", drawn.sets),
        "status": ("status", drawn.status),
    }
    return [(key, name) for key, (name, values) in told.items() if values is not None]


def _odds(survey: AnnotationSurvey) -> str:
    """Return the share of known cells that look as novel as the unknown ones."""
    novelty = 0.0 if survey.unknown is None else survey.unknown.median_novelty
    return f"{10.0**-novelty:.2%}"


def _depth_facts(depth: DepthComparison, fit: ModelFit | None) -> dict[str, str]:
    facts = {}
    if fit is not None and fit.relative_depth is not None and depth.trained_median is not None:
        facts["depth"] = (
            f"{fit.relative_depth:.0%} of the training cells' median of "
            f"{depth.trained_median:,.0f} counts a cell"
        )
    if depth.trained_library_size is not None:
        facts["compared with"] = (
            f"{len(depth.trained_library_size):,} cells that the model kept of its training"
        )
    return facts
