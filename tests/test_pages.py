"""Every command and every code block of README and docs runs, in a folder like a user's."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from document_blocks import NOT_RUN, PageRun, blocks_of, programs_path, run_shell

import cellclassifier as cc

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    if "_build" not in path.parts and blocks_of(path.read_text(encoding="utf-8"))
)

# page -> what it says, and what is quicker; the options stay
SMALLER = {
    "README": {" --report report.html": ""},  # how-to/report.md draws the same page
    "index": {" --report report.html": ""},
    "train-from-disk": {"reference.h5ad more.h5ad": "reference.h5ad more.h5ad --network linear"},
    "design-a-panel": {"--sizes 10,30,100,300": "--sizes 10"},
    "on-a-cluster": {"--array=1-2": "--array=1-1"},
    "several-processes": {"--network mlp": "--network mlp --epochs 2"},
    "tune": {
        "--trials 30": "--trials 2",
        "--network mlp": "--network linear",
        '"mlp", n_trials=30': '"linear", n_trials=1',
    },
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def user_model(tmp_path_factory, toy_cells_with_donors) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    classifier = cc.CellTypeClassifier(seed=0).fit(toy_cells_with_donors, labels_key="cell_type")
    classifier.save(path)
    return path


@pytest.fixture(scope="module")
def toy_cells_with_donors(_toy_reference_made: ad.AnnData) -> ad.AnnData:
    cells = _toy_reference_made.copy()
    cells.obs["donor"] = np.array(["D1", "D2", "D3"])[np.arange(cells.n_obs) % 3]
    cells.obs["leiden"] = cells.obs["cell_type"].cat.codes.astype(str).astype("category")
    return cells


@pytest.fixture
def user_folder(tmp_path, monkeypatch, toy_cells_with_donors, user_model) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", programs_path())
    monkeypatch.setenv("SHELL", "/bin/bash")
    for name in ("reference.h5ad", "cells.h5ad"):
        toy_cells_with_donors.write_h5ad(name)
    shutil.copy(user_model, "model.keras")
    return tmp_path


def write_two_labs(cells: ad.AnnData) -> None:
    """Two files of other vocabularies, each with genes that the other lacks."""
    words = {"lab_a": {"B": "B cell", "T": "CD4 T"}, "lab_b": {"B": "CD19+ B"}}
    for half, (name, own) in enumerate(words.items()):
        part = cells[half::2, half : cells.n_vars - 1 + half].copy()
        part.obs["cell_type"] = part.obs["cell_type"].astype(str).replace(own)
        part.write_h5ad(f"{name}.h5ad")


def write_more(cells: ad.AnnData) -> None:
    cells[:, ::-1].copy().write_h5ad("more.h5ad")


def write_two_samples(cells: ad.AnnData) -> None:
    Path("samples").mkdir()
    for half, name in enumerate(("one", "two")):
        cells[half::2].copy().write_h5ad(f"samples/{name}.h5ad")


def write_counts_table(cells: ad.AnnData) -> None:
    cells.to_df().T.to_csv("counts.csv")


def write_old_model(cells: ad.AnnData) -> None:
    """A whole-model file as Keras wrote them, and the lists that it needs."""
    shutil.copy("model.keras", "MODEL.keras")
    classifier = cc.CellTypeClassifier.load("model.keras")
    classifier.export("OLD.h5", format="h5")
    Path("GENES.txt").write_text("\n".join(cells.var_names[: classifier.model_.input_shape[1]]))
    Path("LABELS.txt").write_text("\n".join(classifier.classes_))


SETUP: dict[str, Callable[[ad.AnnData], None]] = {
    "several-references": write_two_labs,
    "train-from-disk": write_more,
    "on-a-cluster": write_two_samples,
    "in-a-workflow": write_two_samples,
    "use-from-r": write_counts_table,
    "model-format": write_old_model,
}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.usefixtures("user_folder")
def test_the_page_runs(path, toy_cells_with_donors):
    SETUP.get(path.stem, lambda _: None)(toy_cells_with_donors)
    page = PageRun(name_of(path), SMALLER.get(path.stem, {}))
    for block in blocks_of(path.read_text(encoding="utf-8")):
        page.run(block)
    if page.missing:
        pytest.skip(f"not installed: {page.missing}; all else on the page ran")


def test_the_pages_are_found():
    assert len(PAGES) >= 20
    assert {"README.md", "docs/index.md", "docs/how-to/annotate.md"} <= set(map(name_of, PAGES))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_fence_of_the_page_is_read(path):
    text = path.read_text(encoding="utf-8")
    fences = len(re.findall(r"^\s*(?:```|~~~)", text, flags=re.MULTILINE))
    directives = len(re.findall(r"^```\{", text, flags=re.MULTILINE))
    assert fences - 2 * directives == 2 * len(blocks_of(text))


def test_every_reason_not_to_run_is_used():
    reasons = {b.reason for path in PAGES for b in blocks_of(path.read_text(encoding="utf-8"))}
    assert reasons - {None} == NOT_RUN


@pytest.mark.usefixtures("user_folder")
@pytest.mark.parametrize(
    ("file", "step", "words"),
    [
        pytest.param(
            "Snakefile",
            r'shell:\n\s*"(.*)"',
            {"{input.cells}": "cells.h5ad", "{input.model}": "model.keras", "{output}": "x.h5ad"},
            id="snakemake",
        ),
        pytest.param(
            "annotate.nf",
            r'script:\n\s*"""\n\s*(.*)\n',
            {"${cells}": "cells.h5ad", "${model}": "model.keras", "${sample}.named": "x"},
            id="nextflow",
        ),
    ],
)
def test_the_step_of_the_workflow_runs(file, step, words):
    text = (DOCS / "how-to" / "in-a-workflow.md").read_text(encoding="utf-8")
    (code,) = (block.code for block in blocks_of(text) if block.file == file)
    (command,) = re.findall(step, code)
    for word, value in words.items():
        assert word in command
        command = command.replace(word, value)
    assert run_shell(command) == []
    assert Path("x.h5ad").is_file()
