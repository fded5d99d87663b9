"""Cells beside the training cells: what is measured of how they differ."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.recalibrating import can_recalibrate
from cellclassifier.classifier.sampling import sample_rows
from cellclassifier.classifier.shifting import ShiftedPredictor, ShiftToldBy
from cellclassifier.classifier.trusting import FEW_CELLS, NOVEL, Judge
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import RawCounts
from cellclassifier.modelfile import Manifest
from cellclassifier.predictions import STATUSES, NoneUnknown, Predictions
from cellclassifier.trust.novelty import MIN_CELLS

# of cells of one predicted type, where the training cells had this many times fewer
COMMON, TIMES = 0.5, 3.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class QueryComparison:
    """How cells differ from a model's training cells.

    Parameters
    ----------
    depth
        Their median library size, as a multiple of the training cells'; None where that is not
        known.
    genes_detected
        The median number of the model's genes with counts in a cell.
    gene_coverage
        The share of the model's genes that were measured, in [0, 1].
    shift
        As in `Predictions`.
    novel
        The share of cells that look more novel than 95 % of known cells; None where nothing tells.
    low_depth
        The share of cells with too few counts to name them well, in [0, 1].
    changed_type
        A type that most cells were given, and few training cells were of; None for none.
    foreign
        Whether they look like cells of another tissue.
    n_cells
        How many were compared.
    calibrated_depth
        As in `Predictions`.
    can_calibrate
        Whether the model has what it takes to calibrate scores for shallow cells.
    genes_usual
        The median number of the measured genes with counts in a training cell; None where the
        model has none of these cells.
    shift_told_by
        As in `ToldBy`.
    depth_given
        The depth that scores were to be calibrated for; None where it was measured.
    adapts
        Whether the network was adapted to the shift.
    none_unknown
        As in `Judge`.
    composition
        How far the shares of the predicted types are from those of the training cells, beyond
        chance: total variation distance, in [0, 1]; None where it is not known.
    held_few
        Whether training held out too few cells to say what labels are worth.
    """

    depth: float | None
    genes_detected: float
    gene_coverage: float
    shift: float | None
    novel: float | None
    low_depth: float | None
    changed_type: str | None
    foreign: bool = False
    n_cells: int = FEW_CELLS
    calibrated_depth: float | None = None
    can_calibrate: bool = True
    genes_usual: float | None = None
    shift_told_by: ShiftToldBy = "measured"
    depth_given: float | None = None
    adapts: bool = True
    none_unknown: NoneUnknown | None = None
    composition: float | None = None
    held_few: bool = False

    @classmethod
    def of(
        cls, shifted: ShiftedPredictor, judge: Judge, raw: RawCounts, named: Predictions
    ) -> "QueryComparison":
        """Compare cells that were named with the training cells.

        Parameters
        ----------
        shifted, judge
            Who named cells like these, and said what their labels are worth.
        raw, named
            The cells, or a sample of them, and what was said of them.
        """
        view, trust = judge.view, named.trust
        manifest = view.manifest
        usual = manifest.training.get("median_library_size")
        return cls(
            depth=float(np.median(view.library_size(raw))) / usual if usual else None,
            genes_detected=float(np.median(np.diff(view.aligned(raw).counts.indptr))),
            gene_coverage=named.gene_coverage,
            shift=named.shift,
            novel=None if trust is None else float((trust.novelty >= NOVEL).mean()),
            low_depth=None if trust is None else _share_low_depth(trust.status),
            changed_type=_changed_type(manifest, named),
            foreign=judge.foreign_limit is not None,
            n_cells=len(named),
            calibrated_depth=named.calibrated_depth,
            can_calibrate=can_recalibrate(manifest),
            genes_usual=_genes_usual(view),
            shift_told_by=shifted.told_by.shift,
            depth_given=shifted.told_by.depth,
            adapts=shifted.adapts,
            none_unknown=judge.none_unknown,
            composition=_composition(manifest, named),
            held_few=_held_few(manifest),
        )

    @classmethod
    def of_sample(
        cls, shifted: ShiftedPredictor, judge: Judge, named: Predictions
    ) -> "QueryComparison":
        """Compare a seeded sample of all cells of the judge's view, that were named."""
        rows = sample_rows(len(named))
        return cls.of(shifted, judge, judge.view.raw[rows], named[rows])


def _share_low_depth(status: npt.NDArray[np.int8]) -> float:
    return float((status == STATUSES.index("low_depth")).mean())


def _shares(manifest: Manifest, named: Predictions) -> tuple[Floats, Floats] | None:
    """Return the share of each type among cells and training cells; None where nothing tells."""
    sizes = manifest.training.get("n_cells_per_type", {})
    labels = named.label_space.labels
    trained = np.array([sizes.get(label, 0) for label in labels], dtype=np.float64)
    if not trained.sum() or len(named) < FEW_CELLS:
        return None
    return np.bincount(named.codes, minlength=len(labels)) / len(named), trained / trained.sum()


def _changed_type(manifest: Manifest, named: Predictions) -> str | None:
    shares = _shares(manifest, named)
    if shares is None:
        return None
    here, trained = shares
    most = int(here.argmax())
    rare = here[most] >= COMMON and trained[most] * TIMES < here[most]
    return named.label_space.labels[most] if rare else None


def _composition(manifest: Manifest, named: Predictions) -> float | None:
    shares = _shares(manifest, named)
    if shares is None:
        return None
    here, trained = shares
    # the mean of |share drawn - share|, half of the sum of which cells drawn alike would have
    by_chance = np.sqrt(2 * trained * (1 - trained) / (np.pi * len(named)))
    return float(max(np.abs(here - trained).sum() - by_chance.sum(), 0) / 2)


def _genes_usual(view: ModelView) -> float | None:
    sample = view.manifest.sample
    if sample is None:
        return None
    return float(np.median(np.diff(sample.counts[:, view.match.measured].tocsr().indptr)))


def _held_few(manifest: Manifest) -> bool:
    if "validation" not in manifest.training:  # imported
        return False
    scores = manifest.training["validation"]
    return not scores or scores.get("n_cells", MIN_CELLS) < MIN_CELLS
