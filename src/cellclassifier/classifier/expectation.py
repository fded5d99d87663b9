"""The accuracy to expect on cells of other genes and another depth."""

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.validation_cells import cut_down, share_kept
from cellclassifier.evaluation import ExpectedAccuracy
from cellclassifier.modelfile import Manifest
from cellclassifier.modelfile.sample import ValidationSample
from cellclassifier.networks import Predictor, StoredNetwork, choose_predictor, keras

# thinned anew so often, so that chance in the thinning does not decide
REPEATS = 5


def expect_accuracy(
    network: "keras.Model | StoredNetwork",
    manifest: Manifest,
    sample: ValidationSample,
    *,
    measured: npt.NDArray[np.bool_],
    median_library_size: float,
    seed: int = 0,
) -> ExpectedAccuracy:
    """Score a network on validation cells cut down to some genes and thinned to some depth.

    Each count of a cell is kept with the same probability (binomial thinning), so that the median
    library size becomes that of the cells to be named; cells deeper than the validation cells are
    taken as equally deep. Genes that were not measured lose their counts, also from the library
    size. What differs otherwise between two experiments (protocol, tissue, types that the model
    does not know) is not in this number: it is what can be hoped for at best.

    Parameters
    ----------
    network
        From expression to probabilities.
    manifest
        Of its model.
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
    # those that have not seen the sample
    predict = choose_predictor(network, "keras", moments, sample.weights)
    kept = share_kept(sample, median_library_size)
    rng = np.random.default_rng(seed)
    everything = np.ones_like(measured)
    as_trained = _accuracy(predict, manifest, sample, everything, 1.0, rng)
    repeats = range(1 if kept == 1.0 else REPEATS)
    accuracy = float(
        np.mean([_accuracy(predict, manifest, sample, measured, kept, rng) for _ in repeats])
    )
    n_cells = len(sample.codes)
    error = float(np.sqrt(accuracy * (1 - accuracy) / n_cells))
    return ExpectedAccuracy(accuracy, as_trained, error, n_cells, kept)


def _accuracy(
    predict: Predictor,
    manifest: Manifest,
    sample: ValidationSample,
    measured: npt.NDArray[np.bool_],
    kept: float,
    rng: np.random.Generator,
) -> float:
    thinned = cut_down(manifest, sample, measured, kept, rng)
    stand_in = None if manifest.factors is None else manifest.factors.stand_in(measured)
    logits = predict(manifest.normalisation.apply(thinned), stand_in)
    return float((logits.argmax(axis=1) == sample.codes).mean())
