"""What a model file says of its reference, and annotated cells of their model."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.batch_scores import batch_scores
from cellclassifier.classifier.fitting import Design, FittedNetwork
from cellclassifier.data import GenePanel, LabelledCounts
from cellclassifier.labels import LabelSpace
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.model import package_versions
from cellclassifier.networks import Engine


@dataclass(frozen=True, eq=False)
class ReferenceFacts:
    """What is kept of a reference, wherever its cells lie.

    Parameters
    ----------
    evidence
        Where its counts were found and what proves them, in words.
    codes
        The types of its cells, (n_cells,).
    label_space
        Their names.
    n_unlabelled
        Cells that have none, and were left out.
    library_size
        Shape (n_cells,).
    genes
        The genes measured.
    files
        What came from which file, where there are several.
    batch_codes
        The batches of its cells, (n_cells,), where they are known.
    """

    evidence: str
    codes: npt.NDArray[np.int32]
    label_space: LabelSpace
    n_unlabelled: int
    library_size: npt.NDArray[np.float64]
    genes: GenePanel
    files: Sequence[Mapping[str, Any]] = ()
    batch_codes: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, cells: LabelledCounts) -> "ReferenceFacts":
        """Return those of cells in memory."""
        raw = cells.raw
        return cls(
            raw.evidence,
            cells.codes,
            cells.label_space,
            cells.n_unlabelled,
            raw.library_size,
            raw.genes,
            batch_codes=cells.batch_codes,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what later cells are compared with."""
        n_cells = np.bincount(self.codes, minlength=len(self.label_space)).tolist()
        return {
            "counts": self.evidence,
            "n_cells_per_type": dict(zip(self.label_space.labels, n_cells, strict=True)),
            "n_cells_without_label": self.n_unlabelled,
            "median_library_size": float(np.median(self.library_size)),
            "n_genes_measured": len(self.genes),
            "genes": str(self.genes.resolution),
            "species": self.genes.species,
            **({"files": list(self.files)} if self.files else {}),
        }


@dataclass(frozen=True)
class Origin:
    """What a model was asked to be: its network, and how it was to be trained."""

    network: str
    options: Mapping[str, Any]
    labels_key: str
    seed: int
    engine: Engine
    batch_key: str | None = None


def describe_fit(
    origin: Origin, design: Design, reference: ReferenceFacts, fitted: FittedNetwork
) -> Manifest:
    """Return what the file of a model just trained says."""
    size = int(fitted.model.count_params())
    return Manifest(
        network={"name": origin.network, "options": origin.options, "n_parameters": size},
        panel=fitted.panel,
        label_space=reference.label_space,
        normalisation=design.normalisation,
        calibration=fitted.record.calibration(),
        training={
            "labels_key": origin.labels_key,
            **reference.to_json(),
            "gene_order": design.gene_order,
            "seed": origin.seed,
            "engine": origin.engine,
            "config": design.training.to_json(),
            **_batches(origin, reference, fitted),
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


def _batches(origin: Origin, reference: ReferenceFacts, fitted: FittedNetwork) -> dict[str, Any]:
    if reference.batch_codes is None:
        return {}
    scores = batch_scores(reference.codes, reference.batch_codes, fitted.record.held_out)
    return {"batches": {"key": origin.batch_key, **scores}}


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
