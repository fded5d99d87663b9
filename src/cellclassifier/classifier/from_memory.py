"""Classifiers trained on a file whose cells fit into memory."""

from pathlib import Path

from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.reference_files import ReferenceFiles
from cellclassifier.classifier.uniting import map_labels
from cellclassifier.data import CountsArguments, read_cells


def fit_in_memory(
    classifier: CellTypeClassifier,
    path: Path,
    labels_key: str,
    asked: ReferenceFiles,
    counts: CountsArguments,
) -> CellTypeClassifier:
    """Train on the cells of a file, read whole; parameters are those of `fit_file`."""
    cells = read_cells(path, genes_in=asked.genes_in)
    if asked.label_map is not None and labels_key in cells.obs:
        cells.obs[labels_key] = map_labels(cells.obs[labels_key], asked.label_map, path.name)
    return classifier.fit(
        cells,
        labels_key=labels_key,
        batch_key=asked.batch_key,
        strict=asked.strict,
        watch=asked.watch,
        **counts,
    )
