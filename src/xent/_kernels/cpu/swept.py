"""LLVM functions made of sweeps: the machine's side of `lanes`. Nothing here runs without Numba."""

from collections.abc import Callable, Sequence
from typing import Any

from xent._kernels.cpu.fold import Fold
from xent._kernels.cpu.jit import numba_or_none
from xent._kernels.cpu.machine import DOUBLE_WIDTH, WIDTH, MachineLanes, MachinePlane, MachineVector


def swept(body: Callable[..., Any], folds: Sequence[str], partial: Sequence[str], *, whole: bool) -> Callable[..., Any]:
    """The intrinsic for a body: a call of a function made for the types of its arguments."""
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def of_sweep(_typing: Any, *arguments: Any) -> Any:
        if len(arguments) == 1 and isinstance(arguments[0], types.BaseTuple):
            arguments = tuple(iter(arguments[0]))  # type: ignore[call-overload]  # Numba: a tuple of types
        kinds = [types.int64 if how == "count" else types.float64 for how in folds]
        result = types.void if not kinds else kinds[0] if len(kinds) == 1 else types.Tuple(kinds)
        given = [types.unliteral(a) for a in arguments]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            parts = cgutils.unpack_tuple(builder, values[0])
            plain, names = [], []
            for kind, part in zip(given, parts, strict=True):
                if isinstance(kind, types.Array):
                    array = context.make_array(kind)(context, builder, value=part)
                    plain.append(array.data)
                    plain += [builder.extract_value(array.shape, axis) for axis in range(kind.ndim)]
                    names.append(("plane " if kind.ndim > 1 else "") + str(kind.dtype))
                else:
                    plain.append(part)
                    names.append("number")
            function = _function(
                builder.module, body, names, [value.type for value in plain], folds, partial, whole=whole
            )
            found = builder.call(function, plain)
            if not folds:
                return context.get_dummy_value()
            if len(folds) == 1:
                return builder.extract_value(found, 0)
            return context.make_tuple(
                builder, signature.return_type, [builder.extract_value(found, k) for k in range(len(folds))]
            )

        return result(types.StarArgTuple(given)), generate

    of_sweep.__name__ = body.__name__
    made: Callable[..., Any] = intrinsic(of_sweep)
    return made


