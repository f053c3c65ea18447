"""The promised bounds, as code: how far a result is off, and how far it may be.

For class indices every bound is in units in the last place (ULP) of the dtype of the result, subnormal results
included. Probability rows, smoothing and the z-loss make the gradient a difference, whose relative error nobody can
bound; its bound is absolute, and the measure is the error as a fraction of that bound.
"""

import math
from typing import NamedTuple

import numpy as np

from tests.accuracy.batch import ExactBatch, Wide, exact_batch
from tests.accuracy.exact import PLAIN, Options
from tests.accuracy.ulp import tiny, ulps, unit

LOSS = {"float32": 2.0, "float64": 3.0}  # ULP of the loss' dtype
TARGET = {"float16": 1.0, "bfloat16": 1.0, "float32": 2.0, "float64": 3.0}  # ULP of the gradient's dtype
OTHERS = {"float16": 1.0, "bfloat16": 1.0, "float32": 4.0, "float64": 3.0}
SOFT = {"float16": 4.0, "bfloat16": 4.0, "float32": 4.0, "float64": 5.0}  # u; float64: five roundings, none to spare
DOUBLED = 2.0  # the loss of probability rows, smoothing and z-loss
FLOAT64_TRANSFORMED = 8.0  # ULP; float64 with logit_scale: measured, a figure of its own
FLOAT64_CAPPED = 4.0  # ULP more for every nat of softcap: differences of up to 2·c nats have an error of their own
FIELD = 4.0  # lse, entropy, log_prob: absolute error <= FIELD * u * max(1, |max|, |value|)
SUM = 2.0  # |sum of a row's gradient| <= SUM * u * sum|g| + V * smallest subnormal


class Found(NamedTuple):
    """Worst errors of some rows.

    loss, target, others: in ULP. soft: as a fraction of its bound. over: the largest error of all as a fraction of its
    bound; the promise holds while it is at most 1.
    """

    loss: float
    target: float
    others: float
    soft: float
    over: float

    @property
    def ok(self) -> bool:
        """Within every bound."""
        return self.over <= 1.0

    def worst(self, other: "Found") -> "Found":
        """The larger of each."""
        return Found(*map(max, self, other))


NOTHING = Found(0.0, 0.0, 0.0, 0.0, 0.0)


def is_difference(targets: np.ndarray, options: Options) -> bool:
    """Whether the gradient is a difference of what may be nearly equal: not for plain class indices."""
    return targets.ndim == 2 or bool(options.label_smoothing) or bool(options.lse_square_scale)


def allowed_ulps(exact: Wide, limit: float, dtype: str, classes: int, weight: float) -> np.ndarray:
    """`limit`; for a float64 result below the normal range V units of 2**-1074.

    A class or sample weight above 1 multiplies a result that was below the normal range, and its error with it.
    """
    if dtype != "float64":
        return np.full(exact.hi.shape, limit)
    weight = max(1.0, weight)
    below = exact.exponent <= -1022 + np.frexp(weight)[1] - 1
    last = np.maximum(exact.exponent - 53, -1074)
    return np.where(
        below, np.maximum(limit, classes * limit / 3.0 * weight * np.ldexp(1.0, np.clip(-1074 - last, -60, 0))), limit
    )


def check(
    logits: np.ndarray,
    targets: np.ndarray,
    losses: np.ndarray,
    grad: np.ndarray,
    options: Options = PLAIN,
    *,
    exact: ExactBatch | None = None,
    size: float = 1.0,
) -> Found:
    """Worst errors of the losses and gradients of (N, V) rows that all count.

    losses (N,), each row's own. grad (N, V), that of their sum; if it was divided, `exact` has to be divided too, and
    `size` says by how much (1 / D).
    """
    dtype, loss_type = grad.dtype.name, np.asarray(losses).dtype.name
    classes = logits.shape[1]
    exact = exact or exact_batch(logits, targets, options)
    transformed = options.softcap is not None or options.logit_scale != 1.0
    difference = is_difference(targets, options)

    weight = abs(options.sample_weight) * max(options.weight or (1.0,))

    def limit_of(limit: float, kind: str) -> float:
        if not (transformed and kind == "float64"):
            return limit
        return FLOAT64_TRANSFORMED + FLOAT64_CAPPED * (options.softcap or 0.0)

    wide_loss = Wide.of_numbers(exact.loss)
    loss_error = ulps(losses, wide_loss, loss_type)
    loss_limit = limit_of(LOSS[loss_type], loss_type) * (DOUBLED if difference else 1.0)
    over = [float((loss_error / allowed_ulps(wide_loss, loss_limit, loss_type, classes, weight)).max(initial=0.0))]
    worst_loss = float(loss_error.max(initial=0.0))
    wide = exact.grad

    if difference:
        fraction = soft_error(grad, exact, targets, options, size)
        worst = float(fraction.max(initial=0.0))
        return Found(worst_loss, 0.0, 0.0, worst, max(*over, worst))

    error = ulps(grad, wide, dtype)
    rows = np.arange(len(logits))
    at_target = np.zeros(grad.shape, bool)
    at_target[rows, targets] = True
    limits = np.where(at_target, limit_of(TARGET[dtype], dtype), limit_of(OTHERS[dtype], dtype))
    if dtype == "float64":
        limits = allowed_ulps(wide, limit_of(TARGET[dtype], dtype), dtype, classes, weight * size)
    over.append(float((error / limits).max(initial=0.0)))
    return Found(
        worst_loss,
        float(np.where(at_target, error, 0.0).max(initial=0.0)),
        float(np.where(at_target, 0.0, error).max(initial=0.0)),
        0.0,
        max(over),
    )


