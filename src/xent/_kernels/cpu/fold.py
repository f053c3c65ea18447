"""Numbers gathered over all lanes of a sweep, in registers: the machine's side of `lanes`."""

from typing import Any

from xent._kernels.cpu.machine import MachineVector, call


class Fold:
    """A number gathered over all lanes: running values in registers, and how they end.

    sum      of float32 lanes: in float64; of float64 lanes: with the rounding errors of adding put back
    mass     the sum of floats >= 0, in float64: two of float32 are added, then that with the rounding errors put back
    count    how many lanes fulfil a condition
    largest  of floats; a NaN is not seen
    """

    def __init__(self, how: str, builder: Any) -> None:
        self.how, self.builder = how, builder
        self.places: list[Any] = []  # where the running values are, made at the first step
        self.narrow = False

    def begin(self, model: MachineVector) -> None:
        """Room for the running values, in the function's first block."""
        from llvmlite import ir

        self.narrow, width = model.dtype == "float32", model.value.type.count
        if self.how in {"sum", "mass"}:
            self.type, start = ir.VectorType(ir.DoubleType(), width), 0.0
            if self.narrow and self.how == "mass":
                self.type = ir.VectorType(ir.DoubleType(), width // 2)
        elif self.how == "count":
            self.type, start = ir.IntType(64), 0
        else:
            element = ir.FloatType() if self.narrow else ir.DoubleType()
            self.type, start = ir.VectorType(element, width), float("-inf")
        with self.builder.goto_entry_block():
            for _ in range(2 if self.with_errors else 1):
                place = self.builder.alloca(self.type)
                every = start if self.how == "count" else [start] * self.type.count
                self.builder.store(ir.Constant(self.type, every), place)
                self.places.append(place)

    @property
    def with_errors(self) -> bool:
        """Whether the errors of adding are gathered beside the sum."""
        return self.how == "mass" or (self.how == "sum" and not self.narrow)

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
            many = call(builder, f"llvm.ctpop.i{width}", mask.type, [mask])
            found = [builder.add(so_far[0].value, builder.zext(many, self.type))]
        elif self.how == "largest":
            found = [(value > so_far[0]).chosen(value, so_far[0]).value]
        elif self.how == "mass":
            if self.narrow:
                low, high = (builder.fpext(half, self.type) for half in self.halves(value.value))
                value = MachineVector(builder, builder.fadd(low, high))
            total = so_far[0] + value
            lost = value - (total - so_far[0])  # exact unless a value is larger than all before it: half a unit then
            found = [total.value, (so_far[1] + lost).value]
        elif self.narrow:
            found = [builder.fadd(so_far[0].value, builder.fpext(value.value, self.type))]
        else:
            total = so_far[0] + value
            part = total - so_far[0]
            lost = (so_far[0] - (total - part)) + (value - part)
            found = [total.value, (so_far[1] + lost).value]
        for place, new in zip(self.places, found, strict=True):
            builder.store(new, place)

    def halves(self, value: Any) -> tuple[Any, Any]:
        """First and second half of a vector."""
        from llvmlite import ir

        half = value.type.count // 2
        none = ir.Constant(value.type, ir.Undefined)
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(k, k + half))) for k in (0, half)]
        first, second = (self.builder.shuffle_vector(value, none, mask) for mask in masks)
        return first, second

    def end(self) -> Any:
        """The number, float64 or (of count) int64: lanes are added in halves, which is one fixed order."""
        from llvmlite import ir

        builder = self.builder
        values = [builder.load(place) for place in self.places]
        if self.how == "count":
            return values[0]
        while values[0].type.count > 1:
            (a, b), *errors = [self.halves(v) for v in values]
            if self.how == "largest":
                values = [builder.select(builder.fcmp_ordered(">", a, b), a, b)]
            elif not self.with_errors:
                values = [builder.fadd(a, b)]
            else:
                total = builder.fadd(a, b)
                part = builder.fsub(total, a)
                lost = builder.fadd(builder.fsub(a, builder.fsub(total, part)), builder.fsub(b, part))
                values = [total, builder.fadd(builder.fadd(*errors[0]), lost)]
        numbers = [builder.extract_element(v, ir.Constant(ir.IntType(32), 0)) for v in values]
        if self.how in {"sum", "mass"}:
            if not self.with_errors:
                return numbers[0]
            infinite = builder.fcmp_ordered("==", numbers[0], ir.Constant(numbers[0].type, float("inf")))
            return builder.select(infinite, numbers[0], builder.fadd(*numbers))  # inf - inf is no error of rounding
        return builder.fpext(numbers[0], ir.DoubleType()) if self.narrow else numbers[0]
