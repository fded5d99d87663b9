"""The genes that the default network goes by are those of the textbooks; needs the data folder."""

import numpy as np
import pandas as pd
import pytest

from cellclassifier import CellTypeClassifier, TrainingConfig, read_cells

KEY, N_BEST, WANTED = "cell_type", 20, 3
CELLS_PER_TYPE = 90
QUICK = TrainingConfig(solver="stacked", epochs=8, batch_size=64, penalty=1e-5)
BLOOD = {
    "CD19+ B": "B",
    "CD56+ NK": "NK",
    "CD14+ Monocyte": "monocyte",
    "CD4+/CD45RO+ Memory T": "T",
    "CD4+/CD45RA+/CD25- Naive T": "T",
    "CD8+ Cytotoxic T": "T",
}
PANCREAS = {name: name for name in ("acinar", "alpha", "beta", "delta", "ductal")}
# each known for its type for decades, or from the antibodies that cells are sorted by
MARKERS = {
    "B": {"CD19", "CD37", "CD74", "CD79A", "CD79B", "HLA-DRA", "MS4A1", "TCL1A"},
    "NK": {"GNLY", "GZMB", "FCER1G", "KLRB1", "KLRD1", "KLRF1", "NKG7", "PRF1", "TYROBP"},
    "monocyte": {"CD14", "CST3", "FCN1", "LYZ", "S100A8", "S100A9", "TYROBP"},
    "T": {"CD2", "CD3D", "CD3E", "CD3G", "CD7", "CD8A", "IL32", "IL7R", "LTB", "TRAC"},
    "beta": {"ADCYAP1", "DLK1", "ERO1B", "G6PC2", "IAPP", "INS", "MAFA", "NKX6-1", "PDX1"},
    "alpha": {"ARX", "GC", "GCG", "IRX2", "LOXL4", "PCSK2", "TM4SF4", "TTR"},
    "acinar": {"CELA3A", "CELA3B", "CPA1", "CTRB1", "CTRB2", "PRSS1", "PRSS2", "REG1A"},
}


def labelled(path, names):
    """Return some cells of each type, under the names wanted."""
    cells = read_cells(path).to_memory()
    labels = cells.obs[KEY].astype(str).map(names)
    rows = [
        rows[:CELLS_PER_TYPE]
        for rows in labels.reset_index(drop=True).groupby(labels.to_numpy()).groups.values()
    ]
    some = cells[np.sort(np.concatenate(rows))].copy()
    some.obs[KEY] = pd.Categorical(labels[some.obs_names])
    return some


@pytest.fixture(scope="module", params=["blood", "pancreas"])
def explanation(request, shared_data):
    file, names = {
        "blood": ("zheng_sorted_facs.h5ad", BLOOD),
        "pancreas": ("baron_pancreas.h5ad", PANCREAS),
    }[request.param]
    cells = labelled(shared_data(file), names)
    classifier = CellTypeClassifier(training=QUICK).fit(cells, labels_key=KEY)
    return classifier.explain(cells)


def test_the_best_genes_are_markers(explanation):
    for cell_type in set(MARKERS) & set(explanation.types):
        best = explanation.genes_of(cell_type, N_BEST)
        assert len(MARKERS[cell_type] & set(best)) >= WANTED, (cell_type, best)
    assert len(set(MARKERS) & set(explanation.types)) >= 3


def test_the_best_genes_are_higher_in_the_type(explanation):
    """Most, for some tell a type from the next one and not from all others."""
    best = explanation.best(N_BEST)
    assert (best["mean_expression"] > best["mean_expression_rest"]).mean() > 0.8
