"""The door of `xent.explain`: logits, targets, weights and options are checked, and become plain Python.

The checks and their words are those of the functions (`xent.value_and_grad`), made without NumPy.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xent.core import errors
from xent.core.row import NO_CAP
from xent.core.spec import PYTORCH_IGNORE, Denominator, Spec, check_denominator
from xent.core.twofold import two_product
from xent.graph.plain import FLOATS, Shape, Table, dtype_name, flat, nested, place, reals, shape_of, whole

Goal = int | tuple[float, ...]  # a class index, or a probability row
WEIGHTS = "an integer dtype, float16, bfloat16, float32 or float64"
IGNORE_HINT = "A row of zeros counts for nothing; or pass sample_weight with 0 in the rows to be left out."


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer in front of the loss: x = W·h + b."""

    weight: tuple[tuple[float, ...], ...]  # (V, D)
    bias: tuple[float, ...] | None  # (V,)

    def logits(self, hidden: Sequence[float]) -> list[float]:
        """x of one item, each rounded once."""
        out = []
        for c, row in enumerate(self.weight):
            parts = [part for w, h in zip(row, hidden, strict=True) for part in two_product(w, h)]
            out.append(_added(parts if self.bias is None else [*parts, self.bias[c]]))
        return out


@dataclass(frozen=True, slots=True)
class Batch:
    """N items, checked."""

    rows: Table  # the logits; the hidden rows where there is a linear layer
    shape: Shape  # batch shape; N is its product
    classes: int  # V
    targets: tuple[Goal, ...]  # (N,)
    weight: tuple[float, ...] | None  # (V,)
    sample_weight: tuple[float, ...] | None  # (N,)
    spec: Spec
    denominator: Denominator | float
    linear: Linear | None

    @property
    def count(self) -> int:
        """N."""
        return len(self.targets)

    def logits(self, i: int) -> list[float]:
        """(V,) logits of item i."""
        row = self.rows[i]
        return row if self.linear is None else self.linear.logits(row)

    def sample(self, i: int) -> float:
        """Weight of item i."""
        return 1.0 if self.sample_weight is None else self.sample_weight[i]

    @property
    def transform(self) -> tuple[float, float]:
        """`logit_scale` and `softcap`, as the core takes them."""
        return self.spec.logit_scale, NO_CAP if self.spec.softcap is None else self.spec.softcap


def receive(
    logits: object,
    targets: object,
    spec: Spec,
    *,
    weight: object = None,
    sample_weight: object = None,
    denominator: object = None,
    linear_weight: object = None,
    linear_bias: object = None,
) -> Batch:
    """Check everything that came. KindError, ShapeError, TargetError, OptionError."""
    divide_by = check_denominator(denominator, spec.reduction)
    linear, name, axis = None, "logits", spec.axis
    if linear_weight is not None:
        linear, name = _linear(linear_weight, linear_bias), "hidden"
        if axis != -1:
            raise errors.bad_option("axis", axis, "-1 where linear_weight makes the logits")
    elif linear_bias is not None:
        raise errors.OptionError("linear_bias is given without linear_weight: x = W·h + b needs both, or W alone.")
    rows = Table(name, logits, axis)
    classes = rows.width
    if linear is not None:
        if len(linear.weight[0]) != rows.width:
            allowed = (len(linear.weight), rows.width)
            came = (len(linear.weight), len(linear.weight[0]))
            raise errors.wrong_shape("linear_weight", came, allowed, "classes × width of hidden")
        classes = len(linear.weight)
    if classes == 0:
        raise errors.no_classes(rows.shape)
    full = (*rows.batch, classes) if linear is not None else rows.shape
    goals = _targets(targets, full, rows.batch, classes, spec, rows.axis)
    batch = Batch(
        rows, rows.batch, classes, goals, _class_weight(weight, classes), _sample_weight(sample_weight, rows.batch),
        spec, divide_by, linear,
    )  # fmt: skip
    if spec.reduction == "mean" and isinstance(divide_by, str):
        words = 'negative weights need a number as denominator, or reduction="sum" or "none"'
        _check(list(batch.sample_weight or ()), lambda s: s < 0.0, "sample_weight", rows.batch, words)
    return batch


def _linear(weight: object, bias: object) -> Linear:
    """Weight and bias of a linear layer."""
    table = Table("linear_weight", weight)
    if len(table.shape) != 2 or 0 in table.shape:  # noqa: PLR2004 -- a matrix
        raise errors.ShapeError(f"linear_weight has shape {table.shape}: it must be a matrix, classes × width.")
    if bias is not None:
        along = Table("linear_bias", bias)
        if along.shape != (table.count,):
            raise errors.wrong_shape("linear_bias", along.shape, (table.count,), "one number a class")
        return Linear(tuple(map(tuple, table)), tuple(along[0]))
    return Linear(tuple(map(tuple, table)), None)


