"""The door of every front end on arrays: shapes, axes, dtypes, labels and weights are checked before a kernel runs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xent._kernels.cpu import launch
from xent._kernels.cpu.rows import SKIPPED
from xent.core import errors
from xent.core.spec import PYTORCH_IGNORE, Denominator, Spec

Array = NDArray[Any]
NONE: NDArray[np.float64] = np.empty(0)  # stands for an array of ones


@dataclass(frozen=True, slots=True)
class Batch:
    """A call's arrays, checked: N rows of V classes."""

    logits: Array  # (*shape, V), a view of what came
    shape: tuple[int, ...]  # the batch shape
    index: NDArray[np.int64]  # (N,) class; or PROBABILITIES, or SKIPPED, as _kernels.cpu.rows
    q: Array | None  # (*shape, V) probabilities, a view of what came
    mass: NDArray[np.float64]  # (N,) sum of q; or NONE
    factor: NDArray[np.float64]  # (N,) what multiplies a row's loss; or NONE
    row_weight: NDArray[np.float64]  # (N,) what a row adds to the denominator, times sample_weight; or NONE
    class_weight: NDArray[np.float64]  # (V,); or NONE
    sample_weight: NDArray[np.float64]  # (N,); or NONE
    items: int  # rows that are not ignored, whatever their weight
    dtype: np.dtype[Any]  # of the logits, in native byte order

    @property
    def rows(self) -> int:
        """N."""
        return self.index.size

    @property
    def loss_dtype(self) -> np.dtype[Any]:
        """float64 for float64 logits, else float32."""
        return np.dtype(np.float64 if self.dtype == np.float64 else np.float32)


def receive(
    logits: ArrayLike, targets: ArrayLike, weight: ArrayLike | None, sample_weight: ArrayLike | None, spec: Spec
) -> Batch:
    """Check a call's arrays. KindError, ShapeError, TargetError, OptionError."""
    logits, targets = as_array("logits", logits), as_array("targets", targets)
    check_floats("logits", logits, "If these are logits: logits.astype(np.float32)." * (logits.dtype.kind in "iu"))
    axis = check_axis(spec.axis, logits)
    classes = logits.shape[axis]
    last = np.moveaxis(logits, axis, -1)
    shape = last.shape[:-1]
    if classes == 0:
        raise errors.no_classes(logits.shape)
    class_weight = NONE if weight is None else check_class_weight(weight, classes)
    rows = int(np.prod(shape, dtype=np.int64))
    samples = NONE if sample_weight is None else check_sample_weight(sample_weight, shape)
    if targets.shape == logits.shape:
        q = np.moveaxis(targets, axis, -1)
        check_probabilities(targets, spec)
        index, mass, factor, row_weight = weigh_probabilities(q, rows, class_weight, spec)
        items = rows
    else:
        check_target_shape(targets, logits.shape, shape, axis)
        q, mass = None, NONE
        index = class_index(targets, classes, spec.ignore_index)
        items = int(np.count_nonzero(index != SKIPPED))
        factor, row_weight = NONE, NONE
        if weight is not None:
            row_weight = np.where(index >= 0, class_weight[np.maximum(index, 0)], 0.0)
            index = np.where(row_weight == 0.0, SKIPPED, index)
            factor = NONE if spec.soft else row_weight
    if samples.size:
        index = np.where(samples == 0.0, SKIPPED, index)
    native = logits.dtype.newbyteorder("=")
    return Batch(last, shape, index, q, mass, factor, row_weight, class_weight, samples, items, native)


def as_array(name: str, came: ArrayLike) -> Array:
    """What came as an array; a masked array is refused, since its mask would be lost."""
    if isinstance(came, np.ma.MaskedArray):
        raise errors.masked(name)
    array = np.asarray(came)
    if array.dtype == object:
        raise errors.wrong_dtype(name, "object", "numbers in one rectangular array")
    return array


def is_float(dtype: np.dtype[Any]) -> bool:
    """float16, float32, float64 or ml_dtypes.bfloat16, in any byte order.

    >>> is_float(np.dtype(">f4")), is_float(np.dtype(int))
    (True, False)
    """
    return dtype.name in {"float16", "float32", "float64", "bfloat16"}


