"""Puts a case through the public door, and says what came of it."""

import contextlib
import hashlib
import io
import json
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt

from cellclassifier import CellTypeClassifier, check, read_cells, write_cells
from cellclassifier.cli import main
from cellclassifier.errors import CellClassifierError, InputWarning
from input_cases.case import Case
from input_cases.clean import KEY, clean_cells, model_genes

MODEL_NAME = "human-blood.keras"


@dataclass(frozen=True, eq=False)
class Seen:
    """What came of an input.

    Parameters
    ----------
    status
        The command's exit status.
    said
        The error, or what was found out about the input.
    errors
        The lines on stderr.
    labels, probabilities
        Of each cell, and of each cell and type; None where there are none.
    input_unchanged, nothing_else_written
        By the hashes of all files in the folder, or of the AnnData's parts.
    """

    status: int
    said: str
    errors: list[str]
    labels: list[str] | None
    probabilities: npt.NDArray[np.float32] | None
    input_unchanged: bool
    nothing_else_written: bool


@dataclass(frozen=True, eq=False)
class Models:
    """The model that names the cells of the cases, in memory and in a file."""

    classifier: CellTypeClassifier
    path: Path

    @classmethod
    def trained(cls, folder: Path) -> "Models":
        """Train on cells like the clean ones."""
        classifier = CellTypeClassifier("linear", genes=list(model_genes()))
        classifier.fit(clean_cells(seed=0), labels_key=KEY)
        classifier.save(folder / MODEL_NAME)
        return cls(classifier, folder / MODEL_NAME)

    def expected(self, case: Case) -> tuple[list[str], npt.NDArray[np.float32]]:
        """Return the labels and probabilities of the clean cells."""
        clean = clean_cells()
        like = clean if case.like is None else case.like(clean)
        classifier = self.classifier
        if case.command == "train":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InputWarning)
                classifier = CellTypeClassifier("linear").fit(like, labels_key=KEY)
            like = clean_cells()
        named = classifier.classify(like)
        return named.labels.tolist(), named.probabilities


def run_case(case: Case, models: Models, folder: Path) -> Seen:
    """Make the input in `folder`, which is empty, and put it through the door."""
    made = case.make(clean_cells(), folder)
    if case.door == "python":
        assert isinstance(made, ad.AnnData)
        return _through_python(case, made, models.classifier)
    if isinstance(made, ad.AnnData):
        write_cells(made, folder / "cells.h5ad")
        made = folder / "cells.h5ad"
    if case.command == "train":
        return _through_train(case, made, folder)
    return _through_annotate(case, made, models.path, folder)


def _through_annotate(case: Case, path: Path, model: Path, folder: Path) -> Seen:
    out, options = folder / "named.h5ad", shlex.split(case.option)
    before = _hashes(folder)
    status, errors, _ = _command("annotate", path, "--model", model, "--out", out, *options)
    labels = probabilities = None
    said = _readable(errors, folder)
    if out.exists():
        with warnings.catch_warnings():  # anndata's own, of names that stand twice
            warnings.simplefilter("ignore", UserWarning)
            named = ad.read_h5ad(out)
        labels = named.obs["predicted_cell_type"].astype(str).tolist()
        probabilities = named.obsm["cell_type_probabilities"]
        out.unlink()
    if status == 0:
        _, more, found = _command("check", path, "--json", *options)
        errors += more
        said = _evidence(case, json.loads(found))
    after = _hashes(folder)
    return Seen(
        status, said, errors, labels, probabilities,
        input_unchanged=all(after.get(name) == content for name, content in before.items()),
        nothing_else_written=set(after) <= set(before),
    )  # fmt: skip


def _through_train(case: Case, path: Path, folder: Path) -> Seen:
    out, before = folder / "model.keras", _hashes(folder)
    status, errors, _ = _command(
        "train", path, "--labels-key", KEY, "--network", "linear", "--out", out,
        *shlex.split(case.option),
    )  # fmt: skip
    said = _readable(errors, folder)
    labels = probabilities = None
    if out.exists():
        classifier = CellTypeClassifier.load(out)
        named = classifier.classify(read_cells(path))
        labels, probabilities = named.labels.tolist(), named.probabilities
        said = "; ".join(filter(None, [_account(case, classifier.check_fitted().training), said]))
        out.unlink()
    after = _hashes(folder)
    return Seen(
        status, said, errors, labels, probabilities,
        input_unchanged=all(after.get(name) == content for name, content in before.items()),
        nothing_else_written=set(after) <= set(before),
    )  # fmt: skip


def _through_python(case: Case, cells: ad.AnnData, classifier: CellTypeClassifier) -> Seen:
    before = _parts(cells)
    try:
        said = _evidence(case, check(cells).to_json())
        named = classifier.classify(cells)
    except CellClassifierError as error:
        return Seen(1, str(error), str(error).splitlines(), None, None, _parts(cells) == before,
                    nothing_else_written=True)  # fmt: skip
    return Seen(0, said, [], named.labels.tolist(), named.probabilities, _parts(cells) == before,
                nothing_else_written=True)  # fmt: skip


def _command(*arguments: object) -> tuple[int, list[str], str]:
    """Run the command line in this process; return its status, its errors and its output."""
    out, errors, status = io.StringIO(), io.StringIO(), -1
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        warnings.catch_warnings(),  # in which main shows them in its own way
    ):
        warnings.simplefilter("always", InputWarning)
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
    return status, _without_progress(errors.getvalue()), out.getvalue()


def _without_progress(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if not line.startswith("training ")]


def _readable(errors: list[str], folder: Path) -> str:
    """Return the error without the program's name and the folders before names of files."""
    text = " ".join(errors).removeprefix("cellclassifier: ")
    return text.replace(f"{folder}/", "").replace(str(folder), "the folder")


def _evidence(case: Case, found: dict[str, Any]) -> str:
    """Return what `check` found out of what the case is about."""
    if case.shows == "file":
        about = {name: str(value) for name, value in found["file_format"].items()}
        return ", ".join(f"{name}: {value}" for name, value in about.items()) or found["counts"]
    return str(found["genes"] if case.shows == "genes" else found["counts"])


def _account(case: Case, training: dict[str, Any]) -> str:
    """Return what the model file says of its reference."""
    if case.shows == "genes":
        return str(training["genes"])
    n_cells = sum(training["n_cells_per_type"].values())
    types = ", ".join(training["n_cells_per_type"])
    left_out = training["n_cells_without_label"]
    return f"{n_cells} cells of {types}; n_cells_without_label: {left_out}"


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _parts(cells: ad.AnnData) -> list[str]:
    """Return the parts of an AnnData as texts, each number of its matrix included."""
    return list(_texts(cells))


def _texts(cells: ad.AnnData) -> Iterator[str]:
    yield f"{type(cells.X)}"
    matrix = cells.X[:] if cells.isbacked else cells.X
    for part in ("data", "indices", "indptr"):
        values = getattr(matrix, part, None)
        if isinstance(values, np.ndarray):
            yield f"{values.dtype} {values.tolist()}"
    if isinstance(matrix, np.ndarray):
        yield f"{matrix.dtype} {matrix.tolist()}"
    for table in (cells.obs, cells.var):
        yield table.to_csv()
    yield f"{sorted(cells.layers)} {sorted(cells.obsm)} {sorted(cells.uns)}"
