"""What a model file says of its reference, and annotated cells of their model."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from cellclassifier.classifier.fitting import Design, FittedNetwork
from cellclassifier.data import LabelledCounts
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.model import package_versions
from cellclassifier.networks import Engine


def describe_reference(cells: LabelledCounts) -> dict[str, Any]:
    """Return what later cells are compared with."""
    n_cells = np.bincount(cells.codes, minlength=len(cells.label_space)).tolist()
    return {
        "counts": cells.raw.evidence,
        "n_cells_per_type": dict(zip(cells.label_space.labels, n_cells, strict=True)),
        "n_cells_without_label": cells.n_unlabelled,
        "median_library_size": float(np.median(cells.raw.library_size)),
        "n_genes_measured": len(cells.raw.genes),
        "genes": str(cells.raw.genes.resolution),
        "species": cells.raw.genes.species,
    }


@dataclass(frozen=True)
class Origin:
    """What a model was asked to be: its network, and how it was to be trained."""

    network: str
    options: Mapping[str, Any]
    labels_key: str
    seed: int
    engine: Engine


def describe_fit(
    origin: Origin, design: Design, cells: LabelledCounts, fitted: FittedNetwork
) -> Manifest:
    """Return what the file of a model just trained says."""
    size = int(fitted.model.count_params())
    return Manifest(
        network={"name": origin.network, "options": origin.options, "n_parameters": size},
        panel=fitted.panel,
        label_space=cells.label_space,
        normalisation=design.normalisation,
        calibration=fitted.record.calibration(),
        training={
            "labels_key": origin.labels_key,
            **describe_reference(cells),
            "gene_order": design.gene_order,
            "seed": origin.seed,
            "engine": origin.engine,
            "config": design.training.to_json(),
            **fitted.record.to_json(),
        },
        versions=package_versions(),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        factors=fitted.factors,
        sample=fitted.sample,
        adaptation=fitted.adaptation,
        conformal=fitted.conformal,
        novelty=fitted.novelty,
    )


def describe_model(manifest: Manifest) -> dict[str, Any]:
    """Return what annotated cells keep of the model that named them."""
    return {
        "model_sha256": manifest.sha256 or "not saved",
        "network": manifest.network["name"],
        "version": version("cellclassifier"),
        "normalisation": manifest.normalisation.method,
        "counts_per_cell": manifest.normalisation.counts_per_cell,
        "n_genes": len(manifest.panel),
    }
