"""Every notebook runs from top to bottom, without a network."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs" / "tutorials").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:zmq", "ignore::DeprecationWarning:jupyter")
def test_the_notebook_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("CELLCLASSIFIER_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not any("Traceback" in str(cell.outputs) for cell in code)


def test_there_are_notebooks_to_run():
    assert [path.name for path in NOTEBOOKS] == ["own-run.ipynb", "workflow.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_keeps_what_it_showed(path):
    """As ``make notebooks`` leaves it: in order, with pictures, and no path of a machine."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    shown = str([output.get("text") or output.data.get("text/plain") for output in outputs])
    assert not re.search(r"/(?:tmp|home|root|work|Users)/", shown)
    assert "Error" not in shown
