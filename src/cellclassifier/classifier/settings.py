"""All settings of a classifier as one value, and as the file that ``train --config`` takes."""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from cellclassifier.classifier.estimator import CellTypeClassifier
from cellclassifier.classifier.recipes import DEFAULT_NETWORK, find_recipe
from cellclassifier.data import GeneOrder, Normalisation
from cellclassifier.errors import InputError
from cellclassifier.files import replacing
from cellclassifier.networks import check_options
from cellclassifier.training import TrainingConfig

FORMAT_NAME = "cellclassifier settings"
FORMAT = 1
_HEAD = {"format_name": FORMAT_NAME, "format": FORMAT}

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Network:
    """A network by name, with options of its builder."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        find_recipe(self.name)
        object.__setattr__(self, "options", check_options(self.name, self.options))


@dataclass(frozen=True)
class Tried:
    """Settings that a search tried to the end.

    Parameters
    ----------
    number
        In the order of the search, from 0, which is the network's default.
    log_loss
        Mean over the reference's cells, in nats.
    accuracy
        On the same cells.
    seconds
        How long it took.
    chosen
        The value of each dimension of the search space.
    """

    number: int
    log_loss: float
    accuracy: float
    seconds: float
    chosen: dict[str, Any]


@dataclass(frozen=True)
class Tuned:
    """How settings were found.

    Parameters
    ----------
    score
        Mean log-loss over the reference's cells, in nats, each named by a classifier that had not
        seen it.
    n_trials
        Settings that were tried.
    n_folds
        Parts that the reference was split into.
    seed
        Of the folds and of the search.
    best
        The best that were tried, the chosen one first.
    """

    score: float
    n_trials: int
    n_folds: int
    seed: int
    best: tuple[Tried, ...] = ()


@dataclass(frozen=True)
class ClassifierSettings:
    """What a `CellTypeClassifier` is made with, but for the seed.

    Parameters
    ----------
    network
        Name and options.
    genes
        How many of the most divergent genes to look at, or ``"all"``.
    gene_order
        In which order, as in `CellTypeClassifier`; None leaves them as they were chosen.
    normalisation
        From counts to expression.
    training
        How to train.
    tuning
        How the settings were found; None for ones written by hand.

    Examples
    --------
    >>> settings = ClassifierSettings.of_network("mlp")
    >>> settings.genes, settings.training.batch_size
    (4000, 256)
    >>> settings.classifier(seed=1)
    CellTypeClassifier(genes=4000, network='mlp', ...)
    """

    network: Network
    genes: int | Literal["all"]
    normalisation: Normalisation
    training: TrainingConfig
    gene_order: GeneOrder | None = None
    tuning: Tuned | None = None

    def __post_init__(self) -> None:
        if isinstance(self.genes, int) and self.genes < 1:
            raise InputError(f"a classifier looks at one gene or more, not {self.genes}")

    @classmethod
    def of_network(cls, name: str) -> "ClassifierSettings":
        """Return the default settings of the network of that name."""
        recipe = find_recipe(name)
        return cls(
            Network(name), recipe.genes, recipe.normalisation, recipe.training, recipe.gene_order
        )

    @classmethod
    def read(cls, path: str | Path) -> "ClassifierSettings":
        """Read settings from a JSON file, strictly.

        Raises
        ------
        InputError
            The file is missing, no JSON, of another format, or has a key or a value that settings
            do not have.
        """
        path = Path(path)
        try:
            content = json.loads(path.read_bytes())
        except OSError as error:
            raise InputError(f"cannot read the settings '{path}': {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"the settings '{path}' are no JSON: {error}") from error
        try:
            return cls.from_json(content)
        except InputError as error:
            raise InputError(f"the settings '{path}' cannot be used: {error}") from error

    @classmethod
    def from_json(cls, content: object) -> "ClassifierSettings":
        """Return the settings of a file's content.

        Raises
        ------
        InputError
            It is not what `to_json` makes.
        """
        if not isinstance(content, dict) or content.get("format_name") != FORMAT_NAME:
            raise InputError(f"they do not say that they are '{FORMAT_NAME}' (format_name)")
        if content.get("format") != FORMAT:
            raise InputError(
                f"they have the format {content.get('format')!r}, and this version of "
                f"cellclassifier reads format {FORMAT}"
            )
        own = {name: value for name, value in content.items() if name not in _HEAD}
        return _built(cls, own, "")

    def to_json(self) -> dict[str, Any]:
        """Return the content of a settings file."""
        return {**_HEAD, **asdict(self)}

    def save(self, path: str | Path) -> None:
        """Write the settings as JSON, whole or not at all."""
        text = json.dumps(self.to_json(), indent=1) + "\n"
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def classifier(self, *, seed: int = 0) -> CellTypeClassifier:
        """Return a classifier with these settings, not fitted yet."""
        return CellTypeClassifier(
            self.network.name,
            network_options=self.network.options or None,
            genes=self.genes,
            gene_order=self.gene_order,
            normalisation=self.normalisation,
            training=self.training,
            seed=seed,
        )


def choose_settings(
    network: str | None = None,
    *,
    config: str | Path | None = None,
    genes: int | Literal["all"] | None = None,
    gene_order: GeneOrder | None = None,
    epochs: int | None = None,
) -> ClassifierSettings:
    """Return the settings that a user asks for by name, by file, or by single values.

    Parameters
    ----------
    network
        The name; None takes the file's, or ``"wide-deep"`` without a file.
    config
        A settings file, as `ClassifierSettings.save` or ``cellclassifier tune`` writes it.
    genes, gene_order, epochs
        Take the place of what goes with the network or stands in the file.

    Raises
    ------
    InputError
        The file cannot be used, or it is for another network.
    """
    if config is None:
        settings = ClassifierSettings.of_network(network or DEFAULT_NETWORK)
    else:
        settings = ClassifierSettings.read(config)
        if network not in (None, settings.network.name):
            raise InputError(
                f"'{config}' is for the network '{settings.network.name}', not '{network}'; leave "
                "one of the two out"
            )
    if genes is not None:
        settings = replace(settings, genes=genes)
    if gene_order is not None:
        settings = replace(settings, gene_order=gene_order)
    if epochs is not None:
        settings = replace(settings, training=replace(settings.training, epochs=epochs))
    return settings


def _built(kind: type[Settings], content: Mapping[str, object], place: str) -> Settings:
    """Return the dataclass `kind` of a JSON object; `place` names the object in messages."""
    hints = get_type_hints(kind)
    unknown = [name for name in content if name not in hints]
    if unknown:
        raise InputError(f"unknown key '{place}{unknown[0]}'; known are {list(hints)}")
    missing = [
        own.name
        for own in fields(kind)  # type: ignore[arg-type]
        if own.default is own.default_factory is MISSING and own.name not in content
    ]
    if missing:
        raise InputError(f"the key '{place}{missing[0]}' is missing")
    values = {name: _value(hints[name], value, place + name) for name, value in content.items()}
    return kind(**values)


def _value(hint: Any, value: object, place: str) -> object:  # noqa: ANN401  (a type, or a form)
    """Return the value of one key, or say that it is not of the kind that `hint` asks for."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if is_dataclass(option) and isinstance(option, type) and isinstance(value, dict):
            return _built(option, value, f"{place}.")
        if get_origin(option) is tuple and isinstance(value, list):
            each = get_args(option)[0]
            return tuple(_value(each, one, f"{place}[{n}]") for n, one in enumerate(value))
        if _fits(value, option):
            return value
    raise InputError(f"'{place}' is {value!r}, and {_in_words(options)} was expected")


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return type(value) is int or (isinstance(value, float) and math.isfinite(value))
    if hint is int:
        return type(value) is int  # true and false are no numbers
    return isinstance(value, get_origin(hint) or hint)


def _in_words(hints: tuple[Any, ...]) -> str:
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    words[type(None)] = "null"
    parts = []
    for hint in hints:
        values = get_args(hint) if get_origin(hint) is Literal else ()
        parts += [repr(value) for value in values] or [words.get(hint, "an object")]
    return " or ".join(parts)
