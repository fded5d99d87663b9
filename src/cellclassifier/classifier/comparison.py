"""Cells beside the training cells, and whether their labels can be trusted for it."""

from dataclasses import dataclass

import numpy as np

from cellclassifier.classifier.recalibrating import ENOUGH_COUNTS, ENOUGH_GENES, can_recalibrate
from cellclassifier.classifier.sampling import sample_rows
from cellclassifier.classifier.trusting import MAX_SHIFT, MIN_COVERAGE, NOVEL, foreign_limit
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import RawCounts
from cellclassifier.predictions import STATUSES, Predictions

# beyond, something is said: of depth; of genes; of cells that look novel, where 5 % would
DEEP, SHALLOW = 3.0, 0.5
MANY_NOVEL = 0.15
# of the genes that training cells have counts of, where the counts are as many
FEW_DETECTED = 0.6
# fewer cells are not compared
FEW_CELLS = 20
# of cells of one predicted type, where the training cells had this many times fewer
COMMON, TIMES = 0.5, 3.0
FAR_SHIFT = 0.3
# what advice begins with where something speaks against the labels
CARE = "Read the labels with care: "


@dataclass(frozen=True)
class QueryComparison:
    """How cells differ from a model's training cells.

    Parameters
    ----------
    depth
        Their median library size, as a multiple of the training cells'; None where that is not
        known.
    genes_detected
        The median number of the model's genes with counts in a cell.
    gene_coverage
        The share of the model's genes that were measured, in [0, 1].
    shift
        As in `Predictions`.
    novel
        The share of cells that look more novel than 95 % of known cells; None where nothing tells.
    low_depth
        The share of cells with too few counts to name them well, in [0, 1].
    changed_type
        A type that most cells were given, and few training cells were of; None for none.
    foreign
        Whether they look like cells of another tissue.
    n_cells
        How many were compared.
    calibrated_depth
        As in `Predictions`.
    can_calibrate
        Whether the model has what it takes to calibrate scores for shallow cells.
    genes_usual
        The median number of the measured genes with counts in a training cell; None where the
        model has none of these cells.
    """

    depth: float | None
    genes_detected: float
    gene_coverage: float
    shift: float | None
    novel: float | None
    low_depth: float | None
    changed_type: str | None
    foreign: bool = False
    n_cells: int = FEW_CELLS
    calibrated_depth: float | None = None
    can_calibrate: bool = True
    genes_usual: float | None = None

    @classmethod
    def of(cls, view: ModelView, raw: RawCounts, named: Predictions) -> "QueryComparison":
        """Compare cells that were named with the training cells.

        Parameters
        ----------
        view
            How the model sees these cells.
        raw, named
            The cells, or a sample of them, and what was said of them.
        """
        usual = view.manifest.training.get("median_library_size")
        depth = float(np.median(view.library_size(raw))) / usual if usual else None
        detected = np.diff(view.aligned(raw).counts.indptr)
        trust = named.trust
        return cls(
            depth,
            float(np.median(detected)),
            named.gene_coverage,
            named.shift,
            None if trust is None else float((trust.novelty >= NOVEL).mean()),
            None if trust is None else float((trust.status == STATUSES.index("low_depth")).mean()),
            _changed_type(view, named),
            trust is not None and foreign_limit(trust.novelty) is not None,
            len(named),
            named.calibrated_depth,
            can_recalibrate(view.manifest),
            _genes_usual(view),
        )

    @classmethod
    def of_sample(cls, view: ModelView, named: Predictions) -> "QueryComparison":
        """Compare a seeded sample of all cells of a view, that were named."""
        rows = sample_rows(len(named))
        return cls.of(view, view.raw[rows], named[rows])

    @property
    def warnings(self) -> list[str]:
        """What speaks against taking the labels as they are, each in a sentence."""
        found = []
        if self.gene_coverage < ENOUGH_GENES:
            found.append(
                f"only {self.gene_coverage:.0%} of the model's genes were measured"
                + (", too few to name cells well" if self.gene_coverage < MIN_COVERAGE else "")
            )
        if self._of_depth:
            found.append(self._of_depth)
        if self._lacks_genes:
            found.append(
                f"cells have counts of {self.genes_detected:,.0f} of the model's genes, training "
                f"cells of {self.genes_usual:,.0f}, at about the same depth"
            )
        if self.low_depth:
            found.append(f"{self.low_depth:.1%} of the cells have too few counts")
        if self.shift is not None and self.shift >= MAX_SHIFT:
            much = "much " if self.shift >= FAR_SHIFT else ""
            unknown = "" if self.foreign else "no cell is called unknown for its novelty, "
            found.append(
                f"genes differ {much}from the training cells' (shift {self.shift:.2f}), as they do "
                f"between laboratories and protocols: the network was adapted, {unknown}and sets "
                "may hold the true type less often than asked for"
            )
        if self.novel is not None and self.novel >= MANY_NOVEL:
            what = "types may be among them that the model does not know"
            if self.foreign:
                what = "this model does not seem to know what they are"
            found.append(
                f"{self.novel:.0%} of the cells look more novel than 95 % of known cells do: {what}"
            )
        if self.changed_type is not None:
            found.append(f"most cells are '{self.changed_type}', and few training cells were")
        return found

    @property
    def _lacks_genes(self) -> bool:
        """Whether counts are on fewer genes than such a depth has."""
        if self.genes_usual is None or (self.depth is not None and self.depth < ENOUGH_COUNTS):
            return False
        return self.genes_detected < FEW_DETECTED * self.genes_usual

    @property
    def _of_depth(self) -> str:
        """What is to be said of the depth; an empty string for nothing."""
        if self.depth is None or ENOUGH_COUNTS <= self.depth <= DEEP:
            return ""
        differs = f"cells have {self.depth:.2g} times the counts of the training cells"
        if self.depth > DEEP:
            return differs
        if self.calibrated_depth is not None and self.calibrated_depth < 1:
            return (
                f"{differs}: scores were calibrated for that on training cells that were thinned, "
                "and fewer labels are right than of deep cells"
            )
        if self.can_calibrate:  # only of their kind
            return differs if self.depth < SHALLOW else ""
        return (
            f"{differs}, and this model cannot calibrate its scores for that: confidence is too "
            "high, sets hold the true type less often than asked for, and more known cells are "
            "called unknown"
        )

    def __str__(self) -> str:
        if not self.warnings and self.n_cells < FEW_CELLS:
            return f"{self.n_cells} cells are too few to be compared with the training cells."
        if not self.warnings:
            if self.novel is None:
                return "The cells are like the training cells in depth and genes."
            return (
                "The cells are like the training cells in depth, genes and what they look like: "
                "confidence, sets and novelty mean here what they say."
            )
        return CARE + "; ".join(self.warnings) + "."


def _changed_type(view: ModelView, named: Predictions) -> str | None:
    n_trained = view.manifest.training.get("n_cells_per_type", {})
    if not n_trained or len(named) < FEW_CELLS:
        return None
    shares = np.bincount(named.codes, minlength=len(named.label_space)) / len(named)
    most = int(shares.argmax())
    label = named.label_space.labels[most]
    share_trained = n_trained.get(label, 0) / max(sum(n_trained.values()), 1)
    rare = shares[most] >= COMMON and share_trained * TIMES < shares[most]
    return label if rare else None


def _genes_usual(view: ModelView) -> float | None:
    sample = view.manifest.sample
    if sample is None:
        return None
    return float(np.median(np.diff(sample.counts[:, view.match.measured].tocsr().indptr)))
