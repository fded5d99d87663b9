"""What is another now than when work was begun, in words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cellclassifier.data.streaming.identity import told_difference

# in a manifest, what blocks are made of: `identity_of` a file, or of several
INPUT = "input"
# in a manifest, that the input may have changed while blocks were made of it
DOUBT = "doubt"
# longer values are not shown
MAX_SHOWN = 30


def changed_keys(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the keys of what differs between two manifests.

    >>> changed_keys({"input": 1, "model": 2}, {"input": 1, "model": 3})
    ['model']
    """
    now = _as_read(now)
    return [key for key in {**before, **now} if before.get(key) != now.get(key)]


def told_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what changed, by name, and from what to what where that is short.

    >>> told_changes({"settings": {"shift": None}}, {"settings": {"shift": 0.5}})
    'the settings changed (shift from not given to 0.5)'
    """
    now, told = _as_read(now), []
    for key in changed_keys(before, now):
        if key == DOUBT:
            continue
        details = ", ".join(_details(key, before.get(key), now.get(key)))
        told.append(f"the {key} changed{f' ({details})' if details else ''}")
    return ", and ".join(told)


def _as_read(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest as it is when it was written and read."""
    read: dict[str, Any] = json.loads(json.dumps(manifest))
    return read


def _details(key: str, before: object, now: object) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        if key == INPUT:
            yield told_difference(before, now)
        else:
            yield from _values(before, now)
    elif (shown := _from_to(before, now)) is not None:
        yield shown


def _values(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield the name of each value that differs, however deep, and both values."""
    for name in {**before, **now}:
        was, is_ = before.get(name), now.get(name)
        if isinstance(was, dict) and isinstance(is_, dict):
            yield from _values(was, is_)
        elif was != is_:
            yield f"{name} {_from_to(was, is_) or ''}".rstrip()


def _from_to(before: object, now: object) -> str | None:
    """Return both values in words, or None where they are long."""
    shown = ["not given" if value is None else json.dumps(value) for value in (before, now)]
    return None if max(map(len, shown)) > MAX_SHOWN else f"from {shown[0]} to {shown[1]}"
