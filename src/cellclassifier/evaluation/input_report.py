"""What cells are, and what a model can be expected to make of them: values only."""

from dataclasses import asdict, dataclass
from typing import Any

# 95 % of a normal distribution
Z_95 = 1.96


@dataclass(frozen=True)
class ExpectedAccuracy:
    """What a model scores on its own validation cells, made like the cells to be named.

    Parameters
    ----------
    accuracy
        With the genes and the depth of those cells.
    as_trained
        With the genes and the depth of the training cells.
    standard_error
        Of `accuracy`, from the number of validation cells.
    n_cells
        Validation cells.
    kept_depth
        The share of its counts that each of them kept, in (0, 1].
    """

    accuracy: float
    as_trained: float
    standard_error: float
    n_cells: int
    kept_depth: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `accuracy`, by the number of validation cells."""
        reach = Z_95 * self.standard_error
        return max(self.accuracy - reach, 0.0), min(self.accuracy + reach, 1.0)


@dataclass(frozen=True)
class ModelFit:
    """How cells fit a model.

    Parameters
    ----------
    n_panel
        The model's genes.
    n_by_id, n_by_name
        Those found by Ensembl id, and those found by name only.
    n_orthologs
        Measured genes taken for their orthologue.
    relative_depth
        Median library size of the cells, made up for genes of the model that were not measured,
        over that of the reference; None where the model file does not say.
    expected
        The accuracy to expect; None where the model kept no validation cells.
    """

    n_panel: int
    n_by_id: int
    n_by_name: int
    n_orthologs: int
    relative_depth: float | None
    expected: ExpectedAccuracy | None

    @property
    def gene_coverage(self) -> float:
        """The share of the model's genes that were measured, in [0, 1]."""
        return (self.n_by_id + self.n_by_name) / self.n_panel


@dataclass(frozen=True)
class InputReport:
    """What was found in cells.

    Parameters
    ----------
    file_format
        The kind of the file, where it is none of AnnData's, with what its reading had to settle.
    n_cells, n_genes
        The size of the counts, duplicated genes added up.
    counts
        Where they were found, and what proves them.
    library_size
        The quartiles of counts a cell.
    genes
        What the names of the genes turned out to be, in words.
    species
        Whose they are: human, mouse, both or unknown.
    model
        How the cells fit a model; None where none was given.
    """

    file_format: dict[str, Any]
    n_cells: int
    n_genes: int
    counts: str
    library_size: tuple[float, float, float]
    genes: str
    species: str
    model: ModelFit | None

    def to_json(self) -> dict[str, Any]:
        """Return what ``check --json`` prints."""
        content = asdict(self)
        if self.model is not None:
            content["model"]["gene_coverage"] = self.model.gene_coverage
            if self.model.expected is not None:
                content["model"]["expected"]["interval"] = self.model.expected.interval
        return content
