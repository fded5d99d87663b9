"""Memory that is free again, but not for others."""

import ctypes


def hand_back_freed_memory() -> bool:
    """Have the C library hand what it keeps for later back to the system; tell whether it did.

    Libraries keep freed pieces for the next array of their size, beside those that other threads
    keep. After a step of many threads that is hundreds of megabytes, which the next step, of other
    sizes, does not use. Only the GNU library can be asked to (``malloc_trim``); it takes some
    hundredths of a second.

    Examples
    --------
    >>> hand_back_freed_memory() in (True, False)
    True
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: Windows knows no library without name
        return False
    return bool(trim(0))
