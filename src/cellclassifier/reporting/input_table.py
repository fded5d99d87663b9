"""What was found in cells, for the terminal."""

from rich.console import Group, RenderableType

from cellclassifier.evaluation import ExpectedAccuracy, InputReport, ModelFit
from cellclassifier.reporting.tables import facts_table


def input_table(report: InputReport) -> RenderableType:
    """Return what a report says, and how the cells fit a model where one was given."""
    if report.model is None:
        return facts_table(input_facts(report))
    return Group(facts_table(input_facts(report)), "", facts_table(model_facts(report.model)))


def input_facts(report: InputReport) -> dict[str, str]:
    """Return what was found in the cells, in words."""
    low, middle, high = report.library_size
    file_format = ", ".join(f"{name} {value}" for name, value in report.file_format.items())
    facts = {"file": file_format} if file_format else {}
    return facts | {
        "cells": f"{report.n_cells:,}",
        "counts": report.counts,
        "counts a cell": f"{middle:,.0f} (half of the cells: {low:,.0f} to {high:,.0f})",
        "genes": f"{report.n_genes:,}; {report.genes}",
    }


def model_facts(fit: ModelFit) -> dict[str, str]:
    """Return how cells fit a model, in words."""
    found = f"{fit.n_by_id:,} by id, {fit.n_by_name:,} by name"
    if fit.n_orthologs:
        found += f", {fit.n_orthologs:,} of the data's through orthologues"
    depth = "not known: the model file does not say its own"
    if fit.relative_depth is not None:
        depth = f"{fit.relative_depth:.0%} of the training cells' counts a cell"
    return {
        "model's genes measured": f"{fit.gene_coverage:.1%} of {fit.n_panel:,} ({found})",
        "depth": depth,
        "accuracy to expect": _expectation(fit.expected),
    }


def _expectation(expected: ExpectedAccuracy | None) -> str:
    if expected is None:
        return "not known: the model kept no validation cells"
    low, high = expected.interval
    return (
        f"{expected.accuracy:.3f} at best ({low:.3f} to {high:.3f}), against "
        f"{expected.as_trained:.3f} with all genes and full depth: measured on the model's "
        f"{expected.n_cells:,} validation cells, with these genes and {expected.kept_depth:.0%} "
        "of their counts"
    )
