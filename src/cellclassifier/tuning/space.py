"""What is searched: one table a network, and what a row of choices means."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cellclassifier.classifier.settings import ClassifierSettings, Network
from cellclassifier.data import Normalisation
from cellclassifier.errors import InputError

if TYPE_CHECKING:
    from cellclassifier.tuning.engine import optuna

# floats are cut to this many digits before use, so that a settings file can be read
DIGITS = 3


@dataclass(frozen=True)
class Choice:
    """One of a few values; the first is the network's default."""

    name: str
    values: tuple[float | str, ...]

    @property
    def default(self) -> float | str:
        """The network's default."""
        return self.values[0]

    def suggest(self, trial: "optuna.Trial") -> Any:  # noqa: ANN401  (one of the values)
        """Let the sampler choose."""
        return trial.suggest_categorical(self.name, list(self.values))


@dataclass(frozen=True)
class Span:
    """A number between two others, on a logarithmic scale."""

    name: str
    low: float
    high: float
    default: float

    def suggest(self, trial: "optuna.Trial") -> float:
        """Let the sampler choose."""
        return trial.suggest_float(self.name, self.low, self.high, log=True)


Dimension = Choice | Span

_GENES = Choice("genes", (4000, 1000, 2000, 8000))
_SCALE = Span("counts_per_cell", 100, 10_000, default=300)
_ADAM = (
    Choice("class_weights", ("none", "sqrt", "balanced")),
    Choice("dropout", (0.5, 0.0, 0.15, 0.3, 0.7)),
    Choice("l2", (0.0, 1e-6, 1e-5, 1e-4, 1e-3)),
    Span("learning_rate", 1e-4, 1e-2, default=1e-3),
)

SPACES: Mapping[str, tuple[Dimension, ...]] = MappingProxyType(
    {
        "linear": (
            _GENES,
            _SCALE,
            Choice("class_weights", ("sqrt", "none", "balanced")),
            Span("penalty", 1e-6, 1e-2, default=3e-5),
        ),
        "mlp": (
            _GENES,
            _SCALE,
            *_ADAM,
            Choice("batch_size", (256, 32, 64, 128, 512)),
            Choice("hidden", ("512-128", "64", "128", "256", "512", "1024", "256-64", "2048-512")),
        ),
        "cnn": (
            _GENES,
            _SCALE,
            *_ADAM,
            Choice("batch_size", (64, 32, 128)),
            Choice("hidden", ("512", "64", "128", "256", "512-128")),
            # as many blocks as channels; the first is the original study's, all of it padded
            Choice("channels", ("16-32-64-128", "8-16", "16-32", "8-16-32", "32-64-128")),
            Choice("kernels", ("10-10-2-5", "5-5-5-5", "20-10-10-5")),
            Choice("pools", ("4-4-4-3", "2-2-2-2", "8-4-2-2")),
        ),
    }
)


def space_of(network: str, n_genes: int) -> tuple[Dimension, ...]:
    """Return the search space of a network for a reference with that many genes.

    Raises
    ------
    InputError
        There is nothing to search for this network.

    Examples
    --------
    >>> [dimension.name for dimension in space_of("linear", 20_000)]
    ['genes', 'counts_per_cell', 'class_weights', 'penalty']
    >>> space_of("linear", 1500)[0].values
    (1000, 2000)
    """
    if network not in SPACES:
        raise InputError(
            f"the network '{network}' cannot be tuned; those that can are {list(SPACES)}"
        )
    return tuple(
        _measured(dimension, n_genes) if dimension is _GENES else dimension
        for dimension in SPACES[network]
    )


def most_genes(space: tuple[Dimension, ...]) -> int:
    """Return the largest number of genes that a trial may look at."""
    return max(
        int(size)
        for dimension in space
        if isinstance(dimension, Choice) and dimension.name == _GENES.name
        for size in dimension.values
    )


def _measured(genes: Choice, n_genes: int) -> Choice:
    """Drop the sizes that mean all genes, but for the smallest of these."""
    sizes = sorted(int(size) for size in genes.values)
    whole = next((size for size in sizes if size >= n_genes), sizes[-1])
    return replace(genes, values=tuple(size for size in genes.values if int(size) <= whole))


def settings_of(network: str, chosen: Mapping[str, float | str]) -> ClassifierSettings:
    """Return the settings that a row of choices stands for.

    Examples
    --------
    >>> settings = settings_of("mlp", {"genes": 1000, "hidden": "256-64", "dropout": 0.3})
    >>> settings.genes, settings.network.options
    (1000, {'hidden': [256, 64], 'dropout': 0.3})
    """
    values = {name: _short(value) for name, value in chosen.items()}
    settings = ClassifierSettings.of_network(network)
    training = {
        name: values[name]
        for name in ("class_weights", "penalty", "learning_rate", "batch_size")
        if name in values
    }
    return replace(
        settings,
        network=Network(network, _options(values)),
        genes=int(values.get("genes", settings.genes)),
        normalisation=Normalisation(
            counts_per_cell=values.get("counts_per_cell", settings.normalisation.counts_per_cell)
        ),
        training=replace(settings.training, **training),
    )


def _options(values: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: values[name] for name in ("dropout", "l2") if name in values}
    if "hidden" in values:
        options = {"hidden": _sizes(values["hidden"])} | options
    if "channels" in values:
        columns = (_sizes(values[name]) for name in ("channels", "kernels", "pools"))
        options["blocks"] = [
            {"channels": channels, "kernel": kernel, "pool": pool}
            for channels, kernel, pool in zip(*columns, strict=False)  # channels may be fewer
        ]
    return options


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split("-")]


def _short(value: float | str) -> Any:  # noqa: ANN401  (of the kind that came in)
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