def _targets(came: Any, full: Shape, batch: Shape, classes: int, spec: Spec, axis: int) -> tuple[Goal, ...]:  # noqa: ANN401 -- an array of any library
    """A class index or a probability row for every item."""
    dtype, shape = dtype_name(came), shape_of("targets", came)
    values = flat(nested("targets", came), len(shape))
    floats = any(isinstance(v, float) for v in values) if not dtype else dtype in FLOATS
    if shape == full:
        if not floats and values:
            raise errors.looks_like_one_hot(dtype or type(values[0]).__name__)
        return _probabilities(came, values, full, spec, axis)
    if shape != batch:
        raise errors.wrong_target_shape(shape, full, batch, axis)
    if values and not all(map(whole, values)):
        raise errors.wrong_targets(dtype or type(next(v for v in values if not whole(v))).__name__, floats=floats)
    return _indices([int(v) for v in values], batch, classes, spec, dtype)


def _probabilities(came: object, values: list[Any], full: Shape, spec: Spec, axis: int) -> tuple[Goal, ...]:
    """Rows of finite numbers >= 0."""
    if spec.ignore_index not in (None, PYTORCH_IGNORE):
        allowed = "None or -100 with probability targets"
        raise errors.bad_option("ignore_index", spec.ignore_index, allowed, IGNORE_HINT)
    numbers = reals("targets", values)
    bad = [i for i, q in enumerate(numbers) if not 0.0 <= q < math.inf]
    if bad:
        raise errors.bad_probability(len(bad), place(bad[0], full), numbers[bad[0]])
    return tuple(tuple(row) for row in Table("targets", came, axis))


def _indices(values: list[int], batch: Shape, classes: int, spec: Spec, dtype: str) -> tuple[Goal, ...]:
    """Class indices, each a class or ignored."""
    ignored = spec.ignore_index
    limits = re.fullmatch(r"(u?)int(\d+)", dtype)
    if limits and ignored not in (None, PYTORCH_IGNORE):
        bits = int(limits[2]) - (not limits[1])
        low, high = (0 if limits[1] else -(2**bits)), 2**bits - 1
        if not low <= ignored <= high:
            allowed = f"None, -100 or a value of the targets' dtype {dtype} in [{low}, {high}]"
            raise errors.bad_option("ignore_index", ignored, allowed)
    bad = [i for i, t in enumerate(values) if t != ignored and not 0 <= t < classes]
    if bad:
        where = place(bad[0], batch)
        raise errors.targets_out_of_range(len(bad), len(values), where, values[bad[0]], classes, ignored)
    return tuple(values)


def _class_weight(came: object, classes: int) -> tuple[float, ...] | None:
    """(V,) finite, >= 0."""
    if came is None:
        return None
    numbers = _weights("weight", came, (classes,), "one weight a class")
    _check(numbers, lambda w: w < 0.0, "weight", (classes,), "a class weight must be >= 0")
    return tuple(numbers)


def _sample_weight(came: object, batch: Shape) -> tuple[float, ...] | None:
    """(N,) finite."""
    if came is None:
        return None
    return tuple(_weights("sample_weight", came, batch, "one weight a row, of the batch shape"))


def _weights(name: str, came: Any, allowed: Shape, words: str) -> list[float]:  # noqa: ANN401 -- an array of any library
    """Finite real numbers of one shape."""
    dtype = dtype_name(came)
    if dtype and dtype not in FLOATS and not re.fullmatch(r"u?int\d+", dtype):
        hint = f"For a mask: {name}={name}.astype(float)." * (dtype == "bool")
        raise errors.wrong_dtype(name, dtype, WEIGHTS, hint)
    shape = shape_of(name, came)
    numbers = reals(name, flat(nested(name, came), len(shape)))
    if shape != allowed:
        raise errors.wrong_shape(name, shape, allowed, words)
    _check(numbers, lambda w: not math.isfinite(w), name, allowed, "a weight must be finite")
    return numbers


def _check(numbers: list[float], wrong: Any, name: str, shape: Shape, words: str) -> None:  # noqa: ANN401 -- a predicate
    """OptionError that names the first wrong entry."""
    bad = [i for i, number in enumerate(numbers) if wrong(number)]
    if bad:
        raise errors.bad_entry(name, place(bad[0], shape), numbers[bad[0]], len(bad), words)


def _added(parts: list[float]) -> float:
    """The exact sum, rounded once; what is not finite stays so."""
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):  # a partial sum overflows; inf - inf
        return sum(parts)
