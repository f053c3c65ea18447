"""The softmax cross-entropy loss of NumPy arrays, with its gradient."""

import warnings
from collections import namedtuple
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xent import _door
from xent._kernels.cpu import launch
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED
from xent._door import Batch
from xent.core import errors
from xent.core.batch import GRID, Total, ratio
from xent.core.row import NO_CAP
from xent.core.spec import Denominator, Spec, check_denominator, check_number, make_spec, quotes_options

__all__ = ["cross_entropy", "total", "value_and_grad"]

Array = NDArray[Any]
Divisor = tuple[int, int]  # numerator and denominator of what is divided by, exact


@quotes_options
def cross_entropy(
    logits: Any,
    targets: Any,
    /,
    *,
    weight: Any = None,
    sample_weight: Any = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    denominator: Denominator | float | None = None,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    threads: int | None = None,
) -> Any:
    """The loss of a batch, in nats: the weighted sum of its rows' losses, divided once.

    For a row x and class t the loss is log(sum of exp(x_j)) - x_t; for a probability row q, the sum of q_t times that.

    Args:
        logits: (..., V), the class axis anywhere (`axis`); float16, bfloat16, float32 or float64, any layout. Read.
        targets: class indices, an integer dtype, the logits' shape without the class axis; or probability rows >= 0, a
            float dtype, the logits' shape. Read.
        <options>

    Returns:
        A NumPy scalar (reduction "none": an array of the batch shape), float64 for float64 logits, else float32; with
        `returns` a named tuple. The mean over nothing is 0, with an EmptyBatchWarning.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed.

    Error:
        float32, float16, bfloat16 logits: 2 ULP of float32; float64: 3 ULP. Probability rows, smoothing and z-loss:
        twice that. A NaN or +inf logit makes its row NaN, and no other. tests/accuracy.

    Source:
        Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.

    Example:
        >>> logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> cross_entropy(logits, [2, 0])
        np.float64(0.40760596444438)
    """
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns,
                   threads)
    # fmt: on
    return _call(logits, targets, weight, sample_weight, spec, denominator)[0]


@quotes_options
def value_and_grad(
    logits: Any,
    targets: Any,
    /,
    *,
    weight: Any = None,
    sample_weight: Any = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    denominator: Denominator | float | None = None,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    threads: int | None = None,
    grad_scale: float = 1.0,
    out: Array | None = None,
) -> tuple[Any, Array]:
    """The loss of a batch and its gradient by the logits: (softmax - target) × weight / denominator.

    Args:
        logits: (..., V), the class axis anywhere (`axis`); float16, bfloat16, float32 or float64, any layout. Read.
        targets: class indices, an integer dtype, the logits' shape without the class axis; or probability rows >= 0, a
            float dtype, the logits' shape. Read.
        <options>
        grad_scale: a finite number that multiplies the gradient before it is rounded, not the loss (float16 gradients
            of a mean underflow: p/65536 rounds to 0).
        out: an array of the logits' shape and dtype, which may be the logits themselves; or None: a new C-contiguous
            one. Written, after all arguments are checked.

    Returns:
        (loss, gradient): the loss as `cross_entropy` returns it; the gradient has the logits' shape and dtype (native
        byte order), in nats per unit of logit. With reduction "none" it is the gradient of the sum of the losses.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed; an `out` that is
            read-only or overlaps an argument without being the logits.

    Error:
        The loss: see `cross_entropy`. The gradient for class indices: float32 2 ULP at the target and 4 elsewhere;
        float16 and bfloat16 1 ULP; float64 3 ULP; subnormal results included. tests/accuracy.

    Source:
        Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038; the gradient at the maximum is -rest/(1 + rest).

    Example:
        >>> logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> loss, grad = value_and_grad(logits, [2, 0])
        >>> grad.round(4)
        array([[ 0.045 ,  0.1224, -0.1674],
               [-0.1674,  0.1224,  0.045 ]])
    """
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns,
                   threads)
    # fmt: on
    factor = float(check_number("grad_scale", grad_scale))
    loss, grad = _call(logits, targets, weight, sample_weight, spec, denominator, gradient=True, factor=factor, out=out)
    assert grad is not None  # noqa: S101  # for the type checker: gradient=True
    return loss, grad


