"""Sums of lines of a matrix, which stay in the processor's registers until the last is added."""

from dataclasses import dataclass
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from cellclassifier.data.compiling import instruction

# float32 numbers of a processor's widest registers; where they are narrower it takes several
LANES = 16
# vectors of a line, each with a register for its sum
MAX_VECTORS = 5
# a register waits for one sum before it can take the next: with fewer vectors than this, several
# lines are added at once, each to sums of their own
MIN_SUMS = 4

VECTOR = ir.VectorType(ir.FloatType(), LANES)
ZEROS = ir.Constant(VECTOR, [0.0] * LANES)
INDEX = ir.IntType(64)


@instruction
def sum_lines(_typing: Any, values: Any, places: Any, lines: Any, out: Any, n_vectors: Any) -> Any:  # noqa: ANN401
    """Write ``values @ lines[places]``, in float32, into `out`.

    Compiled by itself, this is a load and a store of each sum for each product. So its instructions
    are written here. The order of the sums depends on the number of places alone.

    Parameters
    ----------
    values
        Shape (n,), float32.
    places
        Shape (n,), uint32. None may be beyond the lines: nothing asks.
    lines
        Shape (n_lines x n_vectors x 16,), float32: one line after the other.
    out
        Shape (n_vectors x 16,), float32.
    n_vectors
        A constant, from 1 to 5.
    """
    kinds = (values, places, lines, out)
    n_in_line = n_vectors.literal_value

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        arrays = [
            context.make_array(kind)(context, builder, value=argument)
            for kind, argument in zip(kinds, arguments[:-1], strict=True)
        ]
        n_entries = builder.extract_value(arrays[0].shape, 0)
        from_values, from_places, from_lines, to = (array.data for array in arrays)
        _Lines(builder, from_values, from_places, from_lines, n_in_line).sum_into(to, n_entries)
        return context.get_dummy_value()

    return types.void(*kinds, n_vectors), generate


@dataclass(frozen=True, eq=False)
class _Lines:
    """The instructions of `sum_lines`, and the pointers that they read from."""

    builder: Any
    values: Any
    places: Any
    lines: Any
    n_vectors: int

    def sum_into(self, out: Any, n_entries: Any) -> None:  # noqa: ANN401
        builder = self.builder
        n_at_once = max(1, MIN_SUMS // self.n_vectors)
        sums: list[list[Any]] = [
            [cgutils.alloca_once_value(builder, ZEROS) for _ in range(self.n_vectors)]  # type: ignore[no-untyped-call]
            for _ in range(n_at_once)
        ]
        one, step = INDEX(1), INDEX(n_at_once)
        whole = builder.mul(builder.udiv(n_entries, step), step)
        with cgutils.for_range_slice(builder, INDEX(0), whole, step, inc=True) as (entry, _):
            for number, sums_of_one in enumerate(sums):
                self._add(builder.add(entry, INDEX(number)), sums_of_one)
        with cgutils.for_range_slice(builder, whole, n_entries, one, inc=True) as (entry, _):
            self._add(entry, sums[0])
        for vector, registers in enumerate(zip(*sums, strict=True)):
            total, *others = (builder.load(register) for register in registers)
            for other in others:
                total = builder.fadd(total, other)
            builder.store(total, vector_at(builder, out, INDEX(vector * LANES)), align=4)

    def _add(self, entry: Any, sums: list[Any]) -> None:  # noqa: ANN401
        """Add the line of one entry, times its value, to one sum a vector."""
        builder = self.builder
        value = spread(builder, builder.load(builder.gep(self.values, [entry])))
        place = builder.zext(builder.load(builder.gep(self.places, [entry])), INDEX)
        first = builder.mul(place, INDEX(self.n_vectors * LANES))
        for vector, total in enumerate(sums):
            at = builder.add(first, INDEX(vector * LANES))
            line = builder.load(vector_at(builder, self.lines, at), align=4)
            product = builder.fmul(value, line, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


def vector_at(builder: Any, floats: Any, at: Any) -> Any:  # noqa: ANN401
    """Return a pointer to the vector that begins with a float32 of an array."""
    return builder.bitcast(builder.gep(floats, [at]), VECTOR.as_pointer())


def spread(builder: Any, value: Any) -> Any:  # noqa: ANN401
    """Return a vector with the value in each lane."""
    undefined, lanes = ir.Constant(VECTOR, ir.Undefined), ir.VectorType(ir.IntType(32), LANES)
    first = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(lanes, [0] * LANES))
