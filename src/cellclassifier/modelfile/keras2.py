"""Whole-model ``.h5`` files, as Keras 2 wrote them, read with suspicion."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from cellclassifier.errors import InputError, ModelFileError
from cellclassifier.labels import shown
from cellclassifier.modelfile.safety import class_nodes, parse_json, refuse_foreign_code
from cellclassifier.networks import as_classifier, keras

HDF5_SUFFIXES = (".h5", ".hdf5")
# the root classes of a whole model
MODEL_CLASSES = ("Sequential", "Functional", "Model")
# the modules of Keras whose classes a network's configuration names
KERAS_MODULES = ("layers", "initializers", "regularizers", "constraints", "dtype_policies")
# what else may be named: models, what Keras 2 called otherwise, and values that are no objects
OTHER_NAMES = frozenset({*MODEL_CLASSES, "Policy", "__tuple__", "__keras_tensor__"})


@dataclass(frozen=True)
class Keras2Model:
    """A network from an ``.h5`` file, and the Keras that wrote it."""

    network: "keras.Model"
    n_genes: int
    n_types: int
    keras_version: str


def is_hdf5_name(path: str | Path) -> bool:
    """Return whether `path` is named as an HDF5 file."""
    return Path(path).suffix in HDF5_SUFFIXES


def read_keras2_model(path: str | Path) -> Keras2Model:
    """Check and read a whole-model ``.h5`` file; nothing in it is executed.

    Returns
    -------
    Keras2Model
        Its network ends in a dense layer named ``logits`` and a softmax, with the file's weights.

    Raises
    ------
    ModelFileError
        The file is missing, broken, unsafe, holds weights only, is no Keras model, or its network
        is no classifier over one row of genes.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"there is no model file '{path}'")
    try:
        keras_version = _checked_version(path)
        model = as_classifier(_load(path))
        n_genes, n_types = _sizes(model)
    except (ModelFileError, InputError) as error:
        raise ModelFileError(f"'{path}' cannot be loaded: {error}") from error
    except OSError as error:
        raise ModelFileError(
            f"'{path}' is not an HDF5 file, or was cut off ({path.stat().st_size:,} bytes): "
            f"{_first_line(error)}"
        ) from error
    except (
        ValueError, TypeError, LookupError, AttributeError, RuntimeError, UserWarning,
    ) as error:  # fmt: skip
        raise ModelFileError(f"Keras cannot load '{path}': {_first_line(error)}") from error
    return Keras2Model(model, n_genes, n_types, keras_version)


def _checked_version(path: Path) -> str:
    """Refuse what is no whole model of Keras's own layers; return the version that wrote it."""
    with h5py.File(path) as file:
        text = file.attrs.get("model_config")
        if not isinstance(text, str | bytes) or "model_weights" not in file:
            raise ModelFileError(_what_it_is(file))
        version = file.attrs.get("keras_version", "unknown")
    config = parse_json(text, "its model_config")
    if not isinstance(config, dict) or config.get("class_name") not in MODEL_CLASSES:
        raise ModelFileError(
            f"its model_config is not that of a model, which would be one of {MODEL_CLASSES}"
        )
    refuse_foreign_code(config)
    _refuse_unknown_classes(config)
    return version.decode() if isinstance(version, bytes) else str(version)


def _what_it_is(file: h5py.File) -> str:
    # Keras 2 lists the layers in the attributes of a file of weights, Keras 3 in its groups
    weights_only = "layer_names" in file.attrs or {"layers", "_layer_checkpoint_dependencies"} & (
        set(file)
    )
    if weights_only:
        return (
            "it holds weights only, and not the network; save the whole model where it was made: "
            "model.save('model.h5')"
        )
    return (
        "it is an HDF5 file but not a Keras model, which has a model_config and model_weights; "
        f"it has {shown(file)}"
    )


def _refuse_unknown_classes(config: dict[str, Any]) -> None:
    # Keras 2 writes a class of the author's own by its bare name, without a module
    for node in class_nodes(config):
        name = node["class_name"]
        if name not in OTHER_NAMES and not any(
            isinstance(getattr(getattr(keras, module), name, None), type)
            for module in KERAS_MODULES
        ):
            raise ModelFileError(
                f"its network holds {name}, which is not a class of Keras {keras.__version__}; "
                "networks of Keras's own layers can be imported"
            )


def _load(path: Path) -> "keras.Model":
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        # a Sequential of Keras 2 keeps its input's shape in the first layer; Keras 3 takes it
        warnings.filterwarnings("ignore", "Do not pass an `input_shape`", UserWarning)
        return keras.models.load_model(path, compile=False, safe_mode=True)


def _sizes(model: "keras.Model") -> tuple[int, int]:
    """Return the numbers of genes and types, where genes are in one row of the input."""
    shape = model.input_shape[1:]
    if None in shape or sum(size != 1 for size in shape) > 1:
        raise ModelFileError(
            f"its input has the shape {shape}; one row of genes was expected, such as "
            "(n_genes,), (n_genes, 1, 1) or (1, n_genes, 1)"
        )
    return math.prod(shape), int(model.output_shape[-1])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