@quotes_options
def total(
    logits: Any,
    targets: Any,
    /,
    *,
    weight: Any = None,
    sample_weight: Any = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    threads: int | None = None,
) -> Any:
    """The exact sum of weight × loss of a batch, and of the weights: totals of parts add up to the total of the whole.

    Args:
        logits: (..., V), the class axis anywhere (`axis`); float16, bfloat16, float32 or float64, any layout. Read.
        targets: class indices, an integer dtype, the logits' shape without the class axis; or probability rows >= 0, a
            float dtype, the logits' shape. Read.
        <options>

    Returns:
        xent.Total; with `returns` a named tuple whose first field is `total`. `total.loss`, as float64, is what
        `cross_entropy` returns in the loss' dtype.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed.

    Error:
        The sums are exact; a row's loss is a float64 with the error that `cross_entropy` states. tests/totals.

    Example:
        >>> logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> a, b = total(logits[:1], [2]), total(logits[1:], [0])
        >>> (a + b).loss == total(logits, [2, 0]).loss
        True
    """
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, "sum", axis, lse_square_scale, softcap, logit_scale, returns, threads)
    # fmt: on
    return _run(_door.receive(logits, targets, weight, sample_weight, spec), spec).answer("total")


def spec_of(*options: Any) -> Spec:
    """The checked options. OptionError, KindError."""
    try:
        return make_spec(*options)
    except TypeError as error:  # an option that cannot be hashed is of the wrong kind: Spec says which
        if isinstance(error, errors.KindError):
            raise
        return Spec(*options)


def _call(
    logits: Any,
    targets: Any,
    weight: Any,
    sample_weight: Any,
    spec: Spec,
    denominator: Any,
    *,
    gradient: bool = False,
    factor: float = 1.0,
    out: Array | None = None,
) -> tuple[Any, Array | None]:
    """Loss (or named tuple) and gradient of a call."""
    divide_by = check_denominator(denominator, spec.reduction)
    batch = _door.receive(logits, targets, weight, sample_weight, spec)
    _door.check_signs(batch, spec, divide_by)
    grad = None
    if out is not None:
        grad = _door.check_out(out, np.asarray(logits), [targets, weight, sample_weight])
    elif gradient:
        grad = np.empty(np.shape(logits), batch.dtype)
    run = _run(batch, spec, divide_by, grad, factor)
    return run.answer("loss"), grad


class _Run(NamedTuple):
    """A batch after the kernels, before the division."""

    batch: Batch
    spec: Spec
    total: Total
    divisor: Divisor
    results: launch.Results

    def answer(self, first: str) -> Any:
        """The total or the loss; a named tuple with what else `returns` asks for."""
        if first == "loss" and self.divisor == (0, 1):
            warnings.warn(errors.empty_batch(), stacklevel=4)
        with np.errstate(over="ignore"):  # the true value may lie beyond float32
            whole = self.total if first == "total" else self.loss()
            if not self.spec.returns:
                return whole
            return _named(first, self.spec.returns)(whole, *(getattr(self, name)() for name in self.spec.returns))

    def loss(self) -> Any:
        """The loss as `reduction` asks for it."""
        if self.spec.reduction == "none":
            return self.per_row(_product(self.batch.factor, self.results.losses) + self.results.z_losses)
        return self.scalar(self.total)

    def z_loss(self) -> Any:
        """The z-loss' part of the loss."""
        if self.spec.reduction == "none":
            return self.per_row(self.results.z_losses)
        found = launch.exact_sum(self.batch.index, self.batch.sample_weight, _door.NONE, self.results.z_losses)
        return self.scalar(Total(found.units, 0, found.plus_infinities, found.minus_infinities, found.nans))

    def lse(self) -> Array:
        """log-sum-exp of every row."""
        return self.shaped(self.results.extras[:, 0])

    def entropy(self) -> Array:
        """Entropy of every row's probabilities, in nats."""
        return self.shaped(self.results.extras[:, 1])

    def log_prob(self) -> Array:
        """Log-probability of every row's target."""
        return self.shaped(self.results.extras[:, 2])

    def predicted(self) -> Array:
        """First largest logit of every row."""
        return self.results.predicted.reshape(self.batch.shape)

    def accuracy(self) -> Array:
        """1 in every row whose prediction is its target, or its target's first largest probability."""
        target = self.batch.index
        if self.batch.q is not None:
            largest = self.batch.q.argmax(axis=-1).reshape(-1)
            target = np.where(target == PROBABILITIES, largest, target)
        return self.shaped(self.results.predicted == target)

    def sum(self) -> Any:
        """The exact sum of weight × loss, rounded once."""
        return np.float64(self.total.sum)

    def denominator(self) -> Any:
        """What the mean was divided by; the sum of the weights where nothing was divided."""
        return np.float64(ratio(*self.divisor) if self.spec.reduction == "mean" else self.total.denominator)

    def scalar(self, total: Total) -> Any:
        """A total divided once, in the loss' dtype."""
        return self.batch.loss_dtype.type(total.over(*self.divisor))

    def per_row(self, losses: Array) -> Any:
        """Losses of rows, weighted, in the loss' dtype."""
        return self.shaped(_product(self.batch.sample_weight, losses))

    def shaped(self, per_row: Array) -> Any:
        """(N,) as the batch shape, in the loss' dtype; a scalar for a batch of no axes."""
        return per_row.astype(self.batch.loss_dtype).reshape(self.batch.shape)[()]


