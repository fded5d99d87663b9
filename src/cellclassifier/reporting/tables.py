"""Text for the terminal."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table

from cellclassifier.evaluation import Evaluation, ReliabilityCurve, SetScores
from cellclassifier.modelfile import Manifest
from cellclassifier.predictions import Predictions

SHOWN_GENES = 10
# of the cells, the surest first, whose accuracy is told
SHOWN_SHARES = (0.95, 0.9, 0.8, 0.5)


def evaluation_table(evaluation: Evaluation) -> RenderableType:
    """Return precision, recall, F1 and cells of each type, and the scores over all."""
    table = Table("type", box=None, pad_edge=False)
    sets = evaluation.sets
    for column in ("precision", "recall", "F1", *(["in its set"] if sets else []), "cells"):
        table.add_column(column, justify="right")
    for code, (label, scores) in enumerate(evaluation.per_type.items()):
        table.add_row(
            label,
            f"{scores.precision:.3f}",
            f"{scores.recall:.3f}",
            f"{scores.f1:.3f}",
            *([_share_in_sets(sets, code)] if sets else []),
            f"{scores.n_cells:,}",
        )
    overall = facts_table(
        {
            "cells": f"{evaluation.n_cells:,}",
            "accuracy": f"{evaluation.accuracy:.3f}",
            "macro-F1": f"{evaluation.macro_f1:.3f}",
            "median F1": f"{evaluation.median_f1:.3f}",
            "log-loss": f"{evaluation.log_loss:.3f} nats",
            "calibration error": f"{evaluation.ece:.3f} (ECE, 15 bins), "
            f"{_confidence_gap(evaluation.reliability)}",
            "naming the surest": ", ".join(
                f"{share:.0%}: accuracy {evaluation.answered.at(share):.3f}"
                for share in SHOWN_SHARES
            ),
            **({"sets": _sets(sets)} if sets else {}),
            **{
                status.replace("_", " "): f"{scores.n_cells:,} cells, accuracy "
                f"{scores.accuracy:.3f}"
                for status, scores in evaluation.by_status.items()
            },
        }
    )
    return Group(table, "", overall)


def batches_table(accuracy: pd.DataFrame) -> Table:
    """Return what `accuracy_of_batches` found."""
    table = Table("batch", box=None, pad_edge=False)
    for column in ("accuracy", "cells"):
        table.add_column(column, justify="right")
    for batch, row in accuracy.iterrows():
        table.add_row(str(batch) or "(none)", f"{row.accuracy:.3f}", f"{row.n_cells:,.0f}")
    return table


def _share_in_sets(sets: SetScores, code: int) -> str:
    """Return how often sets hold a type; the model may not know it, or no cell be of it."""
    known = code < len(sets.per_type) and not np.isnan(sets.per_type[code])
    return f"{sets.per_type[code]:.3f}" if known else ""


def _sets(sets: SetScores) -> str:
    return (
        f"{sets.coverage:.1%} hold the true type ({sets.wanted:.4g} wanted), "
        f"{sets.mean_size:.2f} types on average; none {sets.empty:.1%}, one {sets.one:.1%}, "
        f"more {sets.more:.1%}"
    )


def _confidence_gap(curve: ReliabilityCurve) -> str:
    """Return by how much cells are too sure of themselves, or not sure enough."""
    gap = curve.overconfidence
    return f"{abs(gap):.3f} {'over' if gap > 0 else 'under'}-confident"


def predictions_table(predictions: Predictions) -> RenderableType:
    """Return how many cells were given each type, and with what confidence."""
    frame = predictions.to_frame()
    table = Table("predicted type", box=None, pad_edge=False)
    table.add_column("cells", justify="right")
    table.add_column("median confidence", justify="right")
    groups = frame.groupby("label")["confidence"]
    for label, n_cells in groups.size().sort_values(ascending=False).items():
        table.add_row(str(label), f"{n_cells:,}", f"{groups.get_group(label).median():.2f}")
    return Group(
        table, "", facts_table({"model's genes measured": f"{predictions.gene_coverage:.1%}"})
    )


def model_table(manifest: Manifest) -> RenderableType:
    """Return what a model file says about itself."""
    normalisation = manifest.normalisation
    transform = "log1p of raw counts"
    if normalisation.method == "log1p_per_library":
        transform = f"log1p of counts per {normalisation.counts_per_cell:,g}"
    names = manifest.panel.names
    more = f" and {len(names) - SHOWN_GENES:,} more" if len(names) > SHOWN_GENES else ""
    imported = manifest.training.get("imported")
    facts = facts_table(
        {
            "network": f"{manifest.network['name']}, "
            f"{manifest.network['n_parameters']:,} parameters",
            "genes": f"{len(names):,}: {', '.join(names[:SHOWN_GENES])}{more}",
            "normalisation": transform,
            **(_training_facts(manifest) if imported is None else _import_facts(imported)),
            **_trust_facts(manifest),
            "made": f"{manifest.created} by cellclassifier {manifest.versions['cellclassifier']}, "
            f"Keras {manifest.versions['keras']} on {manifest.versions['backend']}",
            "SHA-256": str(manifest.sha256),
        }
    )
    return Group(facts, "", _types_table(manifest))


def _types_table(manifest: Manifest) -> Table:
    n_cells_per_type = manifest.training.get("n_cells_per_type", {})
    table = Table("type", box=None, pad_edge=False)
    table.add_column("training cells", justify="right")
    for label in manifest.label_space.labels:
        n_cells = n_cells_per_type.get(label)
        table.add_row(label, "not known" if n_cells is None else f"{n_cells:,}")
    return table


def _training_facts(manifest: Manifest) -> dict[str, str]:
    training = manifest.training
    return {
        "trained on": f"{training['n_cells']:,} cells, "
        f"labels in .obs['{training['labels_key']}'], {training['counts']}",
        "depth": f"median {training['median_library_size']:,.0f} counts a cell over "
        f"{training['n_genes_measured']:,} genes",
        "validation": _validation(training["validation"], _set_apart(manifest)),
        **({"batches": batches_text(training["batches"])} if "batches" in training else {}),
        **_calibration(manifest),
    }


def _calibration(manifest: Manifest) -> dict[str, str]:
    """Return how probabilities were made to mean what they say."""
    by, n_cells = manifest.calibration, f"{manifest.calibration['n_cells']:,} cells"
    if by["method"] == "stacking":
        return {"calibration": f"by stacking and a map of logits, on {n_cells} out of fold"}
    return {"temperature": f"{by['temperature']:.3f} (fitted on {n_cells} set apart)"}


def batches_text(batches: Mapping[str, Any]) -> str:
    """Return how whole batches were set apart, and how cells of a new one are named.

    >>> batches_text({"key": "donor", "n_batches": 9, "n_types_in_one_batch": 1, "n_cells": 0})
    "9 in .obs['donor'], whole ones set apart, but for the cells of 1 type that is in one alone"
    """
    text = f"{batches['n_batches']:,} in .obs['{batches['key']}'], whole ones set apart"
    if n_alone := batches["n_types_in_one_batch"]:
        types = "type that is" if n_alone == 1 else "types that are"
        text += f", but for the cells of {n_alone} {types} in one alone"
    if "accuracy" not in batches:
        return text
    text += f"; accuracy on a new one {batches['accuracy']:.3f}, of {batches['n_cells']:,} cells"
    if batches.get("n_batches_scored", 0) < 2:
        return text
    return (
        f"{text}; over {batches['n_batches_scored']:,} batches {batches['lowest']:.3f} at the "
        f"lowest, {batches['median']:.3f} in the median, {batches['highest']:.3f} at the highest"
    )


def _trust_facts(manifest: Manifest) -> dict[str, str]:
    facts = {}
    if manifest.conformal is not None:
        n_cells = int(manifest.conformal.sizes.sum())
        facts["sets"] = f"at any coverage, by {n_cells:,} cells {_set_apart(manifest)}"
    if manifest.novelty is not None:
        n_cells = len(manifest.novelty.prototypes)
        facts["novelty"] = f"by doubt, unexpected counts, and the distance to {n_cells:,} cells"
    return facts


def _set_apart(manifest: Manifest) -> str:
    """Return in what way cells were kept from the network that was scored on them."""
    return "out of fold" if manifest.calibration["method"] == "stacking" else "set apart"


def _import_facts(imported: Mapping[str, Any]) -> dict[str, str]:
    return {
        "imported from": f"{imported['file']} of Keras {imported['keras_version']}, "
        f"SHA-256 {imported['sha256']}",
        "temperature": "none: the probabilities are as the network gives them",
    }


def _validation(scores: Mapping[str, Any] | None, how: str) -> str:
    if scores is None:
        return "no cells were set apart"
    text = (
        f"accuracy {scores['accuracy']:.3f}, log-loss {scores['log_loss']:.3f}, "
        f"ECE {scores['ece']:.3f} on {scores['n_cells']:,} cells {how}"
    )
    if (curve := scores.get("reliability")) is None:
        return text
    return f"{text}, {_confidence_gap(ReliabilityCurve.from_json(curve))}"


def facts_table(facts: Mapping[str, str]) -> Table:
    """Return names and values in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, value)
    return table
