"""The machine's side of `lanes`: LLVM code for vectors of 16 lanes. Nothing here runs without Numba."""

from typing import Any

WIDTH = 16  # lanes: 512 bits of float32
DOUBLE_WIDTH = 8  # the same of float64
LINE = 64  # bytes of a cache line

SIZES = {"float32": 4, "float64": 8, "uint16": 2, "int16": 2, "int32": 4, "int64": 8}


def kind_of(dtype: str) -> Any:  # llvmlite is untyped, here and below
    """LLVM's type of one lane."""
    from llvmlite import ir

    if dtype == "float32":
        return ir.FloatType()
    return ir.DoubleType() if dtype == "float64" else ir.IntType(8 * SIZES[dtype])


def _suffix(kind: Any) -> str:
    """LLVM's name of a vector type in names of its functions."""
    element = str(kind.element)
    return f"v{kind.count}{ {'float': 'f32', 'double': 'f64'}.get(element, element) }"


def call(builder: Any, name: str, result: Any, given: list[Any]) -> Any:
    """A call of one of LLVM's own functions."""
    from llvmlite import ir

    known = builder.module.globals.get(name)
    kind = ir.FunctionType(result, [value.type for value in given])
    return builder.call(known or ir.Function(builder.module, kind, name), given)


class MachineVector:
    """Sixteen lanes in registers, and the arithmetic on them."""

    __array_ufunc__ = None  # NumPy's scalars leave the arithmetic to us
    __hash__ = None  # type: ignore[assignment]  # == gives lanes

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @property
    def dtype(self) -> str:
        """What a lane is; of integers the size."""
        return {"float": "float32", "double": "float64"}.get(str(self.value.type.element), str(self.value.type.element))

    @property
    def floating(self) -> bool:
        """Whether the lanes are floats."""
        return self.dtype.startswith("float")

    def like(self, other: Any) -> Any:
        """`other` as LLVM vector of our type: a constant goes to every lane."""
        from llvmlite import ir

        if isinstance(other, MachineVector):
            return other.value
        number = float(other) if self.floating else int(other)
        return ir.Constant(self.value.type, [number] * self.value.type.count)

    def made(self, value: Any) -> "MachineVector":
        """A vector of this value."""
        return MachineVector(self.builder, value)

    def _binary(self, floats: str, integers: str, other: Any, *, turned: bool = False) -> "MachineVector":
        a, b = self.value, self.like(other)
        if turned:
            a, b = b, a
        return self.made(getattr(self.builder, floats if self.floating else integers)(a, b))

    def __add__(self, other: Any) -> "MachineVector":
        return self._binary("fadd", "add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "MachineVector":
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Any) -> "MachineVector":
        return self._binary("fsub", "sub", other, turned=True)

    def __mul__(self, other: Any) -> "MachineVector":
        return self._binary("fmul", "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "MachineVector":
        return self._binary("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Any) -> "MachineVector":
        return self._binary("fdiv", "sdiv", other, turned=True)

    def __and__(self, other: Any) -> "MachineVector":
        return self._binary("and_", "and_", other)

    def __or__(self, other: Any) -> "MachineVector":
        return self._binary("or_", "or_", other)

    def __xor__(self, other: Any) -> "MachineVector":
        return self._binary("xor", "xor", other)

    def __lshift__(self, other: Any) -> "MachineVector":
        return self._binary("shl", "shl", other)

    def __rshift__(self, other: Any) -> "MachineVector":
        return self._binary("ashr", "ashr", other)

    def _compared(self, sign: str, other: Any) -> "MachineVector":
        compare = self.builder.fcmp_ordered if self.floating else self.builder.icmp_signed
        return self.made(compare(sign, self.value, self.like(other)))

    def __lt__(self, other: Any) -> "MachineVector":
        return self._compared("<", other)

    def __le__(self, other: Any) -> "MachineVector":
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> "MachineVector":
        return self._compared(">", other)

    def __ge__(self, other: Any) -> "MachineVector":
        return self._compared(">=", other)

    def __eq__(self, other: object) -> "MachineVector":  # type: ignore[override]  # lanes
        return self._compared("==", other)

    def __ne__(self, other: object) -> "MachineVector":  # type: ignore[override]  # lanes; true for a NaN
        if not self.floating:
            return self._compared("!=", other)
        return self.made(self.builder.fcmp_unordered("!=", self.value, self.like(other)))

    def called(self, name: str, *others: Any) -> "MachineVector":
        """An LLVM function of this lane and others of its type."""
        given = [self.value, *(self.like(other) for other in others)]
        return self.made(call(self.builder, f"{name}.{_suffix(self.value.type)}", self.value.type, given))

    def cast(self, operation: str, dtype: str) -> "MachineVector":
        """Lanes of another type."""
        from llvmlite import ir

        return self.made(
            getattr(self.builder, operation)(self.value, ir.VectorType(kind_of(dtype), self.value.type.count))
        )

    def as_float(self, dtype: str) -> "MachineVector":
        """Lanes as float32 or float64."""
        if not self.floating:
            return self.cast("sitofp", dtype)
        if self.value.type.element == kind_of(dtype):
            return self
        return self.cast("fpext" if dtype == "float64" else "fptrunc", dtype)

    def chosen(self, a: Any, b: Any) -> "MachineVector":
        """For a condition: a where it holds, b elsewhere."""
        model = a if isinstance(a, MachineVector) else b
        return self.made(self.builder.select(self.value, model.like(a), model.like(b)))


class MachineLanes:
    """Sixteen elements of an array argument."""

    def __init__(  # what an address is made of
        self,
        builder: Any,
        pointer: Any,
        dtype: str,
        width: int,
        place: Any,
        mask: Any,
        *,
        present: bool,
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
        return MachineVector(self.builder, call(self.builder, name, self.type, given))

    def store(self, value: MachineVector, *, past_the_cache: bool = False) -> None:
        """Write the elements. Past the cache: only from a multiple of 64 bytes on."""
        from llvmlite import ir

        if self.mask is not None:
            given = [value.value, self.pointer, ir.Constant(ir.IntType(32), self.size), self.mask]
            name = f"llvm.masked.store.{_suffix(self.type)}.p0{_suffix(self.type)}"
            call(self.builder, name, ir.VoidType(), given)
            return
        bytes_ = min(LINE, self.size * self.type.count)
        stored = self.builder.store(value.value, self.pointer, align=bytes_ if past_the_cache else self.size)
        if past_the_cache:
            one = ir.Constant(ir.IntType(32), 1)
            stored.set_metadata("nontemporal", self.builder.module.add_metadata([one]))

    def prefetch(self, ahead: int, *, written: bool = False) -> None:
        """Ask for the elements `ahead` places further on, which may lie beyond the array; to be read, or written."""
        from llvmlite import ir

        place = self.builder.gep(self.first, [ir.Constant(ir.IntType(64), ahead)])
        given = [self.builder.bitcast(place, ir.IntType(8).as_pointer())]
        given += [ir.Constant(ir.IntType(32), k) for k in (int(written), 2, 1)]  # into the second-level cache, data
        call(self.builder, "llvm.prefetch.p0i8", ir.VoidType(), given)


class MachinePlane:
    """The rows of a two-dimensional array argument, sixteen elements of each."""

    def __init__(self, builder: Any, pointer: Any, dtype: str, width: int, place: Any, shape: tuple[Any, Any]) -> None:
        self.builder, self.pointer, self.dtype = builder, pointer, dtype
        self.width, self.place = width, place
        self.rows, self.length = shape

    def __getitem__(self, row: int) -> MachineLanes:
        """The lanes of a row."""
        return self._lanes(self.length.type(row))

    def _lanes(self, row: Any) -> MachineLanes:
        start = self.builder.gep(self.pointer, [self.builder.mul(self.length, row)])
        return MachineLanes(self.builder, start, self.dtype, self.width, self.place, None, present=True)

    def over(self, body: Any, *start: MachineVector) -> tuple[MachineVector, ...]:
        """`body` on the lanes of every row, one after the other, and on what it gave for the row before."""
        builder, number = self.builder, self.length.type
        before = builder.block
        inside, after = builder.append_basic_block("row"), builder.append_basic_block("rows")
        builder.branch(inside)
        builder.position_at_end(inside)
        row = builder.phi(number)
        row.add_incoming(number(0), before)
        carried = [builder.phi(vector.value.type) for vector in start]
        for phi, vector in zip(carried, start, strict=True):
            phi.add_incoming(vector.value, before)
        found = body(self._lanes(row), *(MachineVector(builder, phi) for phi in carried))
        following = builder.add(row, number(1))
        row.add_incoming(following, builder.block)
        for phi, vector in zip(carried, found, strict=True):
            phi.add_incoming(vector.value, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, self.rows), inside, after)
        builder.position_at_end(after)
        return tuple(found)
