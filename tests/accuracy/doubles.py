"""Arithmetic on pairs of float64 (about 32 digits), whole NumPy arrays at once: an oracle that is quick at V = 131072.

A pair (hi, lo) stands for the exact sum hi + lo with |lo| <= ulp(hi) / 2. Every function below is correct to a relative
2**-98 or better for moderate exponents; test_oracle.py measures that against mpmath.
Source: Dekker 1971, doi:10.1007/BF01397083; Hida, Li & Bailey 2001, doi:10.1109/ARITH.2001.930115.
"""

import functools

import numpy as np
from mpmath import mp, mpf

Pair = tuple[np.ndarray, np.ndarray]

STEPS = 256  # exp is tabulated at multiples of log(2) / STEPS
FLOOR = -1500.0  # nats; exp of anything below is 0: a factor of 1e-328 under the smallest subnormal


def two_sum(a, b) -> Pair:
    """a + b = s + e exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _quick(a, b) -> Pair:
    """The same where |a| >= |b|."""
    s = a + b
    return s, b - (s - a)


def _split(a) -> Pair:
    c = 134217729.0 * a  # 2**27 + 1
    hi = c - (c - a)
    return hi, a - hi


def two_prod(a, b) -> Pair:
    """a * b = p + e exactly, while neither overflows (|a|, |b| < 1e150 here) and e is no subnormal."""
    p = a * b
    (ah, al), (bh, bl) = _split(a), _split(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def add(a: Pair, b: Pair) -> Pair:
    """a + b."""
    s, e = two_sum(a[0], b[0])
    t, f = two_sum(a[1], b[1])
    s, e = _quick(s, e + t)
    return _quick(s, e + f)


def sub(a: Pair, b: Pair) -> Pair:
    """a - b."""
    return add(a, (-b[0], -b[1]))


def mul(a: Pair, b: Pair) -> Pair:
    """a * b."""
    p, e = two_prod(a[0], b[0])
    return _quick(p, e + (a[0] * b[1] + a[1] * b[0]))


def div(a: Pair, b: Pair) -> Pair:
    """a / b."""
    q = a[0] / b[0]
    r = sub(a, mul((q, np.zeros_like(q)), b))
    q2 = r[0] / b[0]
    r = sub(r, mul((q2, np.zeros_like(q2)), b))
    q3 = r[0] / b[0]
    return add(_quick(q, q2), (q3, np.zeros_like(q3)))


def scale(a: Pair, exponent) -> Pair:
    """a * 2**exponent."""
    return np.ldexp(a[0], exponent), np.ldexp(a[1], exponent)


def total(a: Pair) -> Pair:
    """Sum along the last axis, as a tree."""
    hi, lo = a
    while hi.shape[-1] > 1:
        if hi.shape[-1] % 2:
            pad = [(0, 0)] * (hi.ndim - 1) + [(0, 1)]
            hi, lo = np.pad(hi, pad), np.pad(lo, pad)
        hi, lo = add((hi[..., ::2], lo[..., ::2]), (hi[..., 1::2], lo[..., 1::2]))
    return hi[..., 0], lo[..., 0]


def pair_of(value: mpf) -> tuple[float, float]:
    """The pair nearest to an mpf."""
    hi = float(value)
    return hi, float(value - mpf(hi))


def mpf_of(hi: float, lo: float, exponent: int = 0) -> mpf:
    """The mpf that is exactly (hi + lo) * 2**exponent."""
    return mp.ldexp(mpf(float(hi)) + mpf(float(lo)), int(exponent))


@functools.cache
def _constants():
    with mp.workdps(80):
        step = mp.log(2) / STEPS
        first = float(mp.floor(mp.ldexp(step, 40)) / mp.ldexp(1, 40))  # 32 bits: n * first is exact for n < 2**21
        second = float(step - first)
        third = float(step - first - second)
        table = [pair_of(mp.mpf(2) ** (mpf(j) / STEPS)) for j in range(STEPS)]
        inverse_factorials = [pair_of(1 / mp.factorial(n)) for n in range(10)]
    high, low = np.array(table).T
    return first, second, third, high, low, inverse_factorials


def exp(d: Pair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hi, lo, k): the exponential of d is (hi + lo) * 2**k with 1 <= hi < 2; hi = lo = 0 where d < FLOOR."""
    first, second, third, high, low, inverse = _constants()
    gone = ~(d[0] >= FLOOR)
    h, l = np.where(gone, 0.0, d[0]), np.where(gone, 0.0, d[1])
    n = np.rint(h * (STEPS / np.log(2.0)))
    r = add((h, l), (-n * first, np.zeros_like(n)))
    r = sub(r, two_prod(n, np.full_like(n, second)))
    r = add(r, (-n * third, np.zeros_like(n)))

    tail = r[0] * 0.0
    for c in reversed(inverse[5:]):  # r**5 / 120 < 2**-54: one float64 is enough
        tail = tail * r[0] + c[0]
    tail *= r[0] ** 5
    series = (np.full_like(h, inverse[4][0]), np.full_like(h, inverse[4][1]))
    for c in reversed(inverse[:4]):
        series = add(mul(series, r), (np.full_like(h, c[0]), np.full_like(h, c[1])))
    series = add(series, (tail, np.zeros_like(tail)))

    n = n.astype(np.int64)
    hi, lo = mul(series, (high[n % STEPS], low[n % STEPS]))
    return np.where(gone, 0.0, hi), np.where(gone, 0.0, lo), n // STEPS


def expm1(d: Pair) -> Pair:
    """exp(d) - 1 for d <= 0, relatively right near 0 too."""
    near = np.abs(d[0]) < 2.0**-6
    small = (np.where(near, d[0], 0.0), np.where(near, d[1], 0.0))
    one = np.ones_like(d[0])
    series = (one, np.zeros_like(one))
    for n in range(16, 1, -1):  # 1 + d/2 (1 + d/3 (1 + d/4 ...)): the last term is below 2**-130
        series = add(div(mul(series, small), (n * one, np.zeros_like(one))), (one, np.zeros_like(one)))
    series = mul(series, small)
    hi, lo, k = exp((np.where(near, 0.0, d[0]), np.where(near, 0.0, d[1])))
    far = sub(scale((hi, lo), np.maximum(k, -1000)), (one, np.zeros_like(one)))
    return np.where(near, series[0], far[0]), np.where(near, series[1], far[1])
