"""A trained network and its manifest, to one file and back."""

import math
import warnings
from importlib.metadata import version
from pathlib import Path

from cellclassifier.errors import ModelFileError
from cellclassifier.files import replacing
from cellclassifier.modelfile.archive import WEIGHTS, CheckedParts, add_manifest, checked_parts
from cellclassifier.modelfile.manifest import Manifest
from cellclassifier.modelfile.weights import read_weights
from cellclassifier.networks import StoredNetwork, is_wide_deep, keras, weighted_layers

VERSIONED = ("cellclassifier", "keras", "numpy", "scipy", "anndata")


def write_model(path: str | Path, model: "keras.Model", manifest: Manifest) -> Manifest:
    """Write network and manifest to one ``.keras`` file, whole or not at all.

    Returns
    -------
    Manifest
        With the hash of the model.

    Raises
    ------
    ModelFileError
        `path` does not end in ``.keras``.
    OutputError
        It cannot be written.
    """
    path = check_model_path(path)
    # compiled, so that plain Keras can evaluate it; SGD has no state that would fill the file
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    with replacing(path) as temporary:
        model.save(temporary)
        return add_manifest(temporary, manifest)


def read_model(path: str | Path) -> "tuple[keras.Model | StoredNetwork, Manifest]":
    """Check and read a model file, in Keras's safe mode.

    The default network comes as its weights: Keras is imported, and builds it, for who asks.

    Raises
    ------
    ModelFileError
        The file is missing, broken, unsafe, changed, of a newer format, or not a model of ours.
    """
    with checked_parts(path) as parts:
        manifest, stored = parts.manifest, _stored(parts)
    if stored is None or manifest.adaptation is None:
        network, sizes = _by_keras(Path(path))
    else:
        network, sizes = stored, stored.sizes
    if sizes != (len(manifest.panel), len(manifest.label_space)):
        raise ModelFileError(
            f"'{path}' does not fit together: its network takes {sizes[0]} genes and knows "
            f"{sizes[1]} types, its list has {len(manifest.panel)} genes and "
            f"{len(manifest.label_space)} types"
        )
    shape = _shape_of_logits(network)
    adaptation = manifest.adaptation
    if adaptation is not None and shape not in (None, adaptation.kernels.shape[1:]):
        raise ModelFileError(
            f"'{path}' does not fit together: its weights for shifted cells are for a layer of "
            f"the shape {adaptation.kernels.shape[1:]}, its network's has {shape}"
        )
    return network, manifest


def _stored(parts: CheckedParts) -> StoredNetwork | None:
    """Return the network where it is the default, as Keras writes it; else None."""
    layers = weighted_layers(parts.architecture)
    if layers is None:
        return None
    return StoredNetwork.of(parts.architecture, read_weights(parts.read(WEIGHTS), layers))


def _by_keras(path: Path) -> "tuple[keras.Model, tuple[int, int]]":
    """Return the network, and the sizes of its input and output."""
    try:
        with warnings.catch_warnings():
            # where weights are missing Keras warns, and goes on with random ones
            warnings.simplefilter("error", UserWarning)
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        sizes = math.prod(model.input_shape[1:]), model.output_shape[-1]
    except (
        ValueError, TypeError, LookupError, AttributeError, RuntimeError, OSError, UserWarning,
    ) as error:  # fmt: skip
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFileError(f"Keras cannot load '{path}': {reason}") from error
    return model, sizes


def _shape_of_logits(network: "keras.Model | StoredNetwork") -> tuple[int, ...] | None:
    """Return the shape of the last kernel of a wide and deep network; None for others."""
    if isinstance(network, StoredNetwork):
        return network.weights[-2].shape
    return tuple(network.get_layer("logits").kernel.shape) if is_wide_deep(network) else None


def check_model_path(path: str | Path) -> Path:
    """Return `path` where its name is that of a model file."""
    path = Path(path)
    if path.suffix != ".keras":
        raise ModelFileError(f"cannot write a model to '{path}': its name has to end in .keras")
    return path


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that make a model, and the Keras backend."""
    return {name: version(name) for name in VERSIONED} | {"backend": keras.backend.backend()}
