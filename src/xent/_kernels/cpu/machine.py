"""The machine's side of `lanes`: LLVM code for vectors of 16 lanes. Nothing here runs without Numba."""

from collections.abc import Callable, Sequence
from typing import Any

WIDTH = 32  # lanes: two vectors of 512 bits of float32, side by side so that neither waits for itself
DOUBLE_WIDTH = 16  # the same of float64
LINE = 64  # bytes of a cache line

SIZES = {"float32": 4, "float64": 8, "uint16": 2, "int16": 2, "int32": 4, "int64": 8}


def _kind(dtype: str) -> Any:  # noqa: ANN401  # llvmlite is untyped, here and below
    """LLVM's type of one lane."""
    from llvmlite import ir

    if dtype == "float32":
        return ir.FloatType()
    return ir.DoubleType() if dtype == "float64" else ir.IntType(8 * SIZES[dtype])


def _suffix(kind: Any) -> str:  # noqa: ANN401
    """LLVM's name of a vector type in names of its functions."""
    element = str(kind.element)
    return f"v{kind.count}{ {'float': 'f32', 'double': 'f64'}.get(element, element) }"


def _call(builder: Any, name: str, result: Any, given: list[Any]) -> Any:  # noqa: ANN401
    """A call of one of LLVM's own functions."""
    from llvmlite import ir

    known = builder.module.globals.get(name)
    kind = ir.FunctionType(result, [value.type for value in given])
    return builder.call(known or ir.Function(builder.module, kind, name), given)