FLOATS = "float16, bfloat16, float32 or float64"
WEIGHTS = f"an integer dtype, {FLOATS}"


def check_floats(name: str, array: Array, hint: str = "") -> None:
    """KindError unless the array holds floats."""
    if not is_float(array.dtype):
        raise errors.wrong_dtype(name, array.dtype, FLOATS, hint)


def check_axis(axis: int, logits: Array) -> int:
    """The class axis as a number >= 0. ShapeError."""
    if logits.ndim == 0:
        raise errors.no_axis(logits.shape)
    if not -logits.ndim <= axis < logits.ndim:
        raise errors.bad_option(
            "axis", axis, f"in [{-logits.ndim}, {logits.ndim - 1}] for logits of shape {logits.shape}"
        )
    return axis % logits.ndim


def check_target_shape(targets: Array, logits: tuple[int, ...], shape: tuple[int, ...], axis: int) -> None:
    """KindError, ShapeError unless the targets are class indices, one a row."""
    if targets.shape != shape:
        raise errors.wrong_target_shape(targets.shape, logits, shape, axis)
    if targets.dtype.kind not in "iu":
        raise errors.wrong_targets(targets.dtype, floats=is_float(targets.dtype))


def check_probabilities(targets: Array, spec: Spec) -> None:
    """KindError, OptionError unless probability targets can be taken."""
    if targets.dtype.kind in "iub":
        raise errors.looks_like_one_hot(targets.dtype)
    check_floats("targets", targets)
    if spec.ignore_index not in (None, PYTORCH_IGNORE):
        raise errors.bad_option("ignore_index", spec.ignore_index, "None or -100 with probability targets", IGNORE_HINT)


IGNORE_HINT = "A row of zeros counts for nothing; or pass sample_weight with 0 in the rows to be left out."


def class_index(targets: Array, classes: int, ignore_index: int | None) -> NDArray[np.int64]:
    """(N,) class of every row, SKIPPED where it is ignored. TargetError, OptionError."""
    flat = targets.reshape(-1)
    limits = np.iinfo(flat.dtype)
    ignored: Any = False
    if ignore_index is not None and limits.min <= ignore_index <= limits.max:
        ignored = flat == flat.dtype.type(ignore_index)
    elif ignore_index not in (None, PYTORCH_IGNORE):
        raise errors.bad_option(
            "ignore_index",
            ignore_index,
            f"None, -100 or a value of the targets' dtype {flat.dtype} in [{limits.min}, {limits.max}]",
        )
    bad = ((flat < 0) | (flat > min(classes - 1, limits.max))) & ~np.asarray(ignored)
    if bad.any():
        first = int(bad.argmax())
        where = tuple(map(int, np.unravel_index(first, targets.shape)))
        raise errors.targets_out_of_range(
            int(np.count_nonzero(bad)), flat.size, where, int(flat[first]), classes, ignore_index
        )
    index = np.where(ignored, 0, flat).astype(np.int64)
    return np.where(ignored, SKIPPED, index)


def check_class_weight(weight: ArrayLike, classes: int) -> NDArray[np.float64]:
    """(V,) float64, >= 0. KindError, ShapeError, OptionError."""
    array = as_weights("weight", weight)
    if array.shape != (classes,):
        raise errors.wrong_shape("weight", array.shape, (classes,), "one weight a class")
    check_finite("weight", array)
    if (array < 0.0).any():
        raise bad_entry("weight", array, array < 0.0, "a class weight must be >= 0")
    return array


