"""Evaluations, predictions and models, for people to read; knows no Keras.

``plots`` is imported when it is first used: Matplotlib takes longer than a table.
"""

from importlib import import_module

from cellclassifier.reporting.panel_table import panel_table
from cellclassifier.reporting.tables import (
    batches_table,
    evaluation_table,
    model_table,
    predictions_table,
)

__all__ = [
    "batches_table",
    "evaluation_table",
    "model_table",
    "panel_table",
    "plots",
    "predictions_table",
]


def __getattr__(name: str) -> object:
    if name != "plots":
        raise AttributeError(f"module 'cellclassifier.reporting' has no attribute {name!r}")
    return import_module("cellclassifier.reporting.plots")