class MachineVector:
    """Sixteen lanes in registers, and the arithmetic on them."""

    __array_ufunc__ = None  # NumPy's scalars leave the arithmetic to us
    __hash__ = None  # type: ignore[assignment]  # == gives lanes

    def __init__(self, builder: Any, value: Any) -> None:  # noqa: ANN401
        self.builder, self.value = builder, value

    @property
    def dtype(self) -> str:
        """What a lane is; of integers the size."""
        return {"float": "float32", "double": "float64"}.get(str(self.value.type.element), str(self.value.type.element))

    @property
    def floating(self) -> bool:
        """Whether the lanes are floats."""
        return self.dtype.startswith("float")

    def like(self, other: Any) -> Any:  # noqa: ANN401
        """`other` as LLVM vector of our type: a constant goes to every lane."""
        from llvmlite import ir

        if isinstance(other, MachineVector):
            return other.value
        number = float(other) if self.floating else int(other)
        return ir.Constant(self.value.type, [number] * self.value.type.count)

    def made(self, value: Any) -> "MachineVector":  # noqa: ANN401
        """A vector of this value."""
        return MachineVector(self.builder, value)

    def _binary(self, floats: str, integers: str, other: Any, *, turned: bool = False) -> "MachineVector":  # noqa: ANN401
        a, b = self.value, self.like(other)
        if turned:
            a, b = b, a
        return self.made(getattr(self.builder, floats if self.floating else integers)(a, b))

    def __add__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("fadd", "add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("fsub", "sub", other, turned=True)

    def __mul__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("fmul", "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("fdiv", "sdiv", other, turned=True)

    def __and__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("and_", "and_", other)

    def __or__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("or_", "or_", other)

    def __xor__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("xor", "xor", other)

    def __lshift__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("shl", "shl", other)

    def __rshift__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._binary("ashr", "ashr", other)

    def _compared(self, sign: str, other: Any) -> "MachineVector":  # noqa: ANN401
        compare = self.builder.fcmp_ordered if self.floating else self.builder.icmp_signed
        return self.made(compare(sign, self.value, self.like(other)))

    def __lt__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._compared("<", other)

    def __le__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._compared(">", other)

    def __ge__(self, other: Any) -> "MachineVector":  # noqa: ANN401
        return self._compared(">=", other)

    def __eq__(self, other: object) -> "MachineVector":  # type: ignore[override]  # lanes
        return self._compared("==", other)

    def __ne__(self, other: object) -> "MachineVector":  # type: ignore[override]  # lanes; true for a NaN
        if not self.floating:
            return self._compared("!=", other)
        return self.made(self.builder.fcmp_unordered("!=", self.value, self.like(other)))

    def called(self, name: str, *others: Any) -> "MachineVector":  # noqa: ANN401
        """An LLVM function of this lane and others of its type."""
        given = [self.value, *(self.like(other) for other in others)]
        return self.made(_call(self.builder, f"{name}.{_suffix(self.value.type)}", self.value.type, given))

    def cast(self, operation: str, dtype: str) -> "MachineVector":
        """Lanes of another type."""
        from llvmlite import ir

        return self.made(
            getattr(self.builder, operation)(self.value, ir.VectorType(_kind(dtype), self.value.type.count))
        )

    def as_float(self, dtype: str) -> "MachineVector":
        """Lanes as float32 or float64."""
        if not self.floating:
            return self.cast("sitofp", dtype)
        if self.value.type.element == _kind(dtype):
            return self
        return self.cast("fpext" if dtype == "float64" else "fptrunc", dtype)

    def chosen(self, a: Any, b: Any) -> "MachineVector":  # noqa: ANN401
        """For a condition: a where it holds, b elsewhere."""
        model = a if isinstance(a, MachineVector) else b
        return self.made(self.builder.select(self.value, model.like(a), model.like(b)))


class MachineLanes:
    """Sixteen elements of an array argument."""

    def __init__(  # noqa: PLR0913  # what an address is made of
        self,
        builder: Any,
        pointer: Any,
        dtype: str,
        width: int,
        place: Any,
        mask: Any,
        *,
        present: bool,  # noqa: ANN401
    ) -> None:
        from llvmlite import ir

        self.builder, self.mask, self.present = builder, mask, present
        self.dtype, self.size = dtype, SIZES[dtype]
        self.type = ir.VectorType(pointer.type.pointee, width)
        self.first = builder.gep(pointer, [place])
        self.pointer = builder.bitcast(self.first, self.type.as_pointer())

    def load(self, pad: float = 0.0) -> MachineVector:
        """The elements; `pad` in lanes beyond the end."""
        from llvmlite import ir

        if self.mask is None:
            return MachineVector(self.builder, self.builder.load(self.pointer, align=self.size))
        whole = isinstance(self.type.element, ir.IntType)
        rest = ir.Constant(self.type, [int(pad) if whole else pad] * self.type.count)
        given = [self.pointer, ir.Constant(ir.IntType(32), self.size), self.mask, rest]
        name = f"llvm.masked.load.{_suffix(self.type)}.p0{_suffix(self.type)}"
        return MachineVector(self.builder, _call(self.builder, name, self.type, given))

    def store(self, value: MachineVector, *, past_the_cache: bool = False) -> None:
        """Write the elements. Past the cache: only from a multiple of 64 bytes on."""
        from llvmlite import ir

        if self.mask is not None:
            given = [value.value, self.pointer, ir.Constant(ir.IntType(32), self.size), self.mask]
            name = f"llvm.masked.store.{_suffix(self.type)}.p0{_suffix(self.type)}"
            _call(self.builder, name, ir.VoidType(), given)
            return
        bytes_ = min(LINE, self.size * self.type.count)
        stored = self.builder.store(value.value, self.pointer, align=bytes_ if past_the_cache else self.size)
        if past_the_cache:
            one = ir.Constant(ir.IntType(32), 1)
            stored.set_metadata("nontemporal", self.builder.module.add_metadata([one]))

    def prefetch(self, ahead: int) -> None:
        """Ask for the elements `ahead` places further on, which may lie beyond the array."""
        from llvmlite import ir

        place = self.builder.gep(self.first, [ir.Constant(ir.IntType(64), ahead)])
        given = [self.builder.bitcast(place, ir.IntType(8).as_pointer())]
        given += [ir.Constant(ir.IntType(32), k) for k in (0, 3, 1)]  # for reading, to stay, data
        _call(self.builder, "llvm.prefetch.p0i8", ir.VoidType(), given)


class Fold:
    """A number gathered over all lanes: running values in registers, and how they end.

    sum      of float32 lanes: two are added (an error of half an ULP), then widened to float64; of float64 lanes: with
             the rounding errors of adding put back
    count    how many lanes fulfil a condition
    largest  of floats, compared as whole numbers, which orders them: a maximum of floats that respects NaN is slow. A
             NaN with a positive sign is larger than all else; one with a negative sign is not seen
    """

    def __init__(self, how: str, builder: Any) -> None:  # noqa: ANN401
        self.how, self.builder = how, builder
        self.places: list[Any] = []  # where the running values are, made at the first step
        self.narrow = False

    def begin(self, model: MachineVector) -> None:
        """Room for the running values, in the function's first block."""
        from llvmlite import ir

        self.narrow, width = model.dtype == "float32", model.value.type.count
        if self.how == "sum":
            self.type, start = ir.VectorType(ir.DoubleType(), width // 2 if self.narrow else width), 0.0
        elif self.how == "count":
            self.type, start = ir.IntType(64), 0
        else:
            bits = 32 if self.narrow else 64
            self.type, start = ir.VectorType(ir.IntType(bits), width), -(2 ** (bits - 1))
        with self.builder.goto_entry_block():
            for _ in range(2 if self.how == "sum" and not self.narrow else 1):
                place = self.builder.alloca(self.type)
                every = start if self.how == "count" else [start] * self.type.count
                self.builder.store(ir.Constant(self.type, every), place)
                self.places.append(place)

    def nothing(self) -> float:
        """What lanes beyond the end are taken for."""
        return float("-inf") if self.how == "largest" else 0

    def step(self, value: MachineVector) -> None:
        """Gather sixteen lanes more."""
        from llvmlite import ir

        if not self.places:
            self.begin(value)
        builder, so_far = self.builder, [MachineVector(self.builder, self.builder.load(p)) for p in self.places]
        if self.how == "count":
            width = value.value.type.count
            mask = builder.bitcast(value.value, ir.IntType(width))
            many = _call(builder, f"llvm.ctpop.i{width}", mask.type, [mask])
            found = [builder.add(so_far[0].value, builder.zext(many, self.type))]
        elif self.how == "largest":
            found = [so_far[0].called("llvm.smax", self.turned(value.cast("bitcast", self.whole))).value]
        elif self.narrow:
            low, high = self.halves(value.value)
            found = [builder.fadd(so_far[0].value, builder.fpext(builder.fadd(low, high), self.type))]
        else:
            total = so_far[0] + value
            part = total - so_far[0]
            lost = (so_far[0] - (total - part)) + (value - part)
            found = [total.value, (so_far[1] + lost).value]
        for place, new in zip(self.places, found, strict=True):
            builder.store(new, place)

    @property
    def whole(self) -> str:
        """The integers of a float's size."""
        return "int32" if self.narrow else "int64"

    def turned(self, bits: MachineVector) -> MachineVector:
        """Sign and magnitude as two's complement, and back."""
        last = self.type.element.width - 1
        return bits ^ ((bits >> last) & (2**last - 1))

    def halves(self, value: Any) -> tuple[Any, Any]:  # noqa: ANN401
        """First and second half of a vector."""
        from llvmlite import ir

        half = value.type.count // 2
        none = ir.Constant(value.type, ir.Undefined)
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(k, k + half))) for k in (0, half)]
        return tuple(self.builder.shuffle_vector(value, none, mask) for mask in masks)  # type: ignore[return-value]

    def end(self) -> Any:  # noqa: ANN401
        """The number, float64 or (of count) int64: lanes are added in halves, which is one fixed order."""
        from llvmlite import ir

        builder = self.builder
        values = [builder.load(place) for place in self.places]
        if self.how == "count":
            return values[0]
        while values[0].type.count > 1:
            (a, b), *errors = [self.halves(v) for v in values]
            if self.how == "largest":
                values = [builder.select(builder.icmp_signed(">", a, b), a, b)]
            elif self.narrow:
                values = [builder.fadd(a, b)]
            else:
                total = builder.fadd(a, b)
                part = builder.fsub(total, a)
                lost = builder.fadd(builder.fsub(a, builder.fsub(total, part)), builder.fsub(b, part))
                values = [total, builder.fadd(builder.fadd(*errors[0]), lost)]
        numbers = [builder.extract_element(v, ir.Constant(ir.IntType(32), 0)) for v in values]
        if self.how == "sum":
            if self.narrow:
                return numbers[0]
            infinite = builder.fcmp_ordered("==", numbers[0], ir.Constant(numbers[0].type, float("inf")))
            return builder.select(infinite, numbers[0], builder.fadd(*numbers))  # inf - inf is no error of rounding
        last, number = numbers[0].type.width - 1, numbers[0].type
        sign = builder.and_(builder.ashr(numbers[0], number(last)), number(2**last - 1))
        found = builder.bitcast(builder.xor(numbers[0], sign), _kind("float32" if self.narrow else "float64"))
        return builder.fpext(found, ir.DoubleType()) if self.narrow else found


