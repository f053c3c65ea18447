"""Sixteen rows turned on their side and back, in registers.

Sixteen vectors are turned by four perfect shuffles: vector k and vector k + 8 interleaved give vectors 2k and 2k + 1.
Source of the shuffles: Stone 1971, doi:10.1109/T-C.1971.223205.
"""

from typing import Any

from xent._kernels.cpu.jit import numba_or_none
from xent._kernels.cpu.machine import WIDTH, call

ROUNDS = 4  # 2**4 = WIDTH


def _turn(rows: Any, xs: Any, first: int) -> None:
    """Rows (n, V), 16 of them from `first` on, into xs (at least V, …), as columns from `first` on."""
    xs[: rows.shape[1], first : first + WIDTH] = rows[first : first + WIDTH].T


def _turn_back(xs: Any, rows: Any, first: int) -> None:
    """The columns of xs (at least V, …), 16 of them from `first` on, into rows (n, V)."""
    rows[first : first + WIDTH] = xs[: rows.shape[1], first : first + WIDTH].T


def _interleaved(builder: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """a0 b0 a1 b1 …: two vectors."""
    from llvmlite import ir

    both = [k // 2 + WIDTH * (k % 2) for k in range(2 * WIDTH)]
    kind = ir.VectorType(ir.IntType(32), WIDTH)
    low, high = both[:WIDTH], both[WIDTH:]
    return builder.shuffle_vector(a, b, ir.Constant(kind, low)), builder.shuffle_vector(a, b, ir.Constant(kind, high))


def _turned(builder: Any, vectors: list[Any]) -> list[Any]:
    """Sixteen vectors as a square, its rows and columns exchanged."""
    half = WIDTH // 2
    for _ in range(ROUNDS):
        pairs = [_interleaved(builder, vectors[k], vectors[k + half]) for k in range(half)]
        vectors = [vector for pair in pairs for vector in pair]
    return vectors


class _Square:
    """Sixteen rows and sixteen classes of the arrays of a call: where they lie."""

    def __init__(self, builder: Any, rows: Any, xs: Any, first: Any) -> None:
        from llvmlite import ir

        self.builder, self.rows, self.xs, self.first = builder, rows, xs, first
        self.number, self.lanes = ir.IntType(64), ir.VectorType(ir.FloatType(), WIDTH)
        self.classes = builder.extract_value(rows.shape, 1)
        self.breadth = builder.extract_value(xs.shape, 1)

    def at(self, pointer: Any, *parts: Any) -> Any:
        """A vector's address, from a product and a sum."""
        a, b, c = parts
        return self.builder.bitcast(
            self.builder.gep(pointer, [self.builder.add(self.builder.mul(a, b), c)]), self.lanes.as_pointer()
        )

    def of_row(self, k: int, column: Any) -> Any:
        """Where classes of row k begin."""
        return self.at(self.rows.data, self.builder.add(self.first, self.number(k)), self.classes, column)

    def of_class(self, k: int, column: Any) -> Any:
        """Where the rows' logits of class k lie."""
        return self.at(self.xs.data, self.builder.add(column, self.number(k)), self.breadth, self.first)

    def there(self, column: Any) -> Any:
        """Which of sixteen classes there are."""
        from llvmlite import ir

        kind = ir.VectorType(ir.IntType(32), WIDTH)
        left = self.builder.trunc(self.builder.sub(self.classes, column), ir.IntType(32))
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), left, ir.Constant(ir.IntType(32), 0))
        every = self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(kind, [0] * WIDTH))
        return self.builder.icmp_signed("<", ir.Constant(kind, list(range(WIDTH))), every)

    def turn(self, column: Any) -> None:
        """Rows to classes."""
        from llvmlite import ir

        align, none = ir.Constant(ir.IntType(32), 4), ir.Constant(self.lanes, [0.0] * WIDTH)
        there, name = self.there(column), "llvm.masked.load.v16f32.p0v16f32"
        vectors = [
            call(self.builder, name, self.lanes, [self.of_row(k, column), align, there, none]) for k in range(WIDTH)
        ]
        for k, vector in enumerate(_turned(self.builder, vectors)):
            self.builder.store(vector, self.of_class(k, column), align=4)

    def turn_back(self, column: Any) -> None:
        """Classes to rows."""
        from llvmlite import ir

        align, there = ir.Constant(ir.IntType(32), 4), self.there(column)
        vectors = [self.builder.load(self.of_class(k, column), align=4) for k in range(WIDTH)]
        for k, vector in enumerate(_turned(self.builder, vectors)):
            given = [vector, self.of_row(k, column), align, there]
            call(self.builder, "llvm.masked.store.v16f32.p0v16f32", ir.VoidType(), given)


def _compiled(*, back: bool) -> Any:
    """The intrinsic of one of the two."""
    if numba_or_none() is None:
        return _turn_back if back else _turn
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def of_square(_typing: Any, a: Any, b: Any, first: Any) -> Any:  # noqa: ARG001  # a name Numba binds it by
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            arrays = [
                context.make_array(kind)(context, builder, value=value)
                for kind, value in zip(signature.args[:2], values[:2], strict=True)
            ]
            rows, xs = reversed(arrays) if back else arrays
            square = _Square(builder, rows, xs, values[2])
            with cgutils.for_range_slice(builder, square.number(0), square.classes, square.number(WIDTH), inc=True) as (
                column,
                _,
            ):
                (square.turn_back if back else square.turn)(column)
            return context.get_dummy_value()

        return types.void(a, b, types.intp), generate

    of_square.__name__ = "turn_back" if back else "turn"
    return intrinsic(of_square)


turn, turn_back = _compiled(back=False), _compiled(back=True)
