"""The accuracy to expect on cells of other genes and another depth."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cellclassifier.data import AlignedCounts, total_counts
from cellclassifier.evaluation import ExpectedAccuracy
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.sample import ValidationSample
from cellclassifier.networks import Predictor, choose_predictor, keras, logits_model

# thinned anew so often, so that chance in the thinning does not decide
REPEATS = 5


def expect_accuracy(
    model: keras.Model,
    manifest: Manifest,
    sample: ValidationSample,
    *,
    measured: npt.NDArray[np.bool_],
    median_library_size: float,
    seed: int = 0,
) -> ExpectedAccuracy:
    """Score a model on validation cells cut down to some genes and thinned to some depth.

    Each count of a cell is kept with the same probability (binomial thinning), so that the median
    library size becomes that of the cells to be named; cells deeper than the validation cells are
    taken as equally deep. Genes that were not measured lose their counts, also from the library
    size. What differs otherwise between two experiments (protocol, tissue, types that the model
    does not know) is not in this number: it is what can be hoped for at best.

    Parameters
    ----------
    model
        From expression to probabilities.
    manifest
        Of the model.
    sample
        The validation cells.
    measured
        Shape (n_panel,): which of the model's genes were measured.
    median_library_size
        Of the cells to be named, over all genes.
    seed
        Of the thinning.
    """
    moments = None if manifest.adaptation is None else manifest.adaptation.moments
    network = choose_predictor(_before_refit(model, sample), "keras", moments)
    depth = float(np.median(sample.library_size))
    kept = min(1.0, median_library_size / depth) if depth else 1.0
    rng = np.random.default_rng(seed)
    everything = np.ones_like(measured)
    as_trained = _accuracy(network, manifest, sample, everything, 1.0, rng)
    repeats = range(1 if kept == 1.0 else REPEATS)
    accuracy = float(
        np.mean([_accuracy(network, manifest, sample, measured, kept, rng) for _ in repeats])
    )
    n_cells = len(sample.codes)
    error = float(np.sqrt(accuracy * (1 - accuracy) / n_cells))
    return ExpectedAccuracy(accuracy, as_trained, error, n_cells, kept)


def _before_refit(model: keras.Model, sample: ValidationSample) -> keras.Model:
    """Return the network up to its logits with the weights that have not seen the sample."""
    logits = logits_model(model)
    if sample.weights is None:
        return logits
    apart = keras.models.clone_model(logits)
    apart.set_weights(list(sample.weights))
    return apart


def _accuracy(
    predict: Predictor,
    manifest: Manifest,
    sample: ValidationSample,
    measured: npt.NDArray[np.bool_],
    kept: float,
    rng: np.random.Generator,
) -> float:
    thinned, stand_in = _thinned(sample, measured, kept, rng), None
    if manifest.factors is not None:
        stand_in = manifest.factors.stand_in(measured)
        factor = manifest.factors.library_factor(measured)
        thinned = replace(thinned, library_size=thinned.library_size * factor)
    logits = predict(manifest.normalisation.apply(thinned), stand_in)
    return float((logits.argmax(axis=1) == sample.codes).mean())


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
