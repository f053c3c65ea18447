"""What a call of the linear loss checks before anything is computed: kinds, shapes, targets, `shift`, `max_bytes`."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xent import _door
from xent._door import Batch
from xent._kernels.cpu.rows import SKIPPED
from xent.core import errors
from xent.core.spec import Denominator, Spec, check_denominator, check_whole

Array = NDArray[Any]
SHIFT = "a whole number >= 0"
BYTES = "None or a whole number >= 1"


@dataclass(frozen=True, slots=True)
class Problem:
    """A call, checked: N rows of D, V classes."""

    hidden: Array  # (*shape, D), a view of what came
    weight: Array  # (V, D)
    bias: Array | None  # (V,)
    batch: Batch  # targets and weights of the N rows; its logits are a stand-in that holds nothing
    spec: Spec  # its axis is -1
    divide_by: Denominator | float
    live: NDArray[np.int64] | None  # rows that count; None: all of them
    axis: int  # of hidden's features, as they came
    shift: int
    max_bytes: int | None

    @property
    def rows(self) -> int:
        """How many rows count."""
        return self.batch.rows if self.live is None else len(self.live)

    @property
    def classes(self) -> int:
        """V."""
        return int(self.weight.shape[0])

    @property
    def width(self) -> int:
        """D."""
        return int(self.weight.shape[1])

    @property
    def work(self) -> np.dtype[Any]:
        """What products are computed in: float64 for float64, else float32."""
        return self.batch.loss_dtype

    def view(self, array: Array) -> Array:
        """Of an array of hidden's shape as it came: its rows that have a target, (*shape, D)."""
        moved = np.moveaxis(array, self.axis, -1)
        return moved[..., : moved.shape[-2] - self.shift, :] if self.shift else moved


def receive(
    hidden: ArrayLike,
    linear_weight: ArrayLike,
    targets: ArrayLike,
    linear_bias: ArrayLike | None,
    weight: ArrayLike | None,
    sample_weight: ArrayLike | None,
    spec: Spec,
    denominator: object,
    shift: object,
    max_bytes: object,
) -> Problem:
    """Check a call. KindError, ShapeError, TargetError, OptionError."""
    divide_by = check_denominator(denominator, spec.reduction)
    offset = check_whole("shift", shift, SHIFT)
    if offset < 0:
        raise errors.bad_option("shift", offset, SHIFT)
    limit = None if max_bytes is None else check_whole("max_bytes", max_bytes, BYTES)
    if limit is not None and limit < 1:
        raise errors.bad_option("max_bytes", limit, BYTES)
    h, w = _door.as_array("hidden", hidden), _door.as_array("linear_weight", linear_weight)
    axis = check_matrices(h, w, spec.axis)
    bias = None if linear_bias is None else check_bias(linear_bias, w)
    shape = h.shape[:axis] + h.shape[axis + 1 :]
    stand_in = np.broadcast_to(np.zeros((), h.dtype), (*h.shape[:axis], w.shape[0], *h.shape[axis + 1 :]))
    t = _door.as_array("targets", targets)
    check_targets(t, h, w, shape, stand_in.shape)
    check_shift(offset, h, shape)
    batch = _door.receive(stand_in, t, weight, sample_weight, spec)
    _door.check_signs(batch, spec, divide_by)
    batch = shifted(batch, t, offset, spec)
    counts = batch.index != SKIPPED
    live = None if counts.all() else np.flatnonzero(counts)
    problem = Problem(h, w, bias, batch, replace(spec, axis=-1), divide_by, live, axis, offset, limit)
    return replace(problem, hidden=problem.view(h))


def check_matrices(hidden: Array, weight: Array, axis: int) -> int:
    """The feature axis of hidden as a number >= 0. KindError, ShapeError, OptionError."""
    _door.check_floats("hidden", hidden)
    _door.check_floats("linear_weight", weight)
    same_dtype("linear_weight", weight, hidden)
    if hidden.ndim == 0:
        raise errors.ShapeError(
            "hidden has shape (): it needs a feature axis.\n  One row of D features has shape (D,)."
        )
    if not -hidden.ndim <= axis < hidden.ndim:
        allowed = f"in [{-hidden.ndim}, {hidden.ndim - 1}] for hidden of shape {hidden.shape}"
        raise errors.bad_option("axis", axis, allowed)
    axis %= hidden.ndim
    features = hidden.shape[axis]
    if weight.ndim != 2 or weight.shape[1] != features or weight.shape[0] == 0:  # noqa: PLR2004  # classes, features
        hint = ""
        if weight.ndim == 2 and weight.shape[0] == features and weight.shape[1]:  # noqa: PLR2004  # as above
            hint = "\n  If its rows are features, pass linear_weight.T (no copy is made)."
        raise errors.ShapeError(
            f"linear_weight has shape {weight.shape}, hidden {hidden.shape}: linear_weight must have shape "
            f"(V, {features}), one row a class, at least one.{hint}"
        )
    return axis


