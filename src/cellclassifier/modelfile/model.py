"""A trained network and its manifest, to one file and back."""

import math
import warnings
from importlib.metadata import version
from pathlib import Path

from cellclassifier.errors import ModelFileError
from cellclassifier.files import replacing
from cellclassifier.modelfile.archive import add_manifest, read_manifest
from cellclassifier.modelfile.manifest import Manifest
from cellclassifier.networks import is_wide_deep, keras

VERSIONED = ("cellclassifier", "keras", "numpy", "scipy", "anndata")


def write_model(path: str | Path, model: keras.Model, manifest: Manifest) -> Manifest:
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


def read_model(path: str | Path) -> tuple[keras.Model, Manifest]:
    """Check and read a model file, in Keras's safe mode.

    Raises
    ------
    ModelFileError
        The file is missing, broken, unsafe, changed, of a newer format, or not a model of ours.
    """
    manifest = read_manifest(path)
    try:
        with warnings.catch_warnings():
            # where weights are missing Keras warns, and goes on with random ones
            warnings.simplefilter("error", UserWarning)
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        n_genes, n_types = math.prod(model.input_shape[1:]), model.output_shape[-1]
    except (
        ValueError, TypeError, LookupError, AttributeError, RuntimeError, OSError, UserWarning,
    ) as error:  # fmt: skip
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFileError(f"Keras cannot load '{path}': {reason}") from error
    if (n_genes, n_types) != (len(manifest.panel), len(manifest.label_space)):
        raise ModelFileError(
            f"'{path}' does not fit together: its network takes {n_genes} genes and knows "
            f"{n_types} types, its list has {len(manifest.panel)} genes and "
            f"{len(manifest.label_space)} types"
        )
    adaptation = manifest.adaptation
    if adaptation is not None and is_wide_deep(model):
        shape = tuple(model.get_layer("logits").kernel.shape)
        if adaptation.kernels.shape[1:] != shape:
            raise ModelFileError(
                f"'{path}' does not fit together: its weights for shifted cells are for a layer of "
                f"the shape {adaptation.kernels.shape[1:]}, its network's has {shape}"
            )
    return model, manifest


def check_model_path(path: str | Path) -> Path:
    """Return `path` where its name is that of a model file."""
    path = Path(path)
    if path.suffix != ".keras":
        raise ModelFileError(f"cannot write a model to '{path}': its name has to end in .keras")
    return path


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that make a model, and the Keras backend."""
    return {name: version(name) for name in VERSIONED} | {"backend": keras.backend.backend()}
