"""The report on a model just trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellclassifier.evaluation import ReliabilityCurve
from cellclassifier.modelfile import Manifest
from cellclassifier.reporting.report.intervals import wilson
from cellclassifier.reporting.report.page import check_report_path, write_page
from cellclassifier.reporting.report.plots import learning_plot, reliability_plot
from cellclassifier.reporting.tables import batches_text
from cellclassifier.reporting.tuning import short_value

# rows of a table that a browser sorts at once
MAX_GENES = 2_000
SECTIONS = {
    "summary": "Summary",
    "expected": "Expectation",
    "types": "Types",
    "search": "Search",
    "genes": "Genes",
    "provenance": "Provenance",
}


def write_training_report(
    manifest: Manifest,
    path: str | Path,
    *,
    title: str = "Model",
    search: Mapping[str, Any] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write one HTML file that shows what a model was trained on, and what to expect of it.

    Parameters
    ----------
    manifest
        ``manifest_`` of a classifier that was fitted.
    path
        Where to, ``.html``.
    title
        Of the page, such as the name of the model's file.
    search
        How the settings were found, by ``tune``: ``score``, ``n_trials``, ``n_folds``, ``seed``,
        and ``best``, each trial with ``number``, ``log_loss``, ``accuracy``, ``seconds`` and what
        it had ``chosen``.
    provenance
        How it came about: names and values, in words.

    Raises
    ------
    OutputError
        It cannot be written.

    Examples
    --------
    >>> write_training_report(None, "report.txt")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.OutputError: cannot write a report to 'report.txt': name it .html; ...
    """
    check_report_path(path)
    training = manifest.training
    types = dict(sorted(training.get("n_cells_per_type", {}).items(), key=lambda found: -found[1]))
    write_page(
        "training.html",
        path,
        plots=_plots(training),
        data={},
        title=title,
        kind="Model",
        sections=[(key, name) for key, name in SECTIONS.items() if search or key != "search"],
        headline=_headline(manifest),
        summary=_summary(manifest),
        expectation=_expectation(training),
        types=types,
        most_cells=max(types.values(), default=1),
        all_cells=max(sum(types.values()), 1),
        search_facts=_search(search),
        **_trials(search),
        genes=[
            {"name": name, "id": id_}
            for name, id_ in zip(
                manifest.panel.names[:MAX_GENES],
                manifest.panel.ensembl_ids[:MAX_GENES],
                strict=True,
            )
        ],
        panel_note=_panel_note(manifest),
        provenance={**(provenance or {}), **_origin(manifest)},
    )


def _plots(training: Mapping[str, Any]) -> dict[str, Any]:
    plots = {}
    curve = (training.get("validation") or {}).get("reliability")
    if curve is not None:
        plots["reliability-plot"] = reliability_plot(ReliabilityCurve.from_json(curve))
    history = training.get("history") or []
    if len(history) > 1 and any("loss" in name for name in history[0]):
        plots["learning-plot"] = learning_plot(history)
    return plots


def _headline(manifest: Manifest) -> list[tuple[str, str, str]]:
    training, scores = manifest.training, manifest.training.get("validation")
    tiles = [
        ("types", f"{len(manifest.label_space)}", ""),
        ("genes", f"{len(manifest.panel):,}", ""),
        ("parameters", f"{manifest.network['n_parameters']:,}", manifest.network["name"]),
    ]
    if "n_cells" in training:
        tiles.insert(0, ("training cells", f"{training['n_cells']:,}", ""))
    if scores:
        accuracy = wilson(round(scores["accuracy"] * scores["n_cells"]), scores["n_cells"])
        tiles.append(
            ("accuracy", f"{accuracy.value:.3f}", f"{accuracy.low:.3f} to {accuracy.high:.3f}")
        )
        tiles.append(("calibration error", f"{scores['ece']:.3f}", "ECE, 15 bins"))
    return tiles


def _summary(manifest: Manifest) -> dict[str, str]:
    training = manifest.training
    if "median_library_size" not in training:
        return {}
    left_out = training.get("n_cells_without_label", 0)
    return {
        "counts": str(training["counts"]),
        "depth": f"median {training['median_library_size']:,.0f} counts a cell over "
        f"{training['n_genes_measured']:,} genes",
        "genes": str(training.get("genes", "")),
        "labels": f".obs['{training['labels_key']}']"
        + (f"; {left_out:,} cells without a label were left out" if left_out else ""),
    }


def _expectation(training: Mapping[str, Any]) -> str:
    scores = training.get("validation")
    if not scores:
        return "No cells were set apart in training, so nothing is known of how well it names."
    said = (
        f"Of {scores['n_cells']:,} cells that the network had not seen when it named them, "
        f"{scores['accuracy']:.1%} were named rightly: log-loss {scores['log_loss']:.3f} nats, "
        f"calibration error {scores['ece']:.3f}. "
    )
    if "batches" in training:
        return f"{said}Batches: {batches_text(training['batches'])}."
    return (
        f"{said}They come from the reference itself: cells of other donors, laboratories and "
        "protocols are named less well."
    )


def _search(search: Mapping[str, Any] | None) -> dict[str, str]:
    if not search:
        return {}
    return {
        "trials": f"{search['n_trials']:,}",
        "best log-loss": f"{search['score']:.4f} nats, mean of {search['n_folds']} folds",
        "seed": str(search["seed"]),
    }


def _trials(search: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the table of the best trials: the names of what was chosen, and a row for each."""
    trials = (search or {}).get("best", ())
    chosen = list(dict.fromkeys(name for trial in trials for name in trial["chosen"]))
    rows = [
        {
            "name": "the default" if trial["number"] == 0 else f"trial {trial['number']}",
            "log_loss": trial["log_loss"],
            "accuracy": trial["accuracy"],
            "seconds": trial["seconds"],
            "chosen": [_cell_of(trial["chosen"].get(name)) for name in chosen],
        }
        for trial in trials
    ]
    return {"dimensions": [name.replace("_", " ") for name in chosen], "trials": rows}


def _cell_of(value: object) -> dict[str, Any]:
    """Return what a table shows of a value that was chosen, and by which number it is sorted."""
    if isinstance(value, int | float):
        return {"number": value, "text": short_value(value)}
    return {"number": None, "text": "" if value is None else str(value)}


def _panel_note(manifest: Manifest) -> str:
    n_genes = len(manifest.panel)
    order = manifest.training.get("gene_order")
    how = f"ordered by {order}" if order else "in the order of the network's input"
    shown = f"; the first {MAX_GENES:,} are listed" if n_genes > MAX_GENES else ""
    return f"{n_genes:,} genes, {how}{shown}."


def _origin(manifest: Manifest) -> dict[str, str]:
    config = manifest.training.get("config", {})
    return {
        "network": manifest.network["name"],
        "normalisation": f"{manifest.normalisation.method}, "
        f"{manifest.normalisation.counts_per_cell:g} counts a cell",
        "training": ", ".join(f"{name} {value}" for name, value in config.items()),
        "seed": str(manifest.training.get("seed", "not known")),
        "made": manifest.created,
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        "SHA-256": str(manifest.sha256 or "not saved"),
    }
