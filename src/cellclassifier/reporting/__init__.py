"""Evaluations, predictions and models, for people to read; knows no Keras."""

from cellclassifier.reporting import plots
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
