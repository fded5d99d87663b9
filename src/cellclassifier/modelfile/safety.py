"""What is looked at before Keras builds a network from a file."""

import json
from collections.abc import Iterator
from typing import Any

from cellclassifier.errors import ModelFileError

# Keras's own, but what they build comes as code or as a file of another kind
UNSAFE = frozenset(
    {"Lambda", "__lambda__", "function", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}
)


def parse_json(text: str | bytes, name: str) -> Any:  # noqa: ANN401  (JSON)
    """Return the content of a JSON text; `name` is what an error calls it.

    Raises
    ------
    ModelFileError
        It is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{name} is not JSON: {error}") from error


def refuse_foreign_code(config: object) -> None:
    """Refuse a network that is built of anything but Keras's own classes.

    Parameters
    ----------
    config
        The architecture as Keras writes it, parsed.

    Raises
    ------
    ModelFileError
        It names a class of another module, a class that somebody registered, or one of Keras's
        that runs code from the file.
    """
    for node in class_nodes(config):
        name, module, registered = (
            node.get(key) for key in ("class_name", "module", "registered_name")
        )
        from_keras = module is None or module == "keras" or str(module).startswith("keras.")
        if not from_keras or name in UNSAFE or registered not in (None, name):
            raise ModelFileError(
                f"its network holds {name} of {module or registered or 'unknown origin'}; only "
                "Keras's own layers other than Lambda are loaded, since others may run code from "
                "the file"
            )


def class_nodes(content: object) -> Iterator[dict[str, Any]]:
    """Yield each part of an architecture that names a class, however deep."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("class_name"), str):
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
