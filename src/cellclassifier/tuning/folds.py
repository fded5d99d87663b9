"""The reference, read once and cut into parts on which settings are scored."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from cellclassifier.classifier.panel import choose_panel
from cellclassifier.classifier.plan import training_by_batches
from cellclassifier.classifier.settings import ClassifierSettings
from cellclassifier.data import (
    AlignedCounts,
    GenePanel,
    LabelledCounts,
    align_genes,
    order_genes,
    stratified_folds,
)
from cellclassifier.networks import configure_network, logits_model, predict_logits
from cellclassifier.training import Watcher, train_network, watch_nothing

Rows = npt.NDArray[np.intp]
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fold:
    """One part to score on, and the genes that the other parts rank first.

    Parameters
    ----------
    kept, apart
        Rows to train on, and rows to score on.
    columns
        Columns of the aligned counts, the most divergent gene first.
    """

    kept: Rows
    apart: Rows
    columns: Rows


@dataclass(frozen=True, eq=False)
class Folds:
    """The reference's counts, aligned once, in parts.

    Each fold ranks genes by its own training cells: the cells it is scored on have no say in what
    the network looks at. The counts of all genes that any fold may want are held once.
    """

    aligned: AlignedCounts
    codes: npt.NDArray[np.int32]
    n_types: int
    folds: tuple[Fold, ...]
    batch_codes: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, cells: LabelledCounts, n_folds: int, max_genes: int, seed: int) -> "Folds":
        """Split `cells`, rank genes in each part, and align the counts of the best of them."""
        rng = np.random.default_rng(seed)
        splits = stratified_folds(cells.codes, n_folds, rng, cells.batch_codes)
        panels = [choose_panel(cells.raw[kept], cells.codes[kept], max_genes) for kept, _ in splits]
        column_of = {name: column for column, name in enumerate(dict.fromkeys(_names(panels)))}
        ids, symbols = (np.array(texts, dtype=object) for texts in zip(*column_of, strict=True))
        folds = tuple(
            Fold(kept, apart, np.array([column_of[name] for name in _names([panel])]))
            for (kept, apart), panel in zip(splits, panels, strict=True)
        )
        aligned = align_genes(cells.raw, GenePanel(ids, symbols))
        n_types = len(cells.label_space)
        return cls(aligned, cells.codes, n_types, folds, cells.batch_codes)

    def probabilities(
        self, settings: ClassifierSettings, *, seed: int, watch_first: Watcher
    ) -> Probabilities:
        """Return each cell's probabilities from a classifier that had not seen it.

        Parameters
        ----------
        settings
            Of the classifiers, one a fold.
        seed
            As in `CellTypeClassifier`.
        watch_first
            Called after each epoch in the first fold.

        Returns
        -------
        numpy.ndarray
            Shape (n_cells, n_types), float32.
        """
        probabilities = np.empty((len(self.codes), self.n_types), dtype=np.float32)
        for number, fold in enumerate(self.folds):
            watch = watch_nothing if number else watch_first
            probabilities[fold.apart] = self._fit_and_predict(fold, settings, seed, watch)
        return probabilities

    def _fit_and_predict(
        self, fold: Fold, settings: ClassifierSettings, seed: int, watch: Watcher
    ) -> Probabilities:
        columns = fold.columns if settings.genes == "all" else fold.columns[: settings.genes]
        if settings.gene_order == "spread":  # networks have it by default; nothing else is chosen
            columns = columns[order_genes("spread", np.arange(len(columns)))]
        aligned = AlignedCounts(
            self.aligned.counts[:, columns].sorted_indices(), self.aligned.library_size, 1.0
        )
        expression = settings.normalisation.apply(aligned)
        build = configure_network(settings.network.name, settings.network.options)
        model = build(len(columns), self.n_types, seed=seed)
        training, batch_codes = settings.training, None
        if self.batch_codes is not None:
            training, batch_codes = training_by_batches(training), self.batch_codes[fold.kept]
        train_network(
            model,
            expression[fold.kept],
            self.codes[fold.kept],
            training,
            seed=seed,
            watch=watch,
            batch_codes=batch_codes,
        )
        logits = predict_logits(logits_model(model), expression[fold.apart])
        return np.asarray(softmax(logits, axis=1), dtype=np.float32)


def _names(panels: Iterable[GenePanel]) -> Iterator[tuple[str, str]]:
    for panel in panels:
        yield from zip(panel.ensembl_ids, panel.symbols, strict=True)