def _function(
    module: Any,
    body: Callable[..., Any],
    names: list[str],
    kinds: list[Any],
    folds: Sequence[str],
    partial: Sequence[str],
    *,
    whole: bool,
) -> Any:
    """LLVM's function of a sweep: whole sixteens with the partial arrays, whole sixteens without, the masked rest."""
    from llvmlite import ir

    width = DOUBLE_WIDTH if names[0] == "float64" else WIDTH
    shift = width.bit_length() - 1
    name = f"sweep.{body.__module__}.{body.__qualname__}.{'.'.join(names)}.{'.'.join(str(k) for k in kinds)}"
    if name in module.globals:
        return module.globals[name]
    result = ir.LiteralStructType([ir.IntType(64) if how == "count" else ir.DoubleType() for how in folds])
    function = ir.Function(module, ir.FunctionType(result if folds else ir.VoidType(), kinds), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    started = function.append_basic_block("started")
    arguments = _Arguments(builder, body, names, list(function.args), partial, width)
    gathered = [Fold(how, builder) for how in folds]

    def work(place: Any, mask: Any, *, present: bool) -> None:
        found = body(*arguments.at(place, mask, present=present))
        found = found if isinstance(found, tuple) else (found,)
        for fold, value in zip(gathered, found if folds else (), strict=True):
            fold.step(value if mask is None else MachineVector(builder, mask).chosen(value, fold.nothing()))

    number = ir.IntType(64)
    builder.branch(started)
    builder.position_at_end(started)
    blocks = builder.lshr(arguments.length, number(shift))
    first = number(0)
    if partial:
        first = blocks
        for length in arguments.short:
            reach = builder.lshr(length, number(shift))
            first = builder.select(builder.icmp_signed("<", reach, first), reach, first)
        _loop(builder, function, (number(0), first, shift), lambda place: work(place, None, present=True))
    _loop(builder, function, (first, blocks, shift), lambda place: work(place, None, present=False))
    rest = builder.and_(arguments.length, number(width - 1))
    if not whole:
        with builder.if_then(builder.icmp_signed("!=", rest, number(0))):
            work(builder.shl(blocks, number(shift)), _first_lanes(builder, rest, width), present=False)
    if folds:
        answer = ir.Constant(result, ir.Undefined)
        for k, fold in enumerate(gathered):
            answer = builder.insert_value(answer, fold.end(), k)
        builder.ret(answer)
    else:
        builder.ret_void()
    return function


def _first_lanes(builder: Any, count: Any, width: int) -> Any:
    """A condition that holds in the first lanes."""
    from llvmlite import ir

    lanes = ir.VectorType(ir.IntType(32), width)
    none, zeros = ir.Constant(lanes, ir.Undefined), ir.Constant(lanes, [0] * width)
    one = builder.insert_element(none, builder.trunc(count, ir.IntType(32)), ir.Constant(ir.IntType(32), 0))
    return builder.icmp_signed("<", ir.Constant(lanes, list(range(width))), builder.shuffle_vector(one, none, zeros))


class _Arguments:
    """A sweep's arguments: arrays as pointer and length, numbers in every lane."""

    def __init__(
        self, builder: Any, body: Any, names: list[str], values: list[Any], partial: Sequence[str], width: int
    ) -> None:
        from llvmlite import ir

        self.builder, self.width = builder, width
        self.parts: list[Any] = []
        self.short: list[Any] = []
        self.length = values[1]
        given = body.__code__.co_varnames[: body.__code__.co_argcount]
        for argument, name in zip(given, names, strict=True):
            if name == "number":
                number = values.pop(0)
                lanes = ir.VectorType(number.type, width)
                none, zeros = ir.Constant(lanes, ir.Undefined), ir.VectorType(ir.IntType(32), width)
                one = builder.insert_element(none, number, ir.Constant(ir.IntType(32), 0))
                vector = builder.shuffle_vector(one, none, ir.Constant(zeros, [0] * width))
                self.parts.append(MachineVector(builder, vector))
            elif name.startswith("plane "):
                pointer, shape = values.pop(0), (values.pop(0), values.pop(0))
                self.parts.append((pointer, name.removeprefix("plane "), shape))
            else:
                pointer, length = values.pop(0), values.pop(0)
                self.parts.append((pointer, name, argument in partial))
                if argument in partial:
                    self.short.append(length)

    def at(self, place: Any, mask: Any, *, present: bool) -> list[Any]:
        """What the body gets for the sixteen elements from `place` on."""
        found: list[Any] = []
        for part in self.parts:
            if isinstance(part, MachineVector):
                found.append(part)
                continue
            pointer, dtype, third = part
            if isinstance(third, bool):  # whether the array is partial
                there = present or not third
                found.append(MachineLanes(self.builder, pointer, dtype, self.width, place, mask, present=there))
            else:  # the shape of a plane
                found.append(MachinePlane(self.builder, pointer, dtype, self.width, place, third))
        return found


def _loop(builder: Any, function: Any, blocks: tuple[Any, Any, int], work: Callable[[Any], None]) -> None:
    """for block in range(first, last): work(block << shift)."""
    from llvmlite import ir

    first, last, shift = blocks

    number = ir.IntType(64)
    before = builder.block
    inside, after = function.append_basic_block("inside"), function.append_basic_block("after")
    builder.cbranch(builder.icmp_signed("<", first, last), inside, after)
    builder.position_at_end(inside)
    block = builder.phi(number)
    block.add_incoming(first, before)
    work(builder.shl(block, number(shift)))
    following = builder.add(block, number(1))
    block.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, last), inside, after)
    builder.position_at_end(after)


def _no_fence() -> None:
    """Where nothing is written past the cache."""


def _fence() -> Callable[[], None]:
    """A function that returns when what was written past the cache is there for other threads."""
    if numba_or_none() is None:
        return _no_fence
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def fence(_typing: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.void(), generate

    made: Any = fence
    return made  # type: ignore[no-any-return]


fence = _fence()
