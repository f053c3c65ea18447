"""Whole batches to about 29 digits, quick at V = 131072: the oracle the tables and bounds are measured with.

The same results as exact.exact_row, by another route: rest = the sum of the other terms, in pairs of float64 with a
power of two of its own, so nothing is lost to cancellation or underflow. test_oracle.py compares the two.
"""

from dataclasses import dataclass, replace

import numpy as np
from mpmath import mp, mpf

from tests.accuracy import doubles
from tests.accuracy.doubles import Pair, mpf_of, pair_of
from tests.accuracy.exact import DIGITS, PLAIN, Options

GONE = -100_000  # exponent of a value that is exactly 0
FAR = 100  # products are formed 2**-100 times as large: a difference of 1e308 would overflow


@dataclass
class Wide:
    """An array of numbers (hi + lo) * 2**exponent with 0.5 <= |hi| < 1, or 0, infinite, NaN."""

    hi: np.ndarray
    lo: np.ndarray
    exponent: np.ndarray

    @classmethod
    def of(cls, pair: Pair, exponent=0) -> "Wide":
        """Normalised."""
        hi, shift = np.frexp(pair[0])
        zero = pair[0] == 0
        return cls(
            hi,
            np.ldexp(pair[1], -shift.astype(np.int64)),
            np.where(zero, GONE, np.asarray(exponent, np.int64) + shift),
        )

    @classmethod
    def of_numbers(cls, values: list[mpf]) -> "Wide":
        """From mpf."""
        values = [mpf(0) if mp.isfinite(v) and v != 0 and mp.frexp(v)[1] < GONE else v for v in values]
        exponents = [mp.frexp(v)[1] if mp.isfinite(v) and v != 0 else 0 for v in values]
        pairs = [
            pair_of(mp.ldexp(v, -e)) if mp.isfinite(v) else (float(v), 0.0)
            for v, e in zip(values, exponents, strict=True)
        ]
        hi, lo = np.array(pairs).reshape(-1, 2).T
        return cls.of((hi, lo), np.array(exponents, np.int64))

    def __getitem__(self, index) -> "Wide":
        return Wide(self.hi[index], self.lo[index], self.exponent[index])

    def times(self, factor: float) -> "Wide":
        """Exactly factor times this, to a relative 2**-100."""
        pair = doubles.mul((self.hi, self.lo), (np.float64(factor), np.float64(0.0)))
        return Wide.of(pair, self.exponent)

    def to_mpf(self, index) -> mpf:
        """One entry."""
        return mpf_of(self.hi[index], self.lo[index], self.exponent[index])

    def to_float(self) -> np.ndarray:
        """Rounded to float64."""
        return np.ldexp(self.hi + self.lo, np.maximum(self.exponent, -1200))


@dataclass
class ExactBatch:
    """N rows' results: mpf a row, and the gradient as (N, V) wide numbers. The same fields as exact.Exact."""

    loss: list[mpf]
    grad: Wide
    lse: list[mpf]
    entropy: list[mpf]
    log_prob: list[mpf]
    z_loss: list[mpf]
    weight: list[mpf]
    p: np.ndarray  # (N, V) float64, softmax of the transformed logits, rounded: for bounds
    mass: np.ndarray  # (N,) float64, sum of the weighted targets
    top: np.ndarray  # (N,) float64, the largest transformed logit
    slope: np.ndarray  # (N, V) float64, dx'/dx


def exact_batch(logits: np.ndarray, targets: np.ndarray, options: Options = PLAIN) -> ExactBatch:
    """Exact results of every row of (N, V) logits; targets (N,) integers or (N, V) probabilities.

    A row whose largest logit is not finite is NaN throughout, as the definition says.
    """
    with np.errstate(all="ignore"), mp.workdps(DIGITS):
        return _exact_batch(np.asarray(logits).astype(np.float64), np.asarray(targets), options)


