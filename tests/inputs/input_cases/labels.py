"""Labels of a reference."""

import numpy as np
import pandas as pd

from input_cases.case import Theme
from input_cases.clean import KEY

LABELS = Theme("Labels to train on", shows="labels", command="train")
N_MISSING = 7


def relabelled(cells, labels):
    cells.obs[KEY] = labels
    return cells


def texts(cells):
    return cells.obs[KEY].astype(object)


def without_the_first(cells):
    return cells[N_MISSING:].copy()


@LABELS.accepted("labels as texts", "n_cells_without_label: 0")
def labels_as_texts(cells, _):
    return relabelled(cells, texts(cells))


@LABELS.accepted(
    "labels as categories, some of which no cell has", "80 cells of B, Monocyte, NK, T;"
)
def categories_without_cells(cells, _):
    return relabelled(cells, cells.obs[KEY].cat.add_categories(["neuron"]))


@LABELS.converted("labels with spaces around them, in some cells", "cells of B, Monocyte, NK, T;")
def labels_with_spaces(cells, _):
    labels = texts(cells)
    labels.iloc[::2] = " " + labels.iloc[::2] + "  "
    return relabelled(cells, labels)


def first_missing(cells, value):
    labels = texts(cells)
    labels.iloc[:N_MISSING] = value
    return relabelled(cells, labels)


@LABELS.refused(
    "cells without a label", "7 of 80 cells have no label", "notna()", option="--strict"
)
@LABELS.converted(
    "cells without a label", "73 cells", "n_cells_without_label: 7", like=without_the_first
)
def labels_missing(cells, _):
    return first_missing(cells, np.nan)


@LABELS.refused('labels that are the text "nan"', "7 of 80 cells have no label", option="--strict")
@LABELS.converted(
    'labels that are the text "nan"', "n_cells_without_label: 7", like=without_the_first
)
def labels_nan(cells, _):
    return first_missing(cells, "nan")


@LABELS.converted(
    'labels that are the text "None"', "n_cells_without_label: 7", like=without_the_first
)
def labels_none(cells, _):
    return first_missing(cells, "None")


@LABELS.converted("labels that are spaces", "n_cells_without_label: 7", like=without_the_first)
def labels_of_spaces(cells, _):
    return first_missing(cells, "  ")


def with_numbers(cells):
    return relabelled(cells, [str(code) for code in cells.obs[KEY].cat.codes])


@LABELS.accepted("labels that are numbers of clusters", "cells of 0, 1, 2, 3;", like=with_numbers)
def labels_as_numbers(cells, _):
    return relabelled(cells, cells.obs[KEY].cat.codes.astype("int64"))


@LABELS.refused("no cell with a label", "80 of 80 cells have no label")
def no_labels(cells, _):
    return relabelled(cells, pd.Categorical([None] * cells.n_obs, categories=["B"]))


@LABELS.refused("one label for all cells", "two types or more")
def one_label(cells, _):
    return relabelled(cells, ["B"] * cells.n_obs)


def with_one_neuron(cells):
    labels = texts(cells)
    labels.iloc[0] = "neuron"
    return relabelled(cells, labels)


@LABELS.refused("a type of one cell", "single cell: ['neuron']", "Drop or merge", option="--strict")
@LABELS.accepted(
    "a type of one cell",
    "80 cells of B, Monocyte, NK, T, neuron;",
    "note: 1 types in .obs['cell_type'] have a single cell: ['neuron']",
    like=with_one_neuron,
    warns=True,
)
def type_of_one_cell(cells, _):
    return with_one_neuron(cells)


@LABELS.refused("no column of that name", "no column 'cell_type' in .obs; it has ['celltype']")
def column_of_labels_missing(cells, _):
    cells.obs = cells.obs.rename(columns={KEY: "celltype"})
    return cells


@LABELS.refused("scaled values to train on", "scaled or centred", "--layer")
def train_on_scaled(cells, _):
    counts = cells.X.toarray()
    cells.X = counts - counts.mean(axis=0)
    return cells
