"""Dense rows times a matrix, several rows at a time, each in the processor's registers."""

from dataclasses import dataclass
from typing import Any

from numba import types
from numba.core import cgutils

from cellclassifier.data.compiling import HAS_WIDE_REGISTERS, instruction
from cellclassifier.data.line_sums import INDEX, LANES, MIN_SUMS, ZEROS, spread, vector_at

# rows that share each line that is fetched; where registers are narrow or few, one row fills them
ROWS_AT_ONCE = 2 if HAS_WIDE_REGISTERS else 1


@instruction
def sum_rows(
    _typing: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    lines: Any,  # noqa: ANN401
    out: Any,  # noqa: ANN401
    at: Any,  # noqa: ANN401
    n_vectors: Any,  # noqa: ANN401
    n_rows: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Write ``rows @ lines``, in float32, into columns of `out`.

    The order of the sums is that of `sum_lines`, for all places in turn.

    Parameters
    ----------
    rows
        Shape (n, n_lines), float32, row after row in memory.
    lines
        Shape (n_lines x n_vectors x 16,), float32: one line after the other.
    out
        Shape (n, n_columns), float32, row after row in memory.
    at
        The first row, and the first column of the result.
    n_vectors
        A constant, from 1 to 5.
    n_rows
        A constant: how many rows. None may be beyond the last: nothing asks.
    """
    kinds = (rows, lines, out, at)
    n_in_line, n_together = n_vectors.literal_value, n_rows.literal_value

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        of_rows, of_lines, of_out = (
            context.make_array(kind)(context, builder, value=argument)
            for kind, argument in zip(kinds[:3], arguments[:3], strict=True)
        )
        first, column = (builder.extract_value(arguments[3], number) for number in range(2))
        n_lines, n_columns = (builder.extract_value(array.shape, 1) for array in (of_rows, of_out))
        numbers = [builder.add(first, INDEX(number)) for number in range(n_together)]
        values = [builder.gep(of_rows.data, [builder.mul(row, n_lines)]) for row in numbers]
        to = [
            builder.gep(of_out.data, [builder.add(builder.mul(row, n_columns), column)])
            for row in numbers
        ]
        _Rows(builder, values, of_lines.data, n_in_line).sum_into(to, n_lines)
        return context.get_dummy_value()

    return types.void(*kinds, n_vectors, n_rows), generate


@dataclass(frozen=True, eq=False)
class _Rows:
    """The instructions of `sum_rows`, and the pointers that they read from."""

    builder: Any
    values: list[Any]
    lines: Any
    n_vectors: int

    def sum_into(self, out: list[Any], n_lines: Any) -> None:  # noqa: ANN401
        builder = self.builder
        n_at_once = max(1, MIN_SUMS // self.n_vectors)
        # of each of the lines at once, each row and each vector
        sums: list[list[list[Any]]] = [
            [
                [cgutils.alloca_once_value(builder, ZEROS) for _ in range(self.n_vectors)]  # type: ignore[no-untyped-call]
                for _ in out
            ]
            for _ in range(n_at_once)
        ]
        step = INDEX(n_at_once)
        whole = builder.mul(builder.udiv(n_lines, step), step)
        with cgutils.for_range_slice(builder, INDEX(0), whole, step, inc=True) as (line, _):
            for number, sums_of_one in enumerate(sums):
                self._add(builder.add(line, INDEX(number)), sums_of_one)
        with cgutils.for_range_slice(builder, whole, n_lines, INDEX(1), inc=True) as (line, _):
            self._add(line, sums[0])
        for row, to in enumerate(out):
            for vector in range(self.n_vectors):
                total, *others = (builder.load(of_line[row][vector]) for of_line in sums)
                for other in others:
                    total = builder.fadd(total, other)
                builder.store(total, vector_at(builder, to, INDEX(vector * LANES)), align=4)

    def _add(self, line: Any, sums: list[list[Any]]) -> None:  # noqa: ANN401
        """Add one line, times each row's value, to one sum a row and vector."""
        builder = self.builder
        first = builder.mul(line, INDEX(self.n_vectors * LANES))
        places = [builder.add(first, INDEX(vector * LANES)) for vector in range(self.n_vectors)]
        vectors = [builder.load(vector_at(builder, self.lines, place), align=4) for place in places]
        for values, of_row in zip(self.values, sums, strict=True):
            value = spread(builder, builder.load(builder.gep(values, [line])))
            for vector, total in zip(vectors, of_row, strict=True):
                product = builder.fmul(value, vector, flags=("contract",))
                builder.store(
                    builder.fadd(builder.load(total), product, flags=("contract",)), total
                )