def swept(body: Callable[..., Any], folds: Sequence[str], partial: Sequence[str], *, whole: bool) -> Callable[..., Any]:
    """The intrinsic for a body: a call of a function made for the types of its arguments."""
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    def of_sweep(_typing: Any, *arguments: Any) -> Any:  # noqa: ANN401
        if len(arguments) == 1 and isinstance(arguments[0], types.BaseTuple):
            arguments = tuple(arguments[0])
        kinds = [types.int64 if how == "count" else types.float64 for how in folds]
        result = types.void if not kinds else kinds[0] if len(kinds) == 1 else types.Tuple(kinds)
        given = [types.unliteral(a) for a in arguments]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ANN401
            parts = cgutils.unpack_tuple(builder, values[0])
            plain, names = [], []
            for kind, part in zip(given, parts, strict=True):
                if isinstance(kind, types.Array):
                    array = context.make_array(kind)(context, builder, value=part)
                    plain += [array.data, builder.extract_value(array.shape, 0)]
                    names.append(str(kind.dtype))
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
    return intrinsic(of_sweep)  # type: ignore[no-any-return]


def _function(
    module: Any,  # noqa: ANN401
    body: Callable[..., Any],
    names: list[str],
    kinds: list[Any],
    folds: Sequence[str],
    partial: Sequence[str],
    *,
    whole: bool,
) -> Any:  # noqa: ANN401
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

    def work(place: Any, mask: Any, *, present: bool) -> None:  # noqa: ANN401
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
            whole = builder.lshr(length, number(shift))
            first = builder.select(builder.icmp_signed("<", whole, first), whole, first)
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


def _first_lanes(builder: Any, count: Any, width: int) -> Any:  # noqa: ANN401
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
    ) -> None:  # noqa: ANN401
        from llvmlite import ir

        self.builder, self.parts, self.short, self.width = builder, [], [], width
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
            else:
                pointer, length = values.pop(0), values.pop(0)
                self.parts.append((pointer, name, argument in partial))
                if argument in partial:
                    self.short.append(length)

    def at(self, place: Any, mask: Any, *, present: bool) -> list[Any]:  # noqa: ANN401
        """What the body gets for the sixteen elements from `place` on."""
        return [
            part if isinstance(part, MachineVector)
            else MachineLanes(self.builder, part[0], part[1], self.width, place, mask, present=present or not part[2])
            for part in self.parts
        ]  # fmt: skip


def _loop(builder: Any, function: Any, blocks: tuple[Any, Any, int], work: Callable[[Any], None]) -> None:  # noqa: ANN401
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
    from xent._kernels.cpu import jit

    if jit.numba_or_none() is None:
        return _no_fence
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def fence(_typing: Any) -> Any:  # noqa: ANN401
        def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:  # noqa: ANN401
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.void(), generate

    return fence  # type: ignore[no-any-return]


fence = _fence()
