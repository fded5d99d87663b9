"""Run the tutorials from top to bottom and keep what they show.

    python docs/run_notebooks.py

Each runs in a folder of its own, without a network. What names this machine, or differs from run to
run without meaning anything, is not kept: timings, progress bars and logs on stderr.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


def main() -> None:
    """Run those named on the command line, or all."""
    wanted = [Path(name).resolve() for name in sys.argv[1:]] or NOTEBOOKS
    for path in wanted:
        run(path)
        print(f"ran {path.relative_to(ROOT)}")


def run(path: Path) -> None:
    """Run one notebook in place."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELLCLASSIFIER_CACHE"] = "cache"  # in that folder, so that no path is shown
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