def check_sample_weight(sample_weight: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(N,) float64, finite. KindError, ShapeError, OptionError."""
    array = as_weights("sample_weight", sample_weight)
    if array.shape != shape:
        raise errors.wrong_shape("sample_weight", array.shape, shape, "one weight a row, of the batch shape")
    check_finite("sample_weight", array)
    return np.ascontiguousarray(array.reshape(-1))


def as_weights(name: str, came: ArrayLike) -> NDArray[np.float64]:
    """Weights as float64, C-contiguous."""
    array = as_array(name, came)
    if array.dtype.kind not in "iu":
        if array.dtype.kind == "b":
            raise errors.wrong_dtype(name, array.dtype, WEIGHTS, f"For a mask: {name}={name}.astype(float).")
        if not is_float(array.dtype):
            raise errors.wrong_dtype(name, array.dtype, WEIGHTS)
    return np.asarray(array, np.float64, order="C")


def check_finite(name: str, array: NDArray[np.float64]) -> None:
    """OptionError where a weight is NaN or infinite."""
    if not np.isfinite(array).all():
        raise bad_entry(name, array, ~np.isfinite(array), "a weight must be finite")


def bad_entry(name: str, array: Array, bad: NDArray[np.bool_], words: str) -> errors.OptionError:
    """The error that names the first bad entry."""
    where = np.unravel_index(int(bad.argmax()), bad.shape)
    return errors.bad_entry(name, tuple(map(int, where)), float(array[where]), int(bad.sum()), words)


def check_signs(batch: Batch, spec: Spec, denominator: Denominator | float) -> None:
    """OptionError where negative sample weights would have to be summed to a denominator."""
    by_name = spec.reduction == "mean" and isinstance(denominator, str)
    if by_name and batch.sample_weight.size and (batch.sample_weight < 0.0).any():
        weights = batch.sample_weight.reshape(batch.shape)
        words = 'negative weights need a number as denominator, or reduction="sum" or "none"'
        raise bad_entry("sample_weight", weights, weights < 0.0, words)


def check_out(out: ArrayLike, logits: Array, others: list[ArrayLike | None]) -> Array:
    """`out` as an array to be written. KindError, ShapeError, OptionError."""
    if type(out) is not np.ndarray:
        raise errors.bad_kind("out", type(out).__name__, "a numpy.ndarray")
    if out.shape != logits.shape:
        raise errors.wrong_shape("out", out.shape, logits.shape, "the logits' shape")
    if out.dtype.newbyteorder("=") != logits.dtype.newbyteorder("="):
        raise errors.wrong_dtype("out", out.dtype, f"the logits' dtype, {logits.dtype}")
    if not out.flags.writeable:
        raise errors.bad_out("is read-only")
    if overlaps_itself(out):
        raise errors.bad_out("has elements that share memory (a broadcast or overlapping view)")
    same = out.__array_interface__["data"][0] == logits.__array_interface__["data"][0] and out.strides == logits.strides
    if not same and shares_memory(out, logits):
        raise errors.bad_out("overlaps the logits without being the logits")
    for other in others:
        if isinstance(other, np.ndarray) and shares_memory(out, other):
            raise errors.bad_out("overlaps the targets or the weights")
    return out


def shares_memory(a: Array, b: Array) -> bool:
    """Whether two arrays overlap; where that is too hard to tell, whether their extents do."""
    try:
        return np.shares_memory(a, b, max_work=100_000)  # type: ignore[arg-type]  # NumPy's stub knows -1 and 0 only
    except np.exceptions.TooHardError:
        return np.may_share_memory(a, b)


def overlaps_itself(array: Array) -> bool:
    """Whether two elements of an array may lie in the same memory.

    >>> overlaps_itself(np.zeros((3, 4))), overlaps_itself(np.broadcast_to(np.zeros(4), (3, 4)))
    (False, True)
    """
    if array.size == 0:
        return False
    reach = array.itemsize
    for stride, size in sorted((abs(stride), size) for stride, size in zip(array.strides, array.shape, strict=True)):
        if size > 1 and stride < reach:
            return True
        reach += stride * (size - 1)
    return False


def weigh_probabilities(q: Array, rows: int, class_weight: NDArray[np.float64], spec: Spec) -> launch.Weights:
    """index, mass, factor and row weight of every probability row. TargetError."""
    found, bad, first = launch.weigh(q, rows, class_weight, spec.label_smoothing, spec.threads)
    if bad:
        raise errors.bad_probability(bad, *place(q, first, spec.axis))
    return found


def place(q: Array, flat: int, axis: int) -> tuple[tuple[int, ...], float]:
    """Index (in the caller's axes) and value of an element of q, whose class axis is the last."""
    where = list(map(int, np.unravel_index(flat, q.shape)))
    came = float(q[tuple(where)])
    last = where.pop()
    where.insert(axis % q.ndim, last)
    return tuple(where), came
