"""What is not zero among many numbers, taken out several at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from cellclassifier.data.compiling import HAS_WIDE_REGISTERS, compiled, instruction
from cellclassifier.data.line_sums import INDEX, LANES, VECTOR, ZEROS, vector_at

PLACE = ir.IntType(32)
PLACES, MASK = ir.VectorType(PLACE, LANES), ir.VectorType(ir.IntType(1), LANES)
# LLVM's name of what moves the marked lanes of a vector to its start
COMPRESS = "llvm.experimental.vector.compress.v16"
# since LLVM 19, which early versions of numba do not have
HAS_COMPRESS = HAS_WIDE_REGISTERS and binding.llvm_version_info >= (19,)

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.uint32]


@instruction
def take_by_mask(
    _typing: Any,  # noqa: ANN401
    floats: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    values: Any,  # noqa: ANN401
    places: Any,  # noqa: ANN401
    to: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Do what `take_nonzero` does, in the instructions of wide registers."""
    kinds = (floats, at, values, places, to)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        of_floats, of_values, of_places = (
            context.make_array(signature.args[number])(context, builder, arguments[number]).data
            for number in (0, 2, 3)
        )
        _, start, _, _, end = arguments
        place = vector_at(builder, of_floats, start)
        vector = builder.load(place, align=4)
        builder.store(ZEROS, place, align=4)
        mask = builder.fcmp_unordered("!=", vector, ZEROS)
        numbers = builder.add(
            _repeated(builder, builder.trunc(start, PLACE)),
            ir.Constant(PLACES, list(range(LANES))),
        )
        for kind, lanes, name, out in (
            (VECTOR, vector, "f32", of_values),
            (PLACES, numbers, "i32", of_places),
        ):
            signature_of = ir.FunctionType(kind, [kind, MASK, kind])
            compress = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
                builder.module, signature_of, COMPRESS + name
            )
            taken = builder.call(compress, [lanes, mask, ir.Constant(kind, ir.Undefined)])
            pointer = builder.bitcast(builder.gep(out, [end]), kind.as_pointer())
            builder.store(taken, pointer, align=4)
        bits = builder.bitcast(mask, ir.IntType(LANES))
        return builder.zext(builder.ctpop(bits), INDEX)

    return types.uint64(*kinds), generate


@compiled()
def take_by_looking(
    floats: Floats, at: np.uint64, values: Floats, places: Places, to: np.uint64
) -> np.uint64:
    """Do what `take_nonzero` does, one number after the other and without a branch."""
    n_taken = np.uint64(0)
    for lane in range(np.uint64(LANES)):
        value = floats[at + lane]
        values[to + n_taken], places[to + n_taken] = value, np.uint32(at + lane)
        n_taken += np.uint64(value != 0)
        floats[at + lane] = 0
    return n_taken


# Of 16 numbers from `at` on, writes those that are not zero, and their places, from `to` on, and
# returns how many they are; the numbers become zero. There must be room for 16, whatever is found.
take_nonzero = take_by_mask if HAS_COMPRESS else take_by_looking


def _repeated(builder: Any, number: Any) -> Any:  # noqa: ANN401
    undefined = ir.Constant(PLACES, ir.Undefined)
    first = builder.insert_element(undefined, number, PLACE(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(PLACES, [0] * LANES))
