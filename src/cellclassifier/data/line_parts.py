"""Sums of those lines of a matrix that stand below some line, added to what was summed before."""

from typing import Any

from numba import types
from numba.core import cgutils

from cellclassifier.data.compiling import instruction
from cellclassifier.data.line_sums import INDEX, LANES, spread, vector_at


@instruction
def add_lines_below(
    _typing: Any,  # noqa: ANN401
    values: Any,  # noqa: ANN401
    places: Any,  # noqa: ANN401
    lines: Any,  # noqa: ANN401
    out: Any,  # noqa: ANN401
    entries: Any,  # noqa: ANN401
    n_vectors: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Add ``values @ lines[places]`` to `out`, as far as places are below a limit; say how far.

    The order of the sums is that of `sum_lines` for so many vectors: one entry after the other.

    Parameters
    ----------
    values
        Shape (n,), float32.
    places
        Shape (n,), uint32, ascending between the entries below.
    lines
        Shape (n_lines x n_vectors x 16,), float32: one line after the other.
    out
        Shape (n_vectors x 16,), float32.
    entries
        The first entry, the last, not included, and the limit of the places; int64.
    n_vectors
        A constant, for which `sum_lines` takes one line at a time.
    """
    kinds = (values, places, lines, out, entries)
    n_in_line = n_vectors.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        from_values, from_places, from_lines, to = (
            context.make_array(kind)(context, builder, value=argument).data
            for kind, argument in zip(signature.args[:4], arguments[:4], strict=True)
        )
        first, last, limit = (builder.extract_value(arguments[4], number) for number in range(3))
        at = cgutils.alloca_once_value(builder, first)  # type: ignore[no-untyped-call]
        ends = [vector_at(builder, to, INDEX(vector * LANES)) for vector in range(n_in_line)]
        sums = [
            cgutils.alloca_once_value(builder, builder.load(end, align=4))  # type: ignore[no-untyped-call]
            for end in ends
        ]
        asks, looks, adds, is_done = (
            builder.append_basic_block(name) for name in ("asks", "looks", "adds", "is_done")
        )
        builder.branch(asks)
        builder.position_at_end(asks)
        entry = builder.load(at)
        builder.cbranch(builder.icmp_signed("<", entry, last), looks, is_done)
        builder.position_at_end(looks)
        place = builder.zext(builder.load(builder.gep(from_places, [entry])), INDEX)
        builder.cbranch(builder.icmp_signed("<", place, limit), adds, is_done)
        builder.position_at_end(adds)
        value = spread(builder, builder.load(builder.gep(from_values, [entry])))
        start = builder.mul(place, INDEX(n_in_line * LANES))
        for vector, total in enumerate(sums):
            pointer = vector_at(builder, from_lines, builder.add(start, INDEX(vector * LANES)))
            line = builder.load(pointer, align=4)
            product = builder.fmul(value, line, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        builder.store(builder.add(entry, INDEX(1)), at)
        builder.branch(asks)
        builder.position_at_end(is_done)
        for end, total in zip(ends, sums, strict=True):
            builder.store(builder.load(total), end, align=4)
        return builder.load(at)

    return types.int64(*kinds, n_vectors), generate