def soft_error(grad, exact: ExactBatch, targets, options: Options, size: float) -> np.ndarray:
    """|error| / (4 u (float64: 5 u) ((sum q) p + q + 2 scale max(1, |m|, |lse|) p) + a smallest subnormal), each entry.

    q are the targets as they enter the gradient: smoothed and weighted. The smallest subnormal is there because a
    result has to be stored: without it no float16 gradient below 2**-25 could be within the bound. (float64: V of
    them, as for class indices.)
    """
    dtype = grad.dtype.name
    q = effective_targets(targets, grad.shape, options)
    lse = np.array([float(v) for v in exact.lse])
    reach = np.maximum(1.0, np.maximum(np.abs(exact.top), np.abs(lse)))[:, None]
    p = exact.p
    share = (exact.mass[:, None] * p + q + 2 * options.lse_square_scale * reach * p) * np.abs(exact.slope)
    size = abs(options.sample_weight * size)
    large = np.maximum(
        1.0, size * (1.0 + 2 * options.lse_square_scale * reach)
    )  # multiplies a p below the normal range
    least = tiny(dtype) * (grad.shape[1] * large if dtype == "float64" else 1.0)
    rounding = SOFT[dtype] + (FLOAT64_CAPPED * (options.softcap or 0.0) if dtype == "float64" else 0.0)
    allowed = rounding * unit(dtype) * share * size + least
    with np.errstate(all="ignore"):
        error = np.abs(wide_difference(grad.astype(np.float64), exact.grad))
        fraction = error / allowed
    fraction = np.where(np.isfinite(grad.astype(np.float64)), fraction, ulps(grad, exact.grad, dtype))  # NaN, overflow
    return np.where(np.isnan(fraction), np.inf, fraction)


def effective_targets(targets: np.ndarray, shape: tuple[int, int], options: Options) -> np.ndarray:
    """w * ((1 - a) q + a sum(q) / V), rounded: for bounds only."""
    q = np.zeros(shape)
    if targets.ndim == 1:
        q[np.arange(shape[0]), targets] = 1.0
    else:
        q = targets.astype(np.float64)
    a = options.label_smoothing
    q = (1 - a) * q + a * q.sum(1, keepdims=True) / shape[1]
    return q if options.weight is None else q * np.array(options.weight)


def wide_difference(got: np.ndarray, wide: Wide) -> np.ndarray:
    """got - exact, as float64."""
    exponent = np.clip(wide.exponent, -1100, 1023)
    hi, lo = np.ldexp(wide.hi, exponent), np.ldexp(wide.lo, exponent)
    return (got - hi) - lo


def sum_over_bound(grad: np.ndarray) -> float:
    """The worst |sum of a row| as a fraction of its bound 2 u sum|g| + V * smallest subnormal."""
    dtype, worst = grad.dtype.name, 0.0
    for row in grad.astype(np.float64).tolist():
        if all(map(math.isfinite, row)):
            bound = SUM * unit(dtype) * math.fsum(map(abs, row)) + len(row) * tiny(dtype)
            worst = max(worst, abs(math.fsum(row)) / bound)
    return worst


def field_over_bound(got: np.ndarray, exact: list, top: np.ndarray) -> float:
    """The worst error of lse, entropy or log_prob as a fraction of 4 u max(1, |max|, |value|)."""
    dtype, worst = got.dtype.name, 0.0
    for value, true, m in zip(got.tolist(), exact, top.tolist(), strict=True):
        if math.isfinite(value):
            allowed = FIELD * unit(dtype) * max(1.0, abs(m), abs(float(true)))
            worst = max(worst, float(abs(true - value)) / allowed)
        elif ulps(np.array([value]), Wide.of_numbers([true]), dtype)[0]:  # 0 for the right infinity, also by overflow
            worst = math.inf
    return worst
