"""What came of cells that were named, for a report on them: values only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.evaluation.input_report import InputReport
from cellclassifier.predictions import NoneUnknown

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TypeCount:
    """The cells that were given one type.

    Parameters
    ----------
    label
        The type.
    n_cells
        How many cells.
    mean_confidence, median_confidence
        Of these cells, in [0, 1].
    statuses
        How many of them have each status; empty where the model does not tell.
    novelty
        Their median novelty; None where the model does not tell.
    """

    label: str
    n_cells: int
    mean_confidence: float
    median_confidence: float
    statuses: Mapping[str, int]
    novelty: float | None


@dataclass(frozen=True)
class SharedSet:
    """Types that stand in one set, and in how many cells."""

    labels: tuple[str, ...]
    n_cells: int


@dataclass(frozen=True)
class UnknownCells:
    """The cells that look like no training cell.

    Parameters
    ----------
    n_cells
        How many.
    median_novelty
        Theirs: -log10 of the share of known cells that look at least as unlike the training cells.
    resembled
        The most probable types of these cells, and how many cells have each, the commonest first.
    """

    n_cells: int
    median_novelty: float
    resembled: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class CellMap:
    """Some of the cells, laid out in a plane.

    Parameters
    ----------
    position
        Shape (n_drawn, 2), float32.
    cell_names
        Shape (n_drawn,).
    codes
        Shape (n_drawn,): the type of each cell, by its place among the labels.
    confidence, novelty
        Shape (n_drawn,), float32; no novelty is None.
    sets
        Shape (n_drawn, n_types), bool; None where there are no sets.
    status
        Shape (n_drawn,): the place of the status of each cell in `STATUSES`, or None.
    method
        How the positions were made, in words.
    """

    position: Floats
    cell_names: npt.NDArray[np.object_]
    codes: npt.NDArray[np.integer]
    confidence: Floats
    novelty: Floats | None
    sets: npt.NDArray[np.bool_] | None
    status: npt.NDArray[np.integer] | None
    method: str

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, eq=False)
class GeneDots:
    """How some genes are expressed in the cells of each predicted type.

    Parameters
    ----------
    genes
        Their names, each once.
    speaks_for
        The type that each gene was chosen for.
    labels
        The types that cells were given.
    mean
        Shape (n_types_found, n_shown_genes), float32: the mean of log(1 + counts per 10,000).
    share
        Same shape: the share of cells with counts of the gene, in [0, 1].
    """

    genes: tuple[str, ...]
    speaks_for: tuple[str, ...]
    labels: tuple[str, ...]
    mean: Floats
    share: Floats


@dataclass(frozen=True, eq=False)
class DepthComparison:
    """Cells beside cells of the training, in how much was seen of each.

    Parameters
    ----------
    library_size, genes_detected
        Shape (n_drawn,): counts a cell, and how many of the model's genes have some.
    trained_library_size, trained_genes_detected
        The same of the cells that the model kept of its training, (n_kept,); None for none.
    trained_median
        The median library size of all training cells; None where the model does not say.
    """

    library_size: npt.NDArray[np.float64]
    genes_detected: npt.NDArray[np.integer]
    trained_library_size: npt.NDArray[np.float64] | None
    trained_genes_detected: npt.NDArray[np.integer] | None
    trained_median: float | None


@dataclass(frozen=True, eq=False)
class AnnotationSurvey:
    """What came of the cells of a file, and what it rests on.

    Parameters
    ----------
    file
        The name of the file.
    input
        What was found in it, and how that fits the model.
    labels
        The types of the model, and ``unknown`` after them where cells were labelled so.
    types
        The types that cells were given, the commonest first.
    statuses
        How many cells have each status; empty where the model does not tell.
    shared_sets
        The sets of two types or more, the commonest first.
    unknown
        The cells that look like no training cell; None where the model does not tell.
    advice
        Whether the labels can be believed here, in words.
    cautious
        Whether something speaks against it.
    shift
        As in `Predictions`.
    none_unknown
        As in `FileAnnotation`.
    drawn
        The cells that are drawn, all or a sample.
    dots
        The genes that speak for each type.
    depth
        How deep the cells were sequenced.
    provenance
        What made all this: names and values, in words.
    """

    file: str
    input: InputReport
    labels: tuple[str, ...]
    types: tuple[TypeCount, ...]
    statuses: Mapping[str, int]
    shared_sets: tuple[SharedSet, ...]
    unknown: UnknownCells | None
    advice: str
    cautious: bool
    shift: float | None
    none_unknown: NoneUnknown | None
    drawn: CellMap
    dots: GeneDots
    depth: DepthComparison
    provenance: Mapping[str, str]

    @property
    def n_cells(self) -> int:
        """How many cells were named."""
        return sum(found.n_cells for found in self.types)

    def __repr__(self) -> str:
        return (
            f"AnnotationSurvey of {self.n_cells:,} cells of '{self.file}': {len(self.types)} types"
        )
