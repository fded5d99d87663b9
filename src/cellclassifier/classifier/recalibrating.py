"""Shallow cells, and cells of which genes are missing: scores that mean what they say there."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

from cellclassifier.classifier.last_layer import with_last_layer
from cellclassifier.classifier.sampling import sample_rows
from cellclassifier.classifier.trusting import FEW_CELLS, Judge
from cellclassifier.classifier.validation_cells import cut_down, share_kept
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import AlignedCounts, GeneMatch, RawCounts
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.sample import ValidationSample
from cellclassifier.networks import WideDeepPredictor
from cellclassifier.trust import ConformalScores, LogitMap

# of the counts of the training cells, and of the model's genes: from these on scores stay as they
# are
ENOUGH_COUNTS, ENOUGH_GENES = 0.9, 0.9
# Where cells come from elsewhere, known cells of a model speak less and less for them, from one
# shift to the other.
FADES = (0.15, 0.45)
HALF = 0.5
# fewer kept cells say too little
MIN_KNOWN = 50
# types with fewer known cells have no depth of their own
MIN_OF_TYPE = 5
# thinned anew so often, so that chance in the thinning does not decide
REPEATS = 5
SEED = 0
# of known cells, how many are less novel than the one by whose novelty others are measured
USUAL = 0.95

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Recalibration:
    """What makes scores of shallow cells, and of cells without some genes, mean what they say.

    Parameters
    ----------
    kept
        The depth of the cells as a share of that of the training cells, in (0, 1].
    logits
        The map of their logits, beyond what the network does with deep cells.
    conformal
        For prediction sets, from probabilities after it; None for those of the model, and where
        nobody judges.
    stretch
        By how much more novel known cells like these look, 1 or more.
    """

    kept: float
    logits: LogitMap
    conformal: ConformalScores | None = None
    stretch: float = 1.0

    def at(self, shift: float) -> "Recalibration | None":
        """Return what of it holds for cells of a shift; None from another laboratory on.

        Prediction sets are those of what does more than half.
        """
        share = float(np.interp(shift, FADES, (1.0, 0.0)))
        if share == 0.0:
            return None
        conformal = self.conformal if share > HALF else None
        return replace(self, logits=self.logits.faded(share), conformal=conformal)


def recalibrate(
    view: ModelView, predict: WideDeepPredictor, depth: float | None, *, judged: bool
) -> Recalibration | None:
    """Cut cells that training set apart down to those of a view, and calibrate on them.

    They lose the genes that the cells lack, and are thinned to their depth; the network that had
    not seen them says what they are. One scale of all logits and an offset for each type are fitted
    to that, prediction sets after it, and novelty is measured by theirs.

    Parameters
    ----------
    view
        The cells.
    predict
        The network of a model that adapts.
    depth
        Of the cells as a share of that of the training cells; None measures it.
    judged
        Whether sets and novelty are asked for, too.

    Returns
    -------
    Recalibration or None
        None where the cells have nine tenths of the depth of the training's and of the model's
        genes, and where the model file has too few cells.
    """
    manifest = view.manifest
    adaptation, sample = manifest.adaptation, manifest.sample
    if adaptation is None or sample is None or not can_recalibrate(manifest):
        return None
    kept = depth_kept(view, sample, predict) if depth is None else enough(depth)
    if kept == 1.0 and view.match.gene_coverage >= ENOUGH_GENES:
        return None
    before = predict
    if sample.weights is not None:
        before = WideDeepPredictor.of_weights(sample.weights, adaptation.moments)
    return _KnownCells(manifest, sample, before).recalibration(
        view.match.measured, kept, judged=judged
    )


def can_recalibrate(manifest: Manifest) -> bool:
    """Return whether a model adapts, and has enough of the cells that training set apart."""
    sample = manifest.sample
    return manifest.adaptation is not None and sample is not None and len(sample.codes) >= MIN_KNOWN


def depth_kept(view: ModelView, sample: ValidationSample, predict: WideDeepPredictor) -> float:
    """Return the depth of cells as a share of that of known ones, 1 from nine tenths on.

    By the median of all cells, or by that of each beside the known cells of its predicted type,
    whichever is more: a sample of one small kind of cell is not shallow. Fewer than 20 cells say
    too little, and have 1.
    """
    if len(view.raw) < FEW_CELLS:
        return 1.0
    raw = view.raw[sample_rows(len(view.raw))]
    depth = view.library_size(raw)
    kept = share_kept(sample, float(np.median(depth)))
    if enough(kept) == 1.0:
        return 1.0
    said_by = predict.on_counts(view.match.target, view.stand_in)
    logits = said_by(raw.counts, view.scale(raw), n_threads=n_cores()).logits
    usual = _usual_depth(sample, logits.shape[1])[logits.argmax(axis=1)]
    kept = max(kept, float(np.median(depth / usual)))
    return enough(kept)


def enough(depth: float) -> float:
    """Return a depth, 1 from nine tenths on.

    >>> enough(0.5), enough(0.95), enough(3.0)
    (0.5, 1.0, 1.0)
    """
    return 1.0 if depth >= ENOUGH_COUNTS else depth


def _usual_depth(sample: ValidationSample, n_types: int) -> npt.NDArray[np.float64]:
    """Return the median library size of the known cells of each type, (n_types,)."""
    usual = np.full(n_types, np.median(sample.library_size))
    for code in np.flatnonzero(np.bincount(sample.codes, minlength=n_types) >= MIN_OF_TYPE):
        usual[code] = np.median(sample.library_size[sample.codes == code])
    return usual


class _KnownCells:
    """Cells that training set apart, and the network that had not seen them."""

    def __init__(
        self, manifest: Manifest, sample: ValidationSample, before: WideDeepPredictor
    ) -> None:
        self.manifest, self.sample, self.before = manifest, sample, before

    def recalibration(
        self, measured: npt.NDArray[np.bool_], kept: float, *, judged: bool
    ) -> Recalibration:
        """Return what makes scores of cells of some genes and depth mean what they say."""
        rng, codes = np.random.default_rng(SEED), self.sample.codes
        repeats = 1 if kept == 1.0 else REPEATS
        whole = self._cut(np.ones_like(measured), 1.0, rng)
        with ThreadPoolExecutor(1) as thread:  # draws one after the other, while others are asked
            drawn = [thread.submit(self._cut, measured, kept, rng) for _ in range(repeats)]
            usual = LogitMap.of(self._logits(whole), codes)
            novel = self._novelty(whole, usual) if judged else 1.0
            logits = [self._logits(cells.result()) for cells in drawn]
        fitted = LogitMap.of(np.concatenate(logits), np.tile(codes, repeats), repeats)
        found = Recalibration(kept, fitted.relative_to(usual))
        if not judged:
            return found
        conformal = ConformalScores.of(softmax(fitted(logits[0]), axis=1), codes)
        stretch = self._novelty(drawn[0].result(), fitted) / novel
        return replace(found, conformal=conformal, stretch=max(1.0, stretch))

    def _cut(
        self, measured: npt.NDArray[np.bool_], kept: float, rng: np.random.Generator
    ) -> ModelView:
        cells = cut_down(self.manifest, self.sample, measured, kept, rng)
        return ModelView(self.manifest, _as_raw(cells, self.manifest), _match_of(measured))

    def _logits(self, view: ModelView) -> Floats:
        """Return what the network says that nobody has calibrated for such cells."""
        said_by = with_last_layer(view, self.before, self.before.logits, judged=False)
        return said_by(view.raw, n_cores()).logits

    def _novelty(self, view: ModelView, mapped: LogitMap) -> float:
        """Return how novel the most novel twentieth of known cells is at least."""
        layer = mapped.of_layer(*self.before.logits)
        said = with_last_layer(view, self.before, layer, judged=True)(view.raw, n_cores())
        trust = Judge.of(view, None, 0.0)(view.raw, said).trust
        return 1.0 if trust is None else float(np.quantile(trust.novelty, USUAL))


def _as_raw(cells: AlignedCounts, manifest: Manifest) -> RawCounts:
    names = pd.RangeIndex(len(cells.library_size)).astype(str)
    return RawCounts(cells.counts, cells.library_size, manifest.panel, names, "kept in the model")


def _match_of(measured: npt.NDArray[np.bool_]) -> GeneMatch:
    n_panel, n_measured = len(measured), int(measured.sum())
    target = np.where(measured, np.arange(n_panel), -1)
    return GeneMatch(target, n_panel, n_by_id=n_measured, n_by_symbol=0, n_summed=0)