def _run(
    batch: Batch, spec: Spec, divide_by: Denominator | float = "weights", grad: Array | None = None, factor: float = 1.0
) -> _Run:
    """Run the kernels: the weights' exact sum first, then losses (and gradient), then the losses' exact sum."""
    weights = _sum_of_weights(batch)
    divisor = _divisor(batch, spec, divide_by, weights)
    scale = np.full(batch.rows, factor / (ratio(*divisor) or 1.0))
    if batch.sample_weight.size:
        scale = batch.sample_weight / (ratio(*divisor) or 1.0) * factor
    # fmt: off
    given = launch.Rows(
        batch.index, batch.q, batch.mass, batch.factor, batch.class_weight, spec.label_smoothing, spec.lse_square_scale,
        spec.logit_scale, NO_CAP if spec.softcap is None else spec.softcap, scale,
    )
    # fmt: on
    extras = not set(spec.returns) <= {"sum", "denominator", "z_loss"}
    gradient = None if grad is None else np.moveaxis(grad, spec.axis, -1)
    results = launch.run_rows(batch.logits, given, gradient, extras=extras, thread_limit=spec.threads)
    return _Run(batch, spec, _total(batch, spec, results, weights), divisor, results)


def _sum_of_weights(batch: Batch) -> int:
    """The exact sum of the weights of the rows that count, in units of 2**GRID."""
    if not (batch.row_weight.size or batch.sample_weight.size):
        return int(np.count_nonzero(batch.index != SKIPPED)) << -GRID
    ones = np.ones(batch.rows) if not batch.row_weight.size else batch.row_weight
    return launch.exact_sum(batch.index, batch.sample_weight, _door.NONE, ones).units


def _divisor(batch: Batch, spec: Spec, divide_by: Denominator | float, weights: int) -> Divisor:
    """What the loss is divided by, as a ratio of two whole numbers; (0, 1) where nothing counts."""
    if spec.reduction != "mean":
        return 1, 1
    if not isinstance(divide_by, str):
        return divide_by.as_integer_ratio()
    if divide_by == "weights":
        return (weights, 1 << -GRID) if weights else (0, 1)
    return (batch.items if divide_by == "items" else batch.rows), 1


def _total(batch: Batch, spec: Spec, results: launch.Results, weights: int) -> Total:
    """The exact total of the losses, the z-loss included."""
    found = launch.exact_sum(batch.index, batch.sample_weight, batch.factor, results.losses)
    negative = (
        int(np.count_nonzero(batch.sample_weight[batch.index != SKIPPED] < 0.0)) if batch.sample_weight.size else 0
    )
    whole = Total(found.units, weights, found.plus_infinities, found.minus_infinities, found.nans, negative)
    if spec.lse_square_scale == 0.0:
        return whole
    z = np.where(np.isfinite(results.losses), results.z_losses, 0.0)  # a row that is not finite was counted above
    added = launch.exact_sum(batch.index, batch.sample_weight, _door.NONE, z)
    return whole + Total(added.units, 0, added.plus_infinities, added.minus_infinities)


def _product(weights: Array, losses: Array) -> Array:
    """Weights × losses; no weights: all 1. Rows that do not count have loss 0 and stay so."""
    return weights * losses if weights.size else losses


@cache
def _named(first: str, names: tuple[str, ...]) -> Any:
    """The named tuple for a set of `returns`."""
    return namedtuple("Result", (first, *names))  # noqa: PYI024  # the fields depend on the call


def _softmax(logits: Any, axis: int = -1, threads: int | None = None) -> Array:
    """Probabilities along an axis, in the logits' dtype: p_j = exp(x_j - max) / (1 + rest)."""
    array = _door.as_array("logits", logits)
    _door.check_floats("logits", array)
    axis = _door.check_axis(axis, array)
    out = np.empty(array.shape, array.dtype.newbyteorder("="))
    if array.size:
        launch.run_softmax(np.moveaxis(array, axis, -1), np.moveaxis(out, axis, -1), threads)
    return out
