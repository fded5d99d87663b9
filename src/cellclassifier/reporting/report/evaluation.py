"""The report on cells whose true types are known."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cellclassifier.evaluation import Evaluation
from cellclassifier.reporting.report.intervals import wilson, wilson_f1
from cellclassifier.reporting.report.page import check_report_path, write_page
from cellclassifier.reporting.report.plots import answered_plot, reliability_plot

N_WORST = 15
ROUNDED_TO_ONE = 0.005
SECTIONS = {
    "summary": "Summary",
    "confusion": "Confusion",
    "types": "Types",
    "worst": "Worst",
    "trust": "Trust",
    "provenance": "Provenance",
}


def write_evaluation_report(
    evaluation: Evaluation,
    path: str | Path,
    *,
    title: str = "Evaluation",
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write one HTML file that shows how well predictions fit the truth.

    Parameters
    ----------
    evaluation
        What `evaluate` returned.
    path
        Where to, ``.html``.
    title
        Of the page, such as the name of the file.
    provenance
        How it came about: names and values, in words.

    Raises
    ------
    OutputError
        It cannot be written.

    Examples
    --------
    >>> write_evaluation_report(None, "report.txt")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.OutputError: cannot write a report to 'report.txt': name it .html; ...
    """
    check_report_path(path)
    write_page(
        "evaluation.html",
        path,
        plots={
            "reliability-plot": reliability_plot(evaluation.reliability),
            "answered-plot": answered_plot(evaluation.answered),
        },
        data={},
        title=title,
        kind="Evaluation",
        sections=list(SECTIONS.items()),
        headline=_headline(evaluation),
        unknown_labels=evaluation.labels_unknown_to_the_model,
        labels=evaluation.labels,
        matrix=_matrix(evaluation),
        columns=_columns(evaluation),
        types=_types(evaluation),
        sets=evaluation.sets,
        worst=_worst(evaluation),
        trust=_trust(evaluation),
        provenance={
            **(provenance or {}),
            "report made": dt.datetime.now(dt.UTC).isoformat(sep=" ", timespec="seconds"),
        },
    )


def _headline(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    hits = int(np.trace(evaluation.confusion))
    accuracy = wilson(hits, evaluation.n_cells)
    tiles = [
        ("cells", f"{evaluation.n_cells:,}", ""),
        ("accuracy", f"{accuracy.value:.3f}", f"{accuracy.low:.3f} to {accuracy.high:.3f}"),
        ("macro-F1", f"{evaluation.macro_f1:.3f}", f"median {evaluation.median_f1:.3f}"),
        ("calibration error", f"{evaluation.ece:.3f}", "ECE, 15 bins"),
        ("log-loss", f"{evaluation.log_loss:.3f}", "nats"),
    ]
    if evaluation.sets is not None:
        sets = evaluation.sets
        tiles.append(("sets hold the truth", f"{sets.coverage:.1%}", f"{sets.wanted:.3g} asked"))
    return tiles


def _matrix(evaluation: Evaluation) -> list[dict[str, Any]]:
    counts = evaluation.confusion
    of_row = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    of_column = counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)
    labels = evaluation.labels
    return [
        {
            "n_cells": int(counts[true].sum()),
            "cells": [
                {
                    "count": int(counts[true, named]),
                    "row": float(of_row[true, named]),
                    "column": float(of_column[true, named]),
                    "text": _percent(float(of_row[true, named])),
                    "title": f"{counts[true, named]:,} cells of {labels[true]} were named "
                    f"{labels[named]}",
                }
                for named in range(len(labels))
            ],
        }
        for true in range(len(labels))
    ]


def _percent(share: float) -> str:
    """Return a share as the matrix shows it; the page does the same where it is switched."""
    return f"{100 * share:.0f}" if share == 0 or share >= ROUNDED_TO_ONE else "<1"


def _columns(evaluation: Evaluation) -> list[str]:
    sets = ["in its set"] if evaluation.sets else []
    return ["type", "cells", "precision", "recall", "F1", *sets]


def _types(evaluation: Evaluation) -> list[dict[str, Any]]:
    counts, sets = evaluation.confusion, evaluation.sets
    types = []
    for code, label in enumerate(evaluation.labels):
        hits, n_true = int(counts[code, code]), int(counts[code].sum())
        n_named = int(counts[:, code].sum())
        known = sets is not None and code < len(sets.per_type)
        in_set = float(sets.per_type[code]) if known and sets is not None else np.nan
        types.append(
            {
                "label": label,
                "n_cells": n_true,
                "scores": [
                    wilson(hits, n_named),
                    wilson(hits, n_true),
                    wilson_f1(hits, n_true, n_named),
                ],
                "in_set": None if np.isnan(in_set) else in_set,
            }
        )
    return types


def _worst(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the commonest confusions."""
    wrong = evaluation.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:N_WORST]
    labels, n_true = evaluation.labels, evaluation.confusion.sum(axis=1)
    return [
        {
            "true": labels[true],
            "named": labels[named],
            "n_cells": int(wrong[true, named]),
            "share": float(wrong[true, named] / n_true[true]),
        }
        for true, named in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[true, named]
    ]


def _trust(evaluation: Evaluation) -> dict[str, str]:
    gap = evaluation.reliability.overconfidence
    facts = {
        "calibration": f"ECE {evaluation.ece:.3f}; on the whole {abs(gap):.3f} "
        f"{'over' if gap > 0 else 'under'}-confident",
        "naming the surest": ", ".join(
            f"{share:.0%} of the cells: {evaluation.answered.at(share):.3f} right"
            for share in (0.95, 0.9, 0.8, 0.5)
        ),
    }
    if (sets := evaluation.sets) is not None:
        facts["sets"] = (
            f"{sets.coverage:.1%} hold the true type, {sets.wanted:.3g} were asked to; "
            f"{sets.mean_size:.2f} types on average; {sets.one:.1%} hold one type, "
            f"{sets.more:.1%} more, {sets.empty:.1%} none"
        )
    return facts
