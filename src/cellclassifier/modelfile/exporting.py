"""A network written for other programs."""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import h5py

from cellclassifier.errors import InputError, MissingExtraError, OutputError
from cellclassifier.files import check_writable, replacing
from cellclassifier.modelfile.archive import MANIFEST
from cellclassifier.modelfile.manifest import Manifest

if TYPE_CHECKING:
    from cellclassifier.networks import keras

ExportFormat = Literal["onnx", "h5", "saved-model"]
# format -> how the name has to end; a SavedModel is a folder
SUFFIXES: Mapping[ExportFormat, str] = {"onnx": ".onnx", "h5": ".h5", "saved-model": ""}
# format -> the package it needs beside Keras, which is also the name of our extra
PACKAGES: Mapping[str, str] = {"onnx": "onnx", "saved-model": "tensorflow"}
# TensorFlow's own place in a SavedModel for files it does not read
EXTRA_ASSETS = "assets.extra"
SAVED_MODEL_SCRIPT = """
import sys
import keras
model = keras.models.load_model(sys.argv[1], compile=False, safe_mode=True)
model.export(sys.argv[2], format="tf_saved_model", verbose=False)
"""


def export_model(
    path: str | Path,
    model: "keras.Model",
    manifest: Manifest,
    format: ExportFormat,  # noqa: A002  (the word that Keras and pandas use)
) -> None:
    """Write a network for other programs, whole or not at all.

    Parameters
    ----------
    path
        The file, or for a SavedModel the folder, to write.
    model, manifest
        The network, and what is written beside it: genes, types, normalisation.
    format
        ``"onnx"``, ``"h5"`` or ``"saved-model"``.

    Raises
    ------
    InputError
        The name does not fit the format, or ONNX has no word for one of the layers.
    MissingExtraError
        The package that the format needs is not installed.
    OutputError
        `path` cannot be written, or is a folder that exists.
    """
    path = check_export_path(path, format)
    write = {"onnx": _write_onnx, "h5": _write_h5, "saved-model": _write_saved_model}[format]
    with replacing(path) as temporary:
        write(temporary, model, description(manifest))


def check_export_path(path: str | Path, format: ExportFormat) -> Path:  # noqa: A002
    """Return `path`, or say at once why this format cannot be written there."""
    path = Path(path)
    if format not in SUFFIXES:
        raise InputError(f"there is no format '{format}'; there are {list(SUFFIXES)}")
    package = PACKAGES.get(format)
    if package is not None and find_spec(package) is None:
        raise MissingExtraError(
            f"the format {format} needs {package}, which is not installed: "
            f"pip install 'cellclassifier[{package}]'"
        )
    if path.suffix != SUFFIXES[format]:
        wanted = f"end in {SUFFIXES[format]}" if SUFFIXES[format] else "be that of a folder"
        raise InputError(f"cannot write {format} to '{path}': its name has to {wanted}")
    if format == "saved-model" and path.is_dir():
        raise OutputError(f"cannot write '{path}': it exists; remove it or give another name")
    return check_writable(path)


def description(manifest: Manifest) -> str:
    """Return the JSON that goes with an exported network: the manifest without the history.

    The hashes of a ``.keras`` file's parts are left out, too: they say nothing about other files.
    """
    content = manifest.to_json(parts={})
    del content["parts"]
    content["training"].pop("history", None)
    return json.dumps(content)


def _write_onnx(path: Path, model: "keras.Model", text: str) -> None:
    from cellclassifier.modelfile.onnx_graph import to_onnx  # onnx is an extra

    path.write_bytes(to_onnx(model, {MANIFEST: text}).SerializeToString())


def _write_h5(path: Path, model: "keras.Model", text: str) -> None:
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    with _quiet("absl"):  # Keras says there that the format is a legacy
        model.save(path)
    with h5py.File(path, "a") as file:
        file[MANIFEST] = text


def _write_saved_model(path: Path, model: "keras.Model", text: str) -> None:
    # In a process of its own, where Keras runs on TensorFlow: from JAX a SavedModel holds compiled
    # code for this kind of machine alone, and not TensorFlow's operations.
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.keras"
        model.save(network)
        done = subprocess.run(  # noqa: S603  (our own script)
            [sys.executable, "-c", SAVED_MODEL_SCRIPT, str(network), str(path)],
            env=os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OutputError(f"TensorFlow could not write the SavedModel: {reason}")
    extra = path / EXTRA_ASSETS
    extra.mkdir()
    (extra / MANIFEST).write_text(text, encoding="utf-8")


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
