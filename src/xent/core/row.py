"""One row of logits: its state, the merge of two states, the loss and the coefficients of its gradient.

Notation: x the logits of a row of V classes, x' = c·tanh(s·x/c) the scaled (s, `logit_scale`) and capped
(c, `softcap`; infinity means no cap) logits, m = max x, k the first index with x_k = m, and

    e_j  = exp(x'_j - x'_k)          the term of class j; e_k = 1
    rest = sum of e_j over j != k    the sum of the OTHER terms, so the 1 is never added to a tiny number
    lse  = x'_k + log1p(rest)        log-sum-exp
    p_j  = e_j / (1 + rest)          probability

Everything is in nats. Plain Python on floats, standard library only; kernels compile this very text, so it keeps to
what Numba knows: floats, tuples, branches, `math`.

Source: Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038 (the largest term taken out of the sum).
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from xent.core.twofold import two_diff, two_product, two_quotient, two_sum

NO_CAP = math.inf  # the softcap that changes nothing


class RowState(NamedTuple):
    """What has to be known of a piece of a row: its largest logit, and the sum of its other terms."""

    max: float  # largest logit, as it was given (neither scaled nor capped)
    rest: float  # sum of exp(x'_j - x'_max) over the other logits; a second maximum adds 1


EMPTY = RowState(-math.inf, -1.0)  # no logits, so 1 + rest = 0 terms: the identity of merge


def value(x: float, logit_scale: float = 1.0, softcap: float = NO_CAP) -> float:
    """x' = c·tanh(s·x/c).

    >>> value(3.0), value(3.0, 0.5), value(math.inf, softcap=30.0)
    (3.0, 1.5, 30.0)
    """
    if softcap != NO_CAP:
        return softcap * math.tanh(logit_scale * x / softcap)
    return logit_scale * x


def gap(top: float, x: float, logit_scale: float = 1.0, softcap: float = NO_CAP) -> tuple[float, float]:
    """How far x' lies below top', for x <= top, as an unevaluated sum of two floats: `(high, low)`, high >= 0.

    Exact in effect without a cap. With a cap: a relative error of some 4u, of a difference of hyperbolic tangents that
    is never formed by subtraction: with A = exp(-2a), B = exp(-2b), a >= b >= 0,

        tanh a - tanh b = 2B(1 - exp(-2(a - b))) / ((1 + A)(1 + B))

    >>> gap(3.0, 1.0)
    (2.0, 0.0)
    >>> gap(1.0, 2.0**-60)
    (1.0, -8.673617379884035e-19)
    >>> gap(40.0, 39.0, softcap=1.0)[0]  # tanh(40) - tanh(39)
    2.3062593534354395e-34
    """
    if x == top:  # also where both are infinite
        return 0.0, 0.0
    high, low = two_diff(top, x)
    if high == math.inf:  # x = -inf, or the difference overflows: the error would be NaN
        low = 0.0
    if logit_scale != 1.0:
        scaled, error = two_product(high, logit_scale)
        high, low = scaled, error + low * logit_scale
    if softcap == NO_CAP:
        return high, low
    if top > 0.0 > x:
        a, b = logit_scale * top / softcap, logit_scale * x / softcap
        return softcap * (math.tanh(a) - math.tanh(b)), 0.0
    shrink = -math.expm1(-2.0 * ((high + low) / softcap))
    near, far = (x, top) if x >= 0.0 else (top, x)
    near, far = decay(near, logit_scale, softcap), decay(far, logit_scale, softcap)
    return softcap * (2.0 * near * shrink / ((1.0 + far) * (1.0 + near))), 0.0


def decay(x: float, logit_scale: float, softcap: float) -> float:
    """exp(-2|s·x/c|), what rounding s·x/c lost put back.

    >>> decay(0.0, 1.0, 30.0), decay(math.inf, 1.0, 30.0)
    (1.0, 0.0)
    """
    product, error = two_product(logit_scale, abs(x))
    high, low = two_quotient(product, softcap, 0.0)
    e = math.exp(-2.0 * high)
    return e - e * (2.0 * (low + error / softcap))


def term(high: float, low: float) -> float:
    """exp(-(high + low)), the error of the difference put back: exp(-high)·(1 - low).

    >>> term(0.0, 0.0), term(math.inf, 0.0)
    (1.0, 0.0)
    """
    e = math.exp(-high)
    return e - e * low


def slope(x: float, logit_scale: float = 1.0, softcap: float = NO_CAP) -> float:
    """dx'/dx = s / cosh²(s·x/c), never by 1 - tanh².

    >>> slope(7.0), slope(7.0, 0.5), slope(0.0, softcap=30.0)
    (1.0, 0.5, 1.0)
    >>> slope(40.0, softcap=1.0)
    7.219405551381661e-35
    """
    if softcap == NO_CAP:
        return logit_scale
    b = decay(x, logit_scale, softcap)
    return logit_scale * (4.0 * b / ((1.0 + b) * (1.0 + b)))


def merge(a: RowState, b: RowState, logit_scale: float = 1.0, softcap: float = NO_CAP) -> RowState:
    """State of the union of two disjoint pieces of one row.

    Order and grouping do not matter: commutative to the bit, and associative up to rounding. A piece at -inf adds
    exp(-inf) = 0 (without a cap), an empty piece adds 0 terms.

    Error    at most 2 ULP of float64 of the merged rest over the error of its parts: tests/laws.

    >>> merge(RowState(2.0, 0.0), RowState(2.0, 0.0))
    RowState(max=2.0, rest=1.0)
    """
    if b.max > a.max or (b.max == a.max and b.rest > a.rest):
        a, b = b, a
    high, low = gap(a.max, b.max, logit_scale, softcap)
    return RowState(a.max, a.rest + (1.0 + b.rest) * term(high, low))


def state_of(logits: Iterable[float], logit_scale: float = 1.0, softcap: float = NO_CAP) -> RowState:
    """State of a row or of a piece of one; the sum is exact (`math.fsum`), whatever the order.

    A NaN makes `rest` NaN. No logits: EMPTY.

    >>> state_of([1.0, 2.0, 3.0])
    RowState(max=3.0, rest=0.503214724408055)
    """
    xs = list(logits)
    k = first_maximum(xs)
    if k < 0:
        return EMPTY if not xs else RowState(math.nan, math.nan)
    parts = []
    for high, low in (gap(xs[k], x, logit_scale, softcap) for j, x in enumerate(xs) if j != k):
        e = math.exp(-high)
        parts += [e, -e * low]  # the term, not rounded
    return RowState(xs[k], math.fsum(parts))


def first_maximum(logits: list[float]) -> int:
    """Index of the first largest logit; -1 where there is none, or a NaN.

    >>> first_maximum([1.0, 3.0, 3.0]), first_maximum([1.0, math.nan]), first_maximum([])
    (1, -1, -1)
    """
    k = -1
    for j, x in enumerate(logits):
        if math.isnan(x):
            return -1
        if k < 0 or x > logits[k]:
            k = j
    return k


def lse(state: RowState, logit_scale: float = 1.0, softcap: float = NO_CAP) -> float:
    """log of the sum of exp(x'_j), in nats.

    Error    absolute, 4·u·max(1, |max|, |lse|): a logarithm of a sum cannot do better. Not for the loss: see nll.

    >>> lse(RowState(0.0, 1.0))
    0.6931471805599453
    """
    return value(state.max, logit_scale, softcap) + math.log1p(state.rest)


def nll(state: RowState, target_logit: float, logit_scale: float = 1.0, softcap: float = NO_CAP) -> float:
    """Negative log-likelihood of the target, in nats: two terms >= 0, so nothing cancels.

    Error    3 ULP of float64 (without a cap): tests/accuracy.

    >>> nll(RowState(max=0.0, rest=math.exp(-40.0)), 0.0)
    4.248354255291589e-18
    """
    high, low = gap(state.max, target_logit, logit_scale, softcap)
    return high + (math.log1p(state.rest) + low)


def share_of(rest: float, weight: float) -> tuple[float, float]:
    """weight / (1 + rest), the gradient of a term of 1, as an unevaluated sum of two floats.

    >>> share_of(2.0, 1.0)
    (0.3333333333333333, 1.850371707708594e-17)
    """
    whole, lost = two_sum(1.0, rest)
    return two_quotient(weight, whole, lost)


def gradient_at_top(rest: float, others: float, at_top: float, pull: float) -> float:
    """g_k by x', where k is the first maximum.

    others   sum of the target's weights q_j without q_k
    at_top   q_k
    pull     derivative of what is added to the loss by lse: 2·scale·lse for the z-loss, else 0

    p_k - 1 near 1 is never formed: (mass·p_k - q_k) = (others - q_k·rest) / (1 + rest).

    >>> gradient_at_top(math.exp(-40.0), 0.0, 1.0, 0.0)  # index, target = maximum
    -4.248354255291589e-18
    """
    return (others + pull - at_top * rest) / (1.0 + rest)
