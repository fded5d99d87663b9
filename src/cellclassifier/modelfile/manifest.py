"""What a model file says about its network: ``cellclassifier.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellclassifier.data import GeneFactors, GenePanel, Normalisation
from cellclassifier.errors import InputError, LabelError, ModelFileError
from cellclassifier.evaluation import ReliabilityCurve
from cellclassifier.labels import LabelSpace
from cellclassifier.modelfile.adaptation import Adaptation
from cellclassifier.modelfile.sample import ValidationSample
from cellclassifier.trust import ConformalScores, NoveltyModel

FORMAT_NAME = "cellclassifier model"
FORMAT = 6
# format 1 had no validation cells, format 2 no gene factors and no weights for shifted cells,
# format 3 no scores of held-out cells and nothing about novelty, format 4 no doubt of the far
# layer, format 5 no plain head
READABLE_FORMATS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, eq=False)
class Manifest:
    """All that is needed to go from a file of counts to labels, but for the weights.

    Parameters
    ----------
    network
        ``name``, ``options`` other than the network's own, ``n_parameters``.
    panel
        The genes, in the order of the network's input.
    label_space
        The types, in the order of its output.
    normalisation
        From counts to expression.
    calibration
        ``method``, ``temperature`` and what it was fitted on; already part of the weights.
    training
        Reference, seed, settings, history, scores on the cells set apart.
    versions
        Of the packages that made the file.
    created
        When, ISO 8601, UTC.
    factors
        How the genes go together in the training cells, for those that are not measured later, in a
        member of its own; None in early files of format 1 and in imported models.
    sample
        Cells set apart in training, in a member of their own; None where there were none.
    adaptation
        How the network changes for cells that differ from its training cells, in a member of its
        own; None where it does not.
    conformal
        For prediction sets, in a member of its own; None where no cells were held out.
    novelty
        What known cells are like, in a member of its own; None where too few were held out.
    """

    network: Mapping[str, Any]
    panel: GenePanel
    label_space: LabelSpace
    normalisation: Normalisation
    calibration: Mapping[str, Any]
    training: Mapping[str, Any]
    versions: Mapping[str, str]
    created: str
    factors: GeneFactors | None = None
    sample: ValidationSample | None = None
    adaptation: Adaptation | None = None
    conformal: ConformalScores | None = None
    novelty: NoveltyModel | None = None
    # known once the file is written or read: SHA-256 of cellclassifier.json, which holds the
    # hashes of all other parts and so stands for the whole model
    sha256: str | None = field(default=None)

    def to_json(self, parts: Mapping[str, str]) -> dict[str, Any]:
        """Return the member's content; `parts` maps the other members to their SHA-256."""
        return {
            "format_name": FORMAT_NAME,
            "format": FORMAT,
            "created": self.created,
            "versions": dict(self.versions),
            "network": dict(self.network),
            "labels": list(self.label_space.labels),
            "ontology_ids": list(self.label_space.ontology_ids),
            "normalisation": self.normalisation.to_json(),
            "calibration": dict(self.calibration),
            "training": dict(self.training),
            "parts": dict(parts),
            "genes": {
                "ensembl_ids": self.panel.ensembl_ids.tolist(),
                "symbols": self.panel.symbols.tolist(),
            },
        }

    @classmethod
    def from_json(cls, content: object, sha256: str) -> "Manifest":
        """Read the member's content, without what other members hold, or say what is wrong with it.

        Raises
        ------
        ModelFileError
            It is of a newer format, or a field is missing or of the wrong kind.
        """
        if not isinstance(content, dict) or content.get("format_name") != FORMAT_NAME:
            raise ModelFileError(f"cellclassifier.json does not say that it is a '{FORMAT_NAME}'")
        if content.get("format") not in READABLE_FORMATS:
            raise ModelFileError(
                f"the file has the model format {content.get('format')!r}, and this version of "
                f"cellclassifier reads formats {READABLE_FORMATS[0]} to {FORMAT}; "
                "update it: pip install --upgrade cellclassifier"
            )
        try:
            manifest = cls(
                network=_network(content["network"]),
                panel=_panel(content["genes"]),
                label_space=LabelSpace(_texts(content["labels"]), tuple(content["ontology_ids"])),
                normalisation=Normalisation(**content["normalisation"]),
                calibration=dict(content["calibration"]),
                training=_training(content["training"]),
                versions=dict(content["versions"]),
                created=str(content["created"]),
                factors=_means(content["genes"]),
                sha256=sha256,
            )
        except (KeyError, TypeError, ValueError, InputError, LabelError) as error:
            raise ModelFileError(f"cellclassifier.json is broken: {error!r}") from error
        return manifest


def _network(network: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(network["name"], str):
        raise TypeError(f"the network's name is {network['name']!r}")
    if not isinstance(network.get("options", {}), dict):  # files before tuning have none
        raise TypeError(f"the network's options are {network['options']!r}")
    return dict(network)


def _training(training: Mapping[str, Any]) -> dict[str, Any]:
    """Check what tables show of the held-out cells; files of earlier releases have none of it."""
    kept = dict(training)
    scores = kept.get("validation")
    if isinstance(scores, dict) and "reliability" in scores:
        ReliabilityCurve.from_json({**scores["reliability"]})
    if "batches" in kept:
        _check_batches(kept["batches"])
    return kept


def _check_batches(batches: Mapping[str, Any]) -> None:
    if not isinstance(batches["key"], str):
        raise TypeError(f"the column of the batches is {batches['key']!r}")
    for name, value in batches.items():
        if name not in ("key", "split") and not isinstance(value, int | float):
            raise TypeError(f"{name} of the batches is {value!r}")
    needed = {"n_batches", "n_types_in_one_batch", "n_cells"}
    if "lowest" in batches:
        needed |= {"accuracy", "n_batches_scored", "median", "highest"}
    if missing := needed - set(batches):
        raise KeyError(f"nothing is said of {sorted(missing)} of the batches")


def _panel(genes: Mapping[str, Any]) -> GenePanel:
    ids, symbols = _texts(genes["ensembl_ids"]), _texts(genes["symbols"])
    if len(ids) != len(symbols) or not ids:
        raise ValueError(f"{len(ids)} gene ids and {len(symbols)} symbols")
    return GenePanel(np.array(ids, dtype=object), np.array(symbols, dtype=object))


def _means(genes: Mapping[str, Any]) -> GeneFactors | None:
    """Return the means that formats 1 and 2 had here."""
    if "mean_expression" not in genes:
        return None
    mean, share = (
        np.array(genes[name], dtype=np.float32) for name in ("mean_expression", "mean_share")
    )
    factors = GeneFactors.of_means(mean, share)
    return GeneFactors.from_arrays(factors.to_arrays(), n_genes=len(genes["symbols"]))


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("a list of texts was expected")
    return tuple(values)
