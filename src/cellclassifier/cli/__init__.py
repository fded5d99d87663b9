"""The command line: ``cellclassifier COMMAND``."""

from cellclassifier.cli.app import main

__all__ = ["main"]
