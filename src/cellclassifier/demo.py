"""The main job on real cells that come inside a dependency."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc

from cellclassifier.classifier import CellTypeClassifier
from cellclassifier.data import read_labels, read_predictions, stratified_split, write_cells
from cellclassifier.errors import OutputError
from cellclassifier.evaluation import Evaluation, evaluate
from cellclassifier.labels import LabelSpace
from cellclassifier.reporting import plots
from cellclassifier.training import Watcher, check_seed, watch_nothing

LABELS_KEY = "bulk_labels"
LIBRARY_SIZE_KEY = "n_counts"
TEST_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demo did: how the counts were proved, how well the kept cells were named."""

    n_training: int
    counts: str
    evaluation: Evaluation
    folder: Path

    @property
    def files(self) -> Iterator[Path]:
        """The files it wrote."""
        names = ("model.keras", "annotated.h5ad", "evaluation.json", "confusion.png")
        return (self.folder / name for name in names)


def demo_cells() -> ad.AnnData:
    """Return 700 blood cells of ten types (Zheng et al. 2017) from the scanpy package, offline.

    Their ``X`` is scaled, so that no counts can be had from it; ``raw`` holds log1p of counts per
    10,000 over 765 genes, rounded to three decimals, and ``obs["n_counts"]`` the library size over
    all genes: together they give the counts back.
    """
    return sc.datasets.pbmc68k_reduced()


def run_demo(out: str | Path = "demo", *, seed: int = 0, watch: Watcher = watch_nothing) -> Demo:
    """Split, train, evaluate on the cells kept apart, annotate and save.

    Parameters
    ----------
    out
        The folder to write to, made where it is missing: ``model.keras``, ``annotated.h5ad`` (the
        cells kept apart), ``evaluation.json``, ``confusion.png``.
    seed
        Of the split and of the training.
    watch
        Called after each epoch of training.
    """
    check_seed(seed)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{folder}': {error.strerror}") from error
    cells = demo_cells()
    labels = read_labels(cells, LABELS_KEY)
    codes = LabelSpace.of(labels).encode(labels)
    kept, apart = stratified_split(codes, TEST_FRACTION, np.random.default_rng(seed))
    reference, unseen = cells[kept].copy(), cells[apart].copy()

    classifier = CellTypeClassifier(seed=seed).fit(
        reference, labels_key=LABELS_KEY, library_size_key=LIBRARY_SIZE_KEY, watch=watch
    )
    demo = Demo(
        len(kept),
        classifier.manifest_.training["counts"],
        _annotate_and_evaluate(classifier, unseen, folder),
        folder,
    )
    plots.save_figure(plots.confusion(demo.evaluation), folder / "confusion.png")
    return demo


def _annotate_and_evaluate(
    classifier: CellTypeClassifier, unseen: ad.AnnData, folder: Path
) -> Evaluation:
    classifier.save(folder / "model.keras")
    annotated = classifier.annotate(unseen, library_size_key=LIBRARY_SIZE_KEY)
    write_cells(annotated, folder / "annotated.h5ad")
    evaluation = evaluate(read_labels(annotated, LABELS_KEY), read_predictions(annotated))
    evaluation.save(folder / "evaluation.json")
    return evaluation
