"""Python's garbage collector, while the cells of a file are gone through."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def old_objects_set_aside() -> Iterator[None]:
    """Have the garbage collector pass over all objects that are there already, until this ends.

    A full collection visits each of a million objects, most of them of imported packages, and takes
    a sixth of a second, which is as long as naming some thousand cells does. Objects made meanwhile
    are collected as ever, and afterwards all are. Where somebody else has set objects aside
    (`gc.freeze`), which only all together can be had back, nothing is done.

    Examples
    --------
    >>> with old_objects_set_aside():
    ...     gc.get_freeze_count() > 0
    True
    >>> gc.get_freeze_count()
    0
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
