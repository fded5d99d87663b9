"""What the labels of cells are worth, and who is told."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from cellclassifier.classifier.view import ModelView
from cellclassifier.data import RawCounts
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace
from cellclassifier.modelfile import Manifest
from cellclassifier.networks import WideDeepOutput, probabilities_of
from cellclassifier.predictions import STATUSES, UNKNOWN, CellTrust, NoneUnknown, Predictions
from cellclassifier.trust import CellEvidence, ConformalScores, NoveltyDetector

# Cells that differ more from the training's than another day of the same experiment makes them
# (see `profile_shift`) look novel for that alone: they are flagged by their novelty, not refused.
MAX_SHIFT = 0.15
# What a twentieth and a thousandth of known cells looks like. From another laboratory up to seven
# in ten known cells looked novel, and one in eight very novel; of another tissue all looked novel.
NOVEL, VERY_NOVEL = -np.log10(0.05), 3.0
# from these shares on, cells are of another tissue
NEARLY_ALL, MOST = 0.95, 0.5
# fewer cells say nothing of where they come from
FEW_CELLS = 20
# of the model's genes: below, most cells are named worse than they could be
MIN_COVERAGE = 0.3
# of the median library size of the training cells
MIN_DEPTH = 0.1

Unknown = Literal["keep", "label"]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrustSettings:
    """What is asked of labels.

    Parameters
    ----------
    coverage
        How often a cell's prediction set is to hold its true type, in (0, 1).
    refused
        The share of cells of known types that may be called unknown, in [0, 1); 0 calls none so.
    keep_best
        Whether the most probable type is in every set. No set is empty then, and sets hold the
        true type more often than asked for where the first guess alone does.
    unknown
        Whether unknown cells ``"keep"`` their most probable type as their label, or get the
        ``"label"`` ``unknown``.

    Raises
    ------
    InputError
        A share is out of range.

    Examples
    --------
    >>> TrustSettings(coverage=1.5)
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: a coverage is a share between 0 and 1, such as 0.9, not 1.5
    """

    coverage: float = 0.9
    refused: float = 0.05
    keep_best: bool = False
    unknown: Unknown = "keep"

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise InputError(
                f"a coverage is a share between 0 and 1, such as 0.9, not {self.coverage!r}"
            )
        if not 0 <= self.refused < 1:
            raise InputError(
                "the share of known cells that may be refused lies in [0, 1), such as 0.05, not "
                f"{self.refused!r}"
            )

        if self.unknown not in get_args(Unknown):
            raise InputError(
                f"unknown cells {' or '.join(get_args(Unknown))}, not {self.unknown!r}: they keep "
                "their most probable type, or get the label 'unknown'"
            )

    @property
    def novelty_limit(self) -> float:
        """The novelty from which on a cell is unknown."""
        return float(-np.log10(self.refused)) if self.refused else np.inf

    def check_labels(self, space: LabelSpace) -> None:
        """Refuse to label cells ``unknown`` where that is the name of a type.

        Raises
        ------
        InputError
            It is.
        """
        if self.unknown == "label" and UNKNOWN in space.labels:
            raise InputError(
                f"the model has a type named '{UNKNOWN}', which cells that are labelled so could "
                "not be told from: leave unknown='keep' (--unknown keep) and take the cells whose "
                "status is unknown, or rename the type in the reference and train again"
            )


def unjudged(
    view: ModelView,
    raw: RawCounts,
    said: WideDeepOutput,
    shift: float | None,
    depth: float | None = None,
) -> Predictions:
    """Return what a network says of some of the cells of a view as predictions, without trust."""
    probabilities = said.probabilities
    if probabilities is None:
        probabilities = probabilities_of(said.logits)
    space, coverage = view.manifest.label_space, view.match.gene_coverage
    return Predictions(
        space, probabilities, raw.cell_names, coverage, shift, calibrated_depth=depth
    )


@dataclass(frozen=True, eq=False)
class Judge:
    """Turns what a network says of cells into predictions that say what they are worth.

    Parameters
    ----------
    view
        Cells like those that are judged: their genes, as the model sees them.
    settings
        What is asked.
    shift
        How far the cells are from the training cells; None where that is not known.
    detector
        Of novelty; None where the model cannot tell.
    conformal
        What prediction sets are made by; None where the model cannot tell.
    stretch
        By how much more novel known cells look that are as shallow as these, 1 or more.
    depth
        As `Predictions.calibrated_depth`.
    foreign_limit
        The novelty from which on cells of another tissue are unknown, although they come from
        elsewhere; None where they are not of another one.
    """

    view: ModelView
    settings: TrustSettings
    shift: float | None
    detector: NoveltyDetector | None
    conformal: ConformalScores | None
    stretch: float = 1.0
    depth: float | None = None
    foreign_limit: float | None = None

    @classmethod
    def of(cls, view: ModelView, settings: TrustSettings | None, shift: float | None) -> "Judge":
        """Prepare for cells like those of a view, as deep as the training cells."""
        conformal = view.manifest.conformal
        return cls(view, settings or TrustSettings(), shift, view.detector, conformal)

    def __call__(
        self, raw: RawCounts, said: WideDeepOutput, n_threads: int | None = None
    ) -> Predictions:
        """Return the predictions of some cells; they depend on no other cell.

        Parameters
        ----------
        raw, said
            The cells, and what the network says of them.
        n_threads
            How many blocks of them are worked on at once; None takes all cores.
        """
        named = unjudged(self.view, raw, said, self.shift, self.depth)
        trust = self._trust(raw, named.probabilities, said, n_threads or n_cores())
        return replace(named, trust=trust)

    def _trust(
        self,
        raw: RawCounts,
        probabilities: npt.NDArray[np.float32],
        said: WideDeepOutput,
        n_threads: int,
    ) -> CellTrust | None:
        scores, settings = self.conformal, self.settings
        if scores is None or self.detector is None:
            return None
        sets = scores.sets(probabilities, settings.coverage, keep_best=settings.keep_best)
        library_size = self.view.library_size(raw)
        distance, opinions = self._opinions(said)
        evidence = CellEvidence(
            distance,
            probabilities,
            opinions.get("far"),
            raw.counts,
            self.view.match.target.astype(np.int32, copy=False),
            library_size,
            opinions.get("plain"),
            said.beside,
        )
        novelty = self.detector(evidence, n_threads) / np.float32(self.stretch)
        status = self._status(sets, novelty, library_size)
        label_unknown = settings.unknown == "label"
        return CellTrust(sets, settings.coverage, novelty, status, label_unknown)

    def _opinions(self, said: WideDeepOutput) -> tuple[Floats, dict[str, Floats]]:
        """Return the embedding that distance is told by, and probabilities by other heads."""
        assert self.detector is not None  # noqa: S101  (who asks has one)
        n_dimensions, n_types = self.detector.model.components.shape[1], said.logits.shape[1]
        distance, *of_heads = np.split(
            said.embedding, range(n_dimensions, said.embedding.shape[1], n_types), axis=1
        )
        # in the order in which the view lays them out
        heads = {"far": self.view.far_layer, "plain": self.view.plain_head}
        there = [(name, head[1]) for name, head in heads.items() if head is not None]
        return distance, {
            name: probabilities_of(logits + bias)
            for (name, bias), logits in zip(there, of_heads, strict=True)
        }

    def _status(
        self,
        sets: npt.NDArray[np.bool_],
        novelty: npt.NDArray[np.float32],
        library_size: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.int8]:
        """Return the gravest status that holds for each cell."""
        n_cells = len(novelty)
        holds = {
            "low_coverage": np.full(n_cells, self.view.match.gene_coverage < MIN_COVERAGE),
            "low_depth": library_size < MIN_DEPTH * _usual_depth(self.view.manifest),
            "unknown": self.refuses & (novelty >= self.novelty_limit),
            "ambiguous": sets.sum(axis=1) > 1,
            "assigned": np.ones(n_cells, dtype=bool),
        }
        first = np.argmax([holds[status] for status in STATUSES], axis=0)
        return np.asarray(first, dtype=np.int8)

    @property
    def novelty_limit(self) -> float:
        """The novelty from which on a cell is unknown."""
        asked = self.settings.novelty_limit
        return asked if self.foreign_limit is None else max(asked, self.foreign_limit)

    @property
    def none_unknown(self) -> NoneUnknown | None:
        """Why no cell can be called unknown, whatever it looks like; None where cells can."""
        if not np.isfinite(self.settings.novelty_limit):
            return "asked"
        return None if self.refuses else "shift"

    @property
    def refuses(self) -> bool:
        """Whether novel cells are called unknown, and not only given their novelty.

        Known cells from elsewhere look novel, too, but not nearly all, and most of them not very.
        """
        return self.shift is None or self.shift < MAX_SHIFT or self.foreign_limit is not None


def _usual_depth(manifest: Manifest) -> float:
    return float(manifest.training.get("median_library_size", 0.0))


def foreign_limit(novelty: Floats) -> float | None:
    """Return the novelty from which on cells of another tissue are unknown; None if of this one.

    Parameters
    ----------
    novelty
        Shape (n_cells,), of cells from elsewhere; of fewer than 20 nothing is said.

    Examples
    --------
    >>> novelty = np.float32([0.2] * 9 + [3.1] * 11)
    >>> foreign_limit(novelty), foreign_limit(novelty - 1), foreign_limit(novelty[:19])
    (3.0, None, None)
    """
    if len(novelty) < FEW_CELLS:
        return None
    if float((novelty >= NOVEL).mean()) >= NEARLY_ALL:
        return float(NOVEL)
    return VERY_NOVEL if float((novelty >= VERY_NOVEL).mean()) >= MOST else None
