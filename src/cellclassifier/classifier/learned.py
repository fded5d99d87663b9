"""What a classifier has learned."""

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import NotFittedError
from cellclassifier.modelfile import Manifest
from cellclassifier.networks import Engine, Predictor, StoredNetwork, choose_predictor, keras


class Learned:
    """The network of a classifier and what is known of it, from training or from a file."""

    engine: Engine
    manifest_: Manifest
    # as it was trained, or as a file holds it
    network_: "keras.Model | StoredNetwork"
    _kept_predictor: "tuple[tuple[keras.Model | StoredNetwork, Engine], Predictor]"

    @property
    def model_(self) -> "keras.Model":
        """From expression to probabilities; built by Keras when it is first asked for."""
        self.check_fitted()
        if isinstance(self.network_, StoredNetwork):
            self.network_ = self.network_.build()
        return self.network_

    @model_.setter
    def model_(self, model: "keras.Model") -> None:
        self.network_ = model

    @property
    def classes_(self) -> npt.NDArray[np.object_]:
        """The types, in the order of the columns of `predict_proba`."""
        return np.array(self.check_fitted().label_space.labels, dtype=object)

    def check_fitted(self) -> Manifest:
        """Return the manifest, or raise `NotFittedError` where there is none yet."""
        if not hasattr(self, "manifest_"):
            raise NotFittedError(
                "this classifier knows no types yet: call fit(reference, labels_key=…), "
                "or CellTypeClassifier.load(path)"
            )
        return self.manifest_

    def predictor(self) -> Predictor:
        """Return what runs the network, made once for a network and an engine."""
        manifest = self.check_fitted()
        made_for = (self.network_, self.engine)
        kept = getattr(self, "_kept_predictor", None)
        if kept is None or kept[0] != made_for:
            adaptation = manifest.adaptation
            moments = None if adaptation is None else adaptation.moments
            self._kept_predictor = made_for, choose_predictor(self.network_, self.engine, moments)
        return self._kept_predictor[1]
