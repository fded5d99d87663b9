"""What commands print."""

from pathlib import Path

from rich.console import Console


def say(text: str) -> None:
    """Print a line as it is, without markup."""
    Console().print(text, highlight=False, markup=False, soft_wrap=True)


def show_model(path: Path) -> None:
    """Print what a model file says about itself."""
    from cellclassifier.modelfile import read_manifest
    from cellclassifier.reporting import model_table

    Console().print(model_table(read_manifest(path)))
