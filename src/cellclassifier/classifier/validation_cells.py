"""The cells that training set apart, cut down to the genes and the depth of other cells."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cellclassifier.data import AlignedCounts, total_counts
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.sample import ValidationSample


def share_kept(sample: ValidationSample, median_library_size: float) -> float:
    """Return which share of their counts leaves the cells as deep as others, 1 for deeper ones."""
    depth = float(np.median(sample.library_size))
    return min(1.0, median_library_size / depth) if depth else 1.0


def cut_down(
    manifest: Manifest,
    sample: ValidationSample,
    measured: npt.NDArray[np.bool_],
    kept: float,
    rng: np.random.Generator,
) -> AlignedCounts:
    """Return the cells without the genes that were not measured, thinned.

    Each count is kept with the same probability (binomial thinning). Genes that were not measured
    lose their counts, also from the library size, which is then made up for as it is for any cells.

    Parameters
    ----------
    manifest
        Of the model.
    sample
        The cells.
    measured
        Shape (n_panel,): which of the model's genes were measured.
    kept
        The share of counts to keep, in [0, 1].
    rng
        Of the thinning.
    """
    thinned = _thinned(sample, measured, kept, rng)
    if manifest.factors is None:
        return thinned
    factor = manifest.factors.library_factor(measured)
    return replace(thinned, library_size=thinned.library_size * factor)


def _thinned(
    sample: ValidationSample,
    measured: npt.NDArray[np.bool_],
    kept: float,
    rng: np.random.Generator,
) -> AlignedCounts:
    counts = sample.counts.copy()
    outside = np.maximum(sample.library_size - total_counts(counts), 0)
    counts.data[~measured[counts.indices]] = 0
    if kept < 1:
        counts.data = rng.binomial(np.rint(counts.data).astype(np.int64), kept).astype(np.float32)
        outside = rng.binomial(np.rint(outside).astype(np.int64), kept)
    counts.eliminate_zeros()
    # a cell that lost everything still needs a library size to divide by
    library_size = np.maximum(total_counts(counts) + outside, 1.0)
    return AlignedCounts(counts, library_size, float(measured.mean()))