def _exact_batch(x: np.ndarray, targets: np.ndarray, options: Options) -> ExactBatch:  # noqa: PLR0915 -- one derivation
    rows, classes = x.shape
    zeros = np.zeros_like(x)
    capped = options.softcap is not None
    bad = np.isnan(x).any(1) | (False if capped else (np.isposinf(x).any(1) | ~np.isfinite(x).any(1)))
    x = np.where(bad[:, None], 0.0, x)
    ends = np.isneginf(x) if not capped else np.zeros_like(x, bool)
    x = np.where(ends, 0.0, x)  # taken out again below

    value, slope = _transformed(x, options)
    weighted, plain = _weighted_targets(targets, rows, classes, options)

    masked = np.where(ends, -np.inf, value[0])
    low = np.where(masked == masked.max(1, keepdims=True), value[1], -np.inf)
    k = low.argmax(1)
    row = np.arange(rows)
    top = (value[0][row, k], value[1][row, k])
    drop = doubles.sub((np.broadcast_to(top[0][:, None], x.shape), np.broadcast_to(top[1][:, None], x.shape)), value)
    e_hi, e_lo, e_exp = doubles.exp((np.where(ends, -np.inf, -drop[0]), -drop[1]))

    others = np.ones_like(x, bool)
    others[row, k] = False
    live = others & (e_hi != 0)
    base = np.where(live, e_exp, GONE).max(1, initial=GONE)
    shift = np.where(live, e_exp - base[:, None], 0)
    sums = doubles.total((np.where(live, np.ldexp(e_hi, shift), 0.0), np.where(live, np.ldexp(e_lo, shift), 0.0)))
    rest = [mpf_of(sums[0][i], sums[1][i], base[i]) if sums[0][i] else mpf(0) for i in range(rows)]
    tail = [mp.log1p(r) for r in rest]
    lse = [mpf_of(top[0][i], top[1][i]) + tail[i] for i in range(rows)]

    mass = [mpf_of(*pair) for pair in zip(*doubles.total(weighted), strict=True)]
    nll = [a + m * t for a, m, t in zip(_weighted_drop(weighted, drop, ends), mass, tail, strict=True)]
    log_prob = [
        -(a + mpf_of(*pair) * t)
        for a, pair, t in zip(
            _weighted_drop(plain, drop, ends), zip(*doubles.total(plain), strict=True), tail, strict=True
        )
    ]
    z = mpf(options.lse_square_scale)
    s = mpf(options.sample_weight)
    z_loss = [s * z * v**2 for v in lse]

    inverse = np.array([pair_of(1 / (1 + r)) for r in rest]).reshape(-1, 2)
    p = doubles.mul((e_hi, e_lo), (inverse[:, :1], inverse[:, 1:]))
    p_near = doubles.scale(p, np.maximum(e_exp, -2000))
    entropy = [a + t for a, t in zip(_weighted_drop(p_near, drop, ends), tail, strict=True)]

    factor = [m + 2 * z * v for m, v in zip(mass, lse, strict=True)]
    pairs = np.array([pair_of(f) for f in factor]).reshape(-1, 2)
    spread = doubles.mul(p, (pairs[:, :1], pairs[:, 1:]))
    near = doubles.sub(doubles.scale(spread, np.maximum(e_exp, -2000)), weighted)
    bare = weighted[0] == 0
    grad = _where(bare, Wide.of(spread, e_exp), Wide.of(near))
    rest_of = _others(weighted, others)
    at_top = [
        (o + 2 * z * v - mpf_of(weighted[0][i, k[i]], weighted[1][i, k[i]]) * r) / (1 + r)
        for i, (o, v, r) in enumerate(zip(rest_of, lse, rest, strict=True))
    ]
    wide_top = Wide.of_numbers(at_top)
    for name in ("hi", "lo", "exponent"):
        getattr(grad, name)[row, k] = getattr(wide_top, name)
    grad = Wide.of(doubles.mul((grad.hi, grad.lo), (slope.hi, slope.lo)), grad.exponent + slope.exponent)
    grad = grad.times(options.sample_weight)

    weight_rows = _row_weights(plain, options)
    result = ExactBatch(
        loss=[s * (a + z * v**2) for a, v in zip(nll, lse, strict=True)],
        grad=grad,
        lse=lse,
        entropy=entropy,
        log_prob=log_prob,
        z_loss=z_loss,
        weight=weight_rows,
        p=np.ldexp(p[0], np.maximum(e_exp, -2000)),
        mass=np.array([float(m) for m in mass]),
        top=top[0],
        slope=slope.to_float() + zeros,
    )
    for i in np.flatnonzero(bad):
        for name in ("loss", "lse", "entropy", "log_prob", "z_loss"):
            getattr(result, name)[i] = mpf("nan")
        result.grad.hi[i], result.grad.lo[i], result.p[i] = np.nan, 0.0, np.nan
    return result


