import shutil
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import pytest

from cellclassifier import CellTypeClassifier, write_cells
from cellclassifier.cli import main


@pytest.fixture(scope="session")
def _made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made_once")


@pytest.fixture
def _good_files(_made_once: Path, toy_reference: ad.AnnData) -> Path:
    """Return a folder with a reference, a model of it, and its cells annotated; not to change."""
    if not any(_made_once.iterdir()):
        toy_reference.write_h5ad(_made_once / "reference.h5ad")
        classifier = CellTypeClassifier("linear").fit(toy_reference, labels_key="cell_type")
        classifier.save(_made_once / "model.keras")
        write_cells(classifier.annotate(toy_reference.copy()), _made_once / "named.h5ad")
    return _made_once


@pytest.fixture
def reference_file(_good_files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(_good_files / "reference.h5ad", tmp_path))


@pytest.fixture
def model_file(_good_files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(_good_files / "model.keras", tmp_path))


@pytest.fixture
def named_file(_good_files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(_good_files / "named.h5ad", tmp_path))


@pytest.fixture
def command() -> Callable[..., int]:
    """Run the command line in this process; return its exit status."""

    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run
