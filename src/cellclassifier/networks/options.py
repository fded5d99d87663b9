"""Options of a network as plain values, checked, so that a file can carry them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from types import MappingProxyType
from typing import Any, TypeGuard

from cellclassifier.errors import InputError
from cellclassifier.networks.backend import keras
from cellclassifier.networks.cnn import ConvBlock
from cellclassifier.networks.registry import NetworkBuilder, find_network


def configure_network(network: str, options: Mapping[str, object]) -> NetworkBuilder:
    """Return the builder of that name with other options than its own.

    Parameters
    ----------
    network
        The name.
    options
        Keyword arguments of the builder, as `check_options` takes them.

    Raises
    ------
    InputError
        There is no such network, or it does not take these options.

    Examples
    --------
    >>> build = configure_network("mlp", {"hidden": [2048, 512], "l2": 0.01})
    >>> build(1000, 10, seed=0).count_params()
    3104266
    """
    arguments = check_options(network, options)
    if "blocks" in arguments:
        arguments["blocks"] = [ConvBlock(**block) for block in arguments["blocks"]]
    return partial(find_network(network), **arguments)


def choose_builder(
    network: str | NetworkBuilder, options: Mapping[str, object]
) -> tuple[NetworkBuilder, dict[str, Any]]:
    """Return the builder of a network, and its options as a model file keeps them.

    Parameters
    ----------
    network
        The name, or a function of the caller's own.
    options
        Of a network given by name.

    Raises
    ------
    InputError
        There is no such network, it does not take these options, or there are options for a
        function.
    """
    if isinstance(network, str):
        return configure_network(network, options), check_options(network, options)
    if options:
        raise InputError(
            "network_options are for a network given by name; give a function of your own its "
            "options by functools.partial"
        )
    return network, {}


def check_options(network: str, options: Mapping[str, object]) -> dict[str, Any]:
    """Return `options` as JSON has them: lists, objects, numbers, texts.

    Raises
    ------
    InputError
        The network has no such option, or the value is not what the option takes.

    Examples
    --------
    >>> check_options("cnn", {"blocks": [ConvBlock(16, 10, 4)], "dropout": 0.3})["blocks"]
    [{'channels': 16, 'kernel': 10, 'pool': 4, 'padding': 'same'}]
    """
    known = option_names(network)
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(f"the network '{network}' has no option {unknown[0]!r}; it has {known}")
    return {name: _CHECKS[name](name, value) for name, value in options.items()}


def option_names(network: str) -> list[str]:
    """Return the options that the network of that name takes.

    >>> option_names("linear")
    ['l2']
    """
    return [name for name in inspect.signature(find_network(network)).parameters if name in _CHECKS]


def _share(name: str, value: object) -> float:
    if not _is_number(value) or not 0 <= value < 1:
        raise InputError(f"{name} is a number in [0, 1), not {value!r}")
    return value


def _penalty(name: str, value: object) -> float:
    if not _is_number(value) or not 0 <= value < float("inf"):
        raise InputError(f"{name} is a number from 0 on, not {value!r}")
    return value


def _units(name: str, value: object) -> list[int]:
    if not isinstance(value, Sequence) or not all(_is_size(units) for units in value):
        raise InputError(f"{name} is a list of whole numbers from 1 on, not {value!r}")
    return list(value)


def _size(name: str, value: object) -> int:
    if not _is_size(value):
        raise InputError(f"{name} is a whole number from 1 on, not {value!r}")
    return int(str(value))


def _activation(name: str, value: object) -> str:
    try:
        if isinstance(value, str) and callable(keras.activations.get(value)):
            return value
    except ValueError:
        pass  # Keras has none of that name
    raise InputError(f"{name} is the name of a Keras activation such as 'relu', not {value!r}")


def _pooling(name: str, value: object) -> str:
    if value not in ("max", "average"):
        raise InputError(f"{name} is 'max' or 'average', not {value!r}")
    return str(value)


def _blocks(name: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"{name} is a list of blocks, not {value!r}")
    return [_block(name, block) for block in value]


def _block(name: str, block: object) -> dict[str, Any]:
    try:
        fields = asdict(block if isinstance(block, ConvBlock) else ConvBlock(**block))  # type: ignore[arg-type]
    except TypeError:
        fields = {}
    sizes = [fields.get(size) for size in ("channels", "kernel", "pool")]
    if not all(map(_is_size, sizes)) or fields["padding"] not in ("same", "valid"):
        raise InputError(
            f"each of the {name} has channels, kernel and pool, whole numbers from 1 on, and "
            f"padding, 'same' or 'valid'; got {block!r}"
        )
    return fields


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


_CHECKS: Mapping[str, Callable[[str, object], Any]] = MappingProxyType(
    {
        "hidden": _units,
        "projection": _size,
        "dropout": _share,
        "l2": _penalty,
        "activation": _activation,
        "pooling": _pooling,
        "blocks": _blocks,
    }
)