def check_bias(came: ArrayLike, weight: Array) -> Array:
    """(V,), of the weight's dtype. KindError, ShapeError."""
    bias = _door.as_array("linear_bias", came)
    _door.check_floats("linear_bias", bias)
    same_dtype("linear_bias", bias, weight)
    if bias.shape != weight.shape[:1]:
        raise errors.wrong_shape("linear_bias", bias.shape, weight.shape[:1], "one number a class")
    return bias


def same_dtype(name: str, array: Array, hidden: Array) -> None:
    """KindError unless the dtype is that of hidden, in any byte order."""
    dtype = hidden.dtype.newbyteorder("=")
    if array.dtype.newbyteorder("=") != dtype:
        hint = f"Nothing is cast in silence: {name}.astype(hidden.dtype), or hidden.astype({name}.dtype)."
        raise errors.wrong_dtype(name, array.dtype, f"hidden's dtype, {dtype}", hint)


def check_targets(
    targets: Array, hidden: Array, weight: Array, shape: tuple[int, ...], logits: tuple[int, ...]
) -> None:
    """ShapeError unless the targets are of the batch shape, or of the shape that the logits would have."""
    if targets.shape in (shape, logits):
        return
    hint = ""
    if targets.shape == (*shape, 1):
        hint = f"\n  Drop the last axis: targets[{', '.join([':'] * len(shape) + ['0'])}]."
    raise errors.ShapeError(
        f"targets has shape {targets.shape}, hidden {hidden.shape}, linear_weight {weight.shape}: class indices must "
        f"have shape {shape}, probabilities {logits}.{hint}"
    )


def check_shift(shift: int, hidden: Array, shape: tuple[int, ...]) -> None:
    """ShapeError, OptionError unless there is a sequence at least that long."""
    if shift and not shape:
        raise errors.ShapeError(
            f"hidden has shape {hidden.shape}: shift={shift} needs a sequence axis, the last of the targets' axes.\n"
            "  One sequence of T positions has shape (T, D), its targets (T,)."
        )
    if shift and shift > shape[-1]:
        raise errors.bad_option("shift", shift, f"in [0, {shape[-1]}] for sequences of {shape[-1]} positions")


def shifted(batch: Batch, targets: Array, shift: int, spec: Spec) -> Batch:
    """The batch whose row at position i has the target (and sample weight) of position i + shift, sequence by sequence.

    The last `shift` positions have none and are no rows of it.
    """
    if not shift:
        return batch
    shape = (*batch.shape[:-1], batch.shape[-1] - shift)

    def of_rows(array: Array) -> Array:
        return array.reshape(batch.shape)[..., shift:].reshape(-1) if array.size else array

    items = int(np.prod(shape, dtype=np.int64))
    if batch.q is None:
        kept = _door.class_index(targets[..., shift:], batch.logits.shape[-1], spec.ignore_index) != SKIPPED
        items = int(np.count_nonzero(kept))
    return Batch(
        batch.logits[..., shift:, :],
        shape,
        of_rows(batch.index),
        None if batch.q is None else batch.q[..., shift:, :],
        of_rows(batch.mass),
        of_rows(batch.factor),
        of_rows(batch.row_weight),
        batch.class_weight,
        of_rows(batch.sample_weight),
        items,
        batch.dtype,
    )


def check_out(out: object, inputs: dict[str, Array], others: list[ArrayLike | None]) -> tuple[Array, ...]:
    """Arrays for the gradients of `inputs`. KindError, ShapeError, OptionError."""
    names = "(" + ", ".join(f"d_{name.removeprefix('linear_')}" for name in inputs) + ")"
    if not isinstance(out, tuple) or len(out) != len(inputs):
        raise errors.bad_kind("out", out, f"None or a tuple of arrays {names}")
    for place, (name, like) in enumerate(inputs.items()):
        check_one_out(f"out[{place}]", out[place], name, like)
    read = [*inputs.values(), *(array for array in others if isinstance(array, np.ndarray))]
    for place, array in enumerate(out):
        if any(_door.shares_memory(array, other) for other in [*read, *out[:place]]):
            raise errors.OptionError(f"out[{place}] overlaps an argument or another array of out.")
    return out


def check_one_out(where: str, array: object, name: str, like: Array) -> None:
    """One of them. KindError, ShapeError, OptionError."""
    if type(array) is not np.ndarray:
        raise errors.bad_kind(where, type(array).__name__, "a numpy.ndarray")
    if array.shape != like.shape:
        raise errors.wrong_shape(where, array.shape, like.shape, f"that of {name}")
    if array.dtype != like.dtype.newbyteorder("="):
        raise errors.wrong_dtype(where, array.dtype, f"that of {name}, {like.dtype.newbyteorder('=')}")
    if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
        raise errors.OptionError(f"{where} is read-only, or not C-contiguous and aligned: pass np.empty_like({name}).")


def named(hidden: ArrayLike, linear_weight: ArrayLike, linear_bias: ArrayLike | None) -> dict[str, Array]:
    """What has a gradient, by name."""
    given = {"hidden": hidden, "linear_weight": linear_weight, "linear_bias": linear_bias}
    return {name: np.asarray(array) for name, array in given.items() if array is not None}
