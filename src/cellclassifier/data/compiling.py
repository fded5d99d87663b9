"""How functions over arrays are compiled."""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import binding  # type: ignore[import-untyped]
from numba.core.registry import cpu_target
from numba.extending import intrinsic

Function = Callable[..., Any]
# 32 of 64 bytes each, and instructions that leave lanes out
HAS_WIDE_REGISTERS = bool(binding.get_host_cpu_features().get("avx512f", False))


def prepare_to_compile() -> None:
    """Load what numba knows of Python, and not in the midst of the first cells' work."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


def compiled(*, contract: bool = False) -> Callable[[Function], Function]:
    """Compile a function for arrays, when it is first called; it lets go of the interpreter's lock.

    The machine code is kept on disk, beside the source or in the user's cache, for the next
    process; where neither can be written, each process compiles anew. Dividing by zero is no error,
    but infinite, as in NumPy: loops that look for errors are not done several steps at a time.

    Parameters
    ----------
    contract
        Whether a product and a sum may become one instruction, which rounds once. Nothing else is
        reordered: the same row gives the same bits in any company.

    Examples
    --------
    >>> import numpy as np
    >>> @compiled()
    ... def halve(values):
    ...     for i in range(len(values)):
    ...         values[i] /= 2
    >>> values = np.array([3.0])
    >>> halve(values)
    >>> values.tolist()
    [1.5]
    """
    fastmath = {"contract"} if contract else set()

    def compile_it(function: Function) -> Function:
        kept: Function
        try:
            kept = numba.njit(
                function, cache=True, nogil=True, error_model="numpy", fastmath=fastmath
            )
        except RuntimeError:  # numba finds no folder for its cache
            kept = numba.njit(function, nogil=True, error_model="numpy", fastmath=fastmath)
        return kept

    return compile_it


def instruction(function: Function) -> Function:
    """Make a function that writes LLVM instructions callable in what is compiled.

    See `numba.extending.intrinsic`, which does it, and is not typed for those who call the result.
    Constants are passed to it as such.
    """
    made: Function = intrinsic(prefer_literal=True)(function)
    return made