def _transformed(x: np.ndarray, options: Options) -> tuple[Pair, Wide]:
    """x' = c tanh(s x / c) and dx'/dx."""
    s = np.full_like(x, options.logit_scale)
    one = np.ones_like(x)
    zero = np.zeros_like(x)
    if options.softcap is None:
        return (x, zero) if options.logit_scale == 1.0 else doubles.two_prod(s, x), Wide.of((s, zero))
    cap = np.full_like(x, options.softcap)
    far = np.isinf(x) | (np.abs(x) * abs(options.logit_scale) / options.softcap > -doubles.FLOOR)  # tanh is 1 there
    u = doubles.div(doubles.two_prod(s, np.where(far, 0.0, x)), (cap, zero))
    sign = np.where(far, np.sign(x) * np.sign(s), np.sign(u[0]))
    sign = np.where(sign == 0, 1.0, sign)
    down = (np.where(far, -np.inf, -2 * sign * u[0]), np.where(far, 0.0, -2 * sign * u[1]))
    e_hi, e_lo, k = doubles.exp(down)
    e = doubles.scale((e_hi, e_lo), np.maximum(k, -1000))
    above, below = doubles.expm1(down), doubles.add((one, zero), e)
    tanh = doubles.div(above, below)
    value = doubles.mul((-sign * cap, zero), tanh)
    slope = doubles.div((4 * e_hi, 4 * e_lo), doubles.mul(below, below))
    return value, Wide.of(doubles.mul(slope, (s, zero)), k)


def _weighted_targets(targets: np.ndarray, rows: int, classes: int, options: Options) -> tuple[Pair, Pair]:
    """w * ((1 - a) q + a sum(q) / V), and q itself, both (N, V)."""
    zeros = np.zeros((rows, classes))
    if targets.ndim == 1:
        q = zeros.copy()
        q[np.arange(rows), targets] = 1.0
    else:
        q = targets.astype(np.float64)
    plain: Pair = (q, zeros)
    weighted = plain
    a = options.label_smoothing
    if a:
        share = doubles.div(doubles.total(plain), (np.full(rows, float(classes)), np.zeros(rows)))
        share = doubles.mul(share, (np.full(rows, a), np.zeros(rows)))
        keep = doubles.two_sum(1.0, -a)
        weighted = doubles.mul(plain, (zeros + keep[0], zeros + keep[1]))
        weighted = doubles.add(weighted, (zeros + share[0][:, None], zeros + share[1][:, None]))
    if options.weight is not None:
        weighted = doubles.mul(weighted, (zeros + np.array(options.weight), zeros))
    return weighted, plain


def _row_weights(plain: Pair, options: Options) -> list[mpf]:
    """s * sum(w q) of every row."""
    w = np.array(options.weight) if options.weight is not None else np.ones(plain[0].shape[1])
    sums = doubles.total(doubles.mul(plain, (np.broadcast_to(w, plain[0].shape), np.zeros_like(plain[0]))))
    return [mpf(options.sample_weight) * mpf_of(*pair) for pair in zip(*sums, strict=True)]


def _weighted_drop(factors: Pair, drop: Pair, ends: np.ndarray) -> list[mpf]:
    """sum(f_j (max - x_j)) of every row; 0 * inf = 0."""
    used = factors[0] != 0
    keep = used & ~ends
    terms = doubles.mul(factors, doubles.scale(drop, -FAR))
    sums = doubles.total((np.where(keep, terms[0], 0.0), np.where(keep, terms[1], 0.0)))
    endless = (used & ends).any(1)
    return [mpf("inf") if endless[i] else mpf_of(sums[0][i], sums[1][i], FAR) for i in range(len(endless))]


def _others(weighted: Pair, others: np.ndarray) -> list[mpf]:
    """Sum of the weighted targets of all classes but the largest logit's."""
    sums = doubles.total((np.where(others, weighted[0], 0.0), np.where(others, weighted[1], 0.0)))
    return [mpf_of(*pair) for pair in zip(*sums, strict=True)]


def _where(mask: np.ndarray, a: Wide, b: Wide) -> Wide:
    return Wide(np.where(mask, a.hi, b.hi), np.where(mask, a.lo, b.lo), np.where(mask, a.exponent, b.exponent))


def with_options(**changes) -> Options:
    """Plain options with some changed."""
    return replace(PLAIN, **changes)
