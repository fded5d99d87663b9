"""A classifier from an ``.h5`` file, which holds the network alone, and lists of names."""

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellclassifier.data import GenePanel, Normalisation, read_gene_list, read_names
from cellclassifier.errors import InputError, LabelError
from cellclassifier.labels import LabelSpace, shown
from cellclassifier.modelfile.keras2 import Keras2Model, is_hdf5_name, read_keras2_model
from cellclassifier.modelfile.manifest import Manifest
from cellclassifier.modelfile.model import package_versions, read_model

if TYPE_CHECKING:
    from cellclassifier.networks import StoredNetwork, keras

# a list in memory, or the path of a file with one name a line
Names = Sequence[str] | str | Path
IMPORTED = "imported"
# what the original study fed to its networks
ORIGINAL_NORMALISATION = Normalisation("log1p")


def read_any_model(
    path: str | Path,
    *,
    genes: GenePanel | Names | None = None,
    labels: Names | None = None,
    normalisation: Normalisation | None = None,
) -> "tuple[keras.Model | StoredNetwork, Manifest]":
    """Read a ``.keras`` file, or an ``.h5`` file as `import_model` does.

    Raises
    ------
    ModelFileError
        The file cannot be loaded.
    InputError
        Names do not fit an ``.h5`` file, or are given for a ``.keras`` file.
    """
    if is_hdf5_name(path):
        return import_model(path, genes=genes, labels=labels, normalisation=normalisation)
    if any(given is not None for given in (genes, labels, normalisation)):
        raise InputError(
            f"'{path}' is not named as an .h5 file: a .keras file holds its genes, labels and "
            "normalisation itself, so leave them out"
        )
    return read_model(path)


def import_model(
    path: str | Path,
    *,
    genes: GenePanel | Names | None,
    labels: Names | None,
    normalisation: Normalisation | None = None,
) -> "tuple[keras.Model, Manifest]":
    """Read a whole-model ``.h5`` file of Keras 2 and say what its inputs and outputs are.

    Parameters
    ----------
    path
        The ``.h5`` file.
    genes
        In the order of the network's input.
    labels
        The types, in the order of its output.
    normalisation
        What the network was trained on; None is the original study's log(1 + counts).

    Raises
    ------
    ModelFileError
        The file cannot be loaded.
    InputError
        Genes or labels are missing, stand twice, or do not fit the network.
    """
    if genes is None or labels is None:
        raise InputError(
            f"'{path}' holds a network, and neither its genes nor its types: give genes=… and "
            "labels=…, or make a .keras file of it once: "
            "cellclassifier import OLD.h5 --genes GENES.txt --labels LABELS.txt --out MODEL.keras"
        )
    panel = (
        genes if isinstance(genes, GenePanel) else GenePanel.of_names(_names(genes, read_gene_list))
    )
    names = _names(labels, _read_labels)
    read = read_keras2_model(path)
    _check_genes(panel, read, path)
    _check_labels(names, read, path)
    manifest = Manifest(
        network={"name": IMPORTED, "n_parameters": int(read.network.count_params())},
        panel=panel,
        label_space=LabelSpace(tuple(names)),
        normalisation=normalisation or ORIGINAL_NORMALISATION,
        calibration={"method": "none", "temperature": 1.0, "n_cells": 0},
        training={
            IMPORTED: {
                "file": Path(path).name,
                "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
                "keras_version": read.keras_version,
            }
        },
        versions=package_versions(),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    return read.network, manifest


def _names(names: Names, read: Callable[[str | Path], list[str]]) -> list[str]:
    if isinstance(names, str | Path):
        return read(names)
    return [str(name) for name in names]


def _read_labels(path: str | Path) -> list[str]:
    return read_names(path, "list of labels")


def _check_genes(panel: GenePanel, read: Keras2Model, path: str | Path) -> None:
    if len(panel) != read.n_genes:
        raise InputError(
            f"the network of '{path}' takes {read.n_genes:,} genes, and {len(panel):,} were named, "
            f"{shown(panel.names[:3])} first; name the gene of each input, in the order in which "
            "the network was trained"
        )
    names = np.where(panel.ensembl_ids == "", panel.symbols, panel.ensembl_ids)
    distinct, n_times = np.unique(names.astype(str), return_counts=True)
    if "" in distinct or n_times.max() > 1:
        raise InputError(
            f"each gene has to have a name of its own, but {shown(distinct[n_times > 1])} stand "
            "more than once or are empty: counts could not be told apart; give Ensembl ids, or "
            "the unique names of the data's .var_names"
        )


def _check_labels(labels: list[str], read: Keras2Model, path: str | Path) -> None:
    if len(labels) != read.n_types:
        raise LabelError(
            f"the network of '{path}' knows {read.n_types} types, and {len(labels)} labels were "
            f"given, {shown(labels)}; name the type of each output, in their order"
        )
