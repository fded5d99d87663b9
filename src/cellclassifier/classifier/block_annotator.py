"""A classifier for blocks of cells, all named by what was settled on a sample of them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import Any, cast

from cellclassifier.classifier.advising import advice_on
from cellclassifier.classifier.comparison import QueryComparison
from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.naming import settle
from cellclassifier.classifier.sampling import sample_runs
from cellclassifier.classifier.shifting import ShiftedPredictor
from cellclassifier.classifier.trusting import Judge, TrustSettings
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import CountsArguments, RawCounts, match_genes
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.data.streaming import (
    Arrays,
    KeptBlocks,
    SettledCounts,
    StoredCells,
    sum_of,
    to_arrays,
)
from cellclassifier.data.streaming.repairs import MADE_OF
from cellclassifier.errors import InputError
from cellclassifier.networks import WideDeepOutput
from cellclassifier.predictions import Predictions

# takes the number of a block, and the arrays that were kept of it
WhenKept = Callable[[int, Arrays], None]


@dataclass(frozen=True)
class Asked:
    """What is asked of an annotation; plain values, which can go to another process.

    Parameters
    ----------
    genes_in
        As in `read_cells`.
    map_orthologs, shift, depth, trust
        As in `CellTypeClassifier.classify`.
    counts
        The keywords of `find_counts` and their values.
    """

    genes_in: GenesIn | None
    map_orthologs: bool
    shift: float | None
    trust: TrustSettings
    counts: tuple[tuple[str, Any], ...]
    depth: float | None = None

    @property
    def counts_arguments(self) -> CountsArguments:
        """The keywords of `find_counts`."""
        return cast("CountsArguments", dict(self.counts))

    def to_json(self) -> Mapping[str, Any]:
        """Return all of it, flat."""
        fields = asdict(self)
        return {**fields, **dict(fields.pop("counts"))}


@dataclass(frozen=True, eq=False)
class BlockAnnotator:
    """Names blocks of cells, all by what was settled on a sample of them.

    Parameters
    ----------
    settled
        Where the counts are, and what makes counts of them.
    view
        The sample, as the model sees it.
    shifted
        The network, adapted to the shift.
    judge
        Says what labels are worth.
    """

    settled: SettledCounts
    view: ModelView
    shifted: ShiftedPredictor
    judge: Judge
    _one_at_a_time: Lock = field(default_factory=Lock)

    @classmethod
    def of(
        cls, classifier: CellTypeClassifier, cells: StoredCells, asked: Asked
    ) -> "BlockAnnotator":
        """Settle on a sample where the counts are, match the genes, and measure shift and depth.

        Raises
        ------
        CountsError, FileFormatError, InputError
            As `find_counts`.
        GeneOverlapError
            Less than a fifth of the model's genes were measured, or those of another species.
        InputError
            As `settle`.
        """
        counts = asked.counts_arguments
        settled, sample = SettledCounts.of(cells, sample_runs(cells.n_cells), **counts)
        manifest = classifier.check_fitted()
        match = match_genes(settled.genes, manifest.panel, map_orthologs=asked.map_orthologs)
        view = ModelView(manifest, sample, settled.spread(match))
        predict = classifier.predictor()
        return cls(settled, view, *settle(view, predict, asked.shift, asked.depth, asked.trust))

    @property
    def sample(self) -> RawCounts:
        """The cells that all was settled on."""
        return self.view.raw

    def __call__(self, block: RawCounts, n_threads: int = 1) -> Predictions:
        """Return what the classifier says of a block; several threads may ask at once."""
        return self.judge(block, self._said_of(block, n_threads), n_threads)

    def advice_on(self, named: Predictions) -> str:
        """Return whether labels can be believed, by what is said of the sample."""
        return advice_on(QueryComparison.of(self.shifted, self.judge, self.sample, named))

    def keep(self, kept: KeptBlocks, number: int, *then: WhenKept) -> int:
        """Name a block and keep what is said of it; return how many cells it has.

        Parameters
        ----------
        kept, number
            Where, and which block.
        *then
            Who is told what was kept.

        Raises
        ------
        CountsError
            It holds other counts than the sample.
        InputError
            Library sizes are sums of counts here, and were not in the sample.
        OutputError
            It cannot be kept.
        """
        block = self.settled.block(*kept.bounds[number])
        if self.settled.given is not None:
            self._check_libraries(block)
        arrays = to_arrays(self(block))
        kept.save(number, {**arrays, MADE_OF: sum_of(block)})
        for tell in then:
            tell(number, arrays)
        return len(block)

    def _said_of(self, block: RawCounts, n_threads: int) -> WideDeepOutput:
        if self.shifted.adapts:
            return self.shifted.predict(block, n_threads)
        with self._one_at_a_time:  # Keras has all cores for itself
            return self.shifted.predict(block, n_threads)

    def _check_libraries(self, block: RawCounts) -> None:
        """Refuse library sizes that are sums of counts here, and were not in the sample.

        They say whether the missing genes were counted.
        """
        if replace(self.view, raw=block).library_factor != self.view.library_factor:
            raise InputError(
                "the library sizes given are the sums of the counts in some cells and not in "
                f"others, such as {block.cell_names[:3].tolist()}: they have to be of all genes "
                "or of those present, for all cells"
            )
