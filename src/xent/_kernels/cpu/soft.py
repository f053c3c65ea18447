"""Probability rows, of any number of classes, SIMD along the row.

The steps of `wide`, and a target for every class: the loss gathers q·(max - x) beside the terms; the gradient is a
term's share less its target, one multiplication and addition rounded once. The targets are read twice: here, and before
(`targets`), where they are checked and summed. A row's bits depend on the row alone.
"""

import math
from typing import Any

import numpy as np

from xent._kernels.cpu.exp import exp
from xent._kernels.cpu.fields import (
    AT_TOP,
    BASE,
    BELOW,
    BIAS,
    FACTOR,
    FIELDS,
    LEAST,
    LEFT,
    LOSS,
    LOW,
    MASS,
    PLUS,
    TOP,
    TOPS,
    TOTAL,
    Z_LOSS,
)
from xent._kernels.cpu.half import load_float, store_float
from xent._kernels.cpu.jit import by_type, inner
from xent._kernels.cpu.lanes import as_float, dtype_of, sweep, times_plus, where
from xent._kernels.cpu.log import log1p
from xent._kernels.cpu.machine import DOUBLE_WIDTH, LINE
from xent._kernels.cpu.row_end import SURE, factor_of, left_of, place_of, rest_of, share_in_parts, unit_of
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.swept import fence
from xent._kernels.cpu.terms import AHEAD, GUARD, carry, floats, gaps, largest, others, term_of
from xent._kernels.cpu.terms import SCALE as POWER
from xent._kernels.cpu.wide import APART, PAGE, SPARE, head_of, prepare_of


def target_of(q: Any, dtype: str) -> tuple[Any, float, Any]:
    """Lanes of targets in a dtype; what they have to be multiplied by to be scaled as terms are; where they are 0."""
    found = load_float(q)
    lift = 2.0 ** POWER[1 if dtype == "float64" else 0]
    if dtype == "float32" and dtype_of(found) == "float64":  # scaled before it is rounded
        return as_float(found * lift, dtype), 1.0, found == 0.0
    return as_float(found, dtype), lift, found == 0.0


@sweep("sum", "count", "sum")
def fill(x: Any, q: Any, terms: Any, top: Any, least: Any, base: Any, bias: Any) -> Any:
    """As `terms.fill`; and the sum of q·(top - x) × 2**scale, 0 where q is, also at -inf; NaN if too large."""
    x.prefetch(AHEAD)
    q.prefetch(AHEAD)
    logit = x.load(-math.inf)
    dtype = dtype_of(logit)
    target, lift, none = target_of(q, dtype)
    found = term_of(logit, least, base, bias)
    terms.store(found)
    gap = times_plus(logit, -lift, as_float(top * lift, dtype))
    return *others(logit, top, found), where(none, 0.0, target * gap)


@sweep("sum", "sum", "sum", "sum")
def look_closely(x: Any, q: Any, top: Any) -> Any:
    """Sums of q where x < top, of q at the top, of q·(top - x) and of top - x, all in float64."""
    logit, target = as_float(x.load(0.0), "float64"), as_float(load_float(q), "float64")
    at_top = logit == top
    gap = top - logit
    none = target == 0.0
    return where(at_top, 0.0, target), where(at_top, target, 0.0), where(none, 0.0, target * gap), gap


@sweep()
def finish_soft(
    terms: Any, q: Any, out: Any, factor: Any, low: Any, kept: Any, plus: Any, scale: Any, unit: Any
) -> None:
    """((terms × (factor + low)) × unit - (kept × q + plus)) × scale into out."""
    store_float(out, finished(terms.load(), q, factor, low, kept, plus, scale, unit))


@sweep()
def finish_soft_past(
    terms: Any, q: Any, out: Any, factor: Any, low: Any, kept: Any, plus: Any, scale: Any, unit: Any
) -> None:
    """The same, past the cache; out begins at a multiple of 64 bytes."""
    store_float(out, finished(terms.load(), q, factor, low, kept, plus, scale, unit), past_the_cache=True)


def finished(term: Any, q: Any, factor: Any, low: Any, kept: Any, plus: Any, scale: Any, unit: Any) -> Any:
    """Lanes of that.

    Both sides of the difference are formed 2**(scale + GUARD) times as large, so that none is below the normal range.
    In float32 factor and scale are two parts: rounded are the term, the difference and the product, nothing else.
    """
    dtype = dtype_of(term)
    double = dtype == "float64"
    factor, low = factor * 2.0**GUARD, low * 2.0**GUARD
    target, lift, _ = target_of(q, dtype)
    kept = as_float(0.0 - kept * (lift * 2.0**GUARD), dtype)
    plus = as_float(0.0 - plus * 2.0 ** (GUARD + POWER[1 if double else 0]), dtype)
    away = times_plus(target, kept, plus)
    if double:
        return (times_plus(term, factor, term * low) + away) * (scale * (unit * 2.0**-GUARD))
    (factor, low), (scale, little) = in_parts(factor), in_parts(scale)
    less = times_plus(term, factor, times_plus(term, low, away))
    return times_plus(less, scale, less * little) * as_float(unit * 2.0**-GUARD, dtype)


def in_parts(number: Any) -> tuple[Any, Any]:
    """A float64 as the sum of two float32."""
    high = as_float(number, "float32")
    return high, as_float(number - as_float(high, "float64"), "float32")


@sweep(whole=True)
def ends(top: Any, f: Any, each: Any, z_scale: Any) -> None:
    """What probability rows give, from their sums: LOSS, Z_LOSS, FACTOR, AT_TOP and PLUS of `fields`. Written.

    each, z_scale   numbers; each = smoothing / classes.
    """
    highest, mass = top.load(), f[MASS].load()
    unit = exp(0.0 - f[LEFT].load(), 0.0 * each)
    rest = f[TOTAL].load() * (unit * 2.0 ** -POWER[0]) + (f[TOPS].load() - 1.0)
    poison = (highest - highest) + (rest - rest)  # NaN for a row that has none of this
    log_rest = log1p(rest) + poison
    f[LOSS].store(f[BELOW].load() + mass * log_rest)
    lse = highest + log_rest
    f[Z_LOSS].store(z_scale * lse * lse)
    f[FACTOR].store((mass + z_scale * 2.0 * lse) / (rest + 1.0 + poison) * unit)
    f[AT_TOP].store(where(rest < SURE, rest + poison, math.nan))
    f[PLUS].store(mass * each)


@inner
def end_quickly(_copies, f, n, each, z_scale):
    """`ends` for float32 and halves."""
    n = (n + DOUBLE_WIDTH - 1) // DOUBLE_WIDTH * DOUBLE_WIDTH
    ends(f[TOP, :n], f, each, z_scale)


@inner
def end_precisely(_copies, f, n, each, z_scale):
    """`ends` to the last bits of float64, row by row; LEFT is the shift in units of log 2."""
    for r in range(n):
        top, mass = f[TOP, r], f[MASS, r]
        left, low = left_of(top, f[BASE, r], f[LEFT, r])
        rest, lost = rest_of(f[TOTAL, r], np.int64(f[TOPS, r]), left, low, True)
        if not math.isfinite(top) or math.isnan(rest):
            for field in range(LOSS, FIELDS):
                f[field, r] = np.nan
            continue
        log_rest = math.log1p(rest)
        lse = top + log_rest
        f[LOSS, r], f[Z_LOSS, r] = f[BELOW, r] + mass * log_rest, z_scale * lse * lse
        share, more = share_in_parts(rest, lost, mass + 2.0 * z_scale * lse, 0.0)
        f[FACTOR, r], f[LOW, r] = factor_of(left, low, share, more)
        f[AT_TOP, r] = rest if rest < SURE else np.nan
        f[PLUS, r] = mass * each


def _is_double(copies, *_):
    """Whether rows are float64."""
    return str(copies.dtype) == "float64"


ends_of = by_type(_is_double, end_precisely, end_quickly)


@inner
def sum_of(kept, near, each, far):
    """kept·near + each·far; a factor 0 takes away what it multiplies, be that infinite."""
    return (kept * near if kept != 0.0 else 0.0) + (each * far if each != 0.0 else 0.0)


@inner
def at_top(rest, q_others, q_top, kept, plus, classes, pull, scale):
    """The gradient at the maximum of a sure row, as `core.row.gradient_at_top`: p - 1 is never formed."""
    above = kept * q_others + plus * (classes - 1)
    return scale * ((above + pull) - (kept * q_top + plus) * rest) / (1.0 + rest)


@inner
def skew_of(room, x, q):
    """Where in its first elements a room for terms is to begin, lest writing them holds up reading x and q.

    See `wide.clear_of`, which knows of one array that is read.
    """
    for skew in range(0, SPARE, SPARE // 8):
        place = room[skew:].ctypes.data
        if (
            APART <= (place - x.ctypes.data) % PAGE <= PAGE - LINE
            and APART <= (place - q.ctypes.data) % PAGE <= PAGE - LINE
        ):
            return skew
    return 0


def probability_rows(
    logits, q, index, mass, scale, smoothing, z_scale, losses, z_losses, grad, room_for_terms, copies, f, past_the_cache
):
    """Loss and gradient of probability rows.

    logits         (N, V) float32, float64; float16 as int16, bfloat16 as uint16. Read.
    q              (N, V) finite and >= 0, of such a dtype, the same or another. Read.
    index          (N,) int64, SKIPPED for a row that does not count. Read.
    mass           (N,) float64, sum of q, of a size in `launch.MODERATE`. Read.
    scale          (N,) float64, sample weight / denominator; it and scale·mass have sizes in `launch.MODERATE`. Read.
    smoothing, z_scale   float64.
    losses         (N,) float64, sum of q'·nll in nats. Written.
    z_losses       (N,) float64, z_scale·lse². Written.
    grad           (N, V) dtype of logits; may be `logits`; or (0, 0). Written.
    room_for_terms (group·V + SPARE,) float32; float64 for float64 logits. Room.
    copies         (group, V) dtype of terms. Room for logits as floats, written for halves.
    f              (FIELDS, room_for(V)) float64. Room.
    past_the_cache whether the gradient is written past the cache.

    A row that is SKIPPED is never read: its results are 0. A row whose maximum is not finite, or that holds a NaN: NaN
    in all its results. Error and source: `rows.rows`.
    """
    classes, double = logits.shape[1], copies.itemsize == 8
    group, unit = copies.shape[0], unit_of(double)
    kept, each = 1.0 - smoothing, smoothing / classes
    for lo in range(0, index.shape[0], group):
        n = min(group, index.shape[0] - lo)
        skew = skew_of(room_for_terms, logits[lo], q[lo])
        terms = room_for_terms[skew : skew + group * classes]
        for r in range(n):
            i = lo + r
            if index[i] == SKIPPED:
                f[TOP, r], f[MASS, r] = 0.0, 0.0
                continue
            f[TOP, r], f[MASS, r], f[LOW, r] = largest(logits[i], copies[r]), mass[i], 0.0
        prepare_of(copies, f, n)
        for r in range(n):
            if index[lo + r] == SKIPPED:
                f[TOTAL, r], f[TOPS, r], f[BELOW, r] = 0.0, 1.0, 0.0
                continue
            x, some, room = floats(logits[lo + r], copies[r]), q[lo + r], terms[r * classes : r * classes + classes]
            top, plus = f[TOP, r], each * f[MASS, r]
            f[TOTAL, r], f[TOPS, r], below = fill(x, some, room, top, f[LEAST, r], f[BASE, r], f[BIAS, r])
            far = gaps(x, top) if smoothing != 0.0 else 0.0
            below = sum_of(kept, below * unit, plus, far)
            if not below < np.inf:  # beyond float32, infinite, or NaN
                _, _, below, far = look_closely(x, some, top)
                below = sum_of(kept, below, plus, far)
            f[BELOW, r] = below
        ends_of(copies, f, n, each, z_scale)
        for r in range(n):
            i = lo + r
            losses[i], z_losses[i] = f[LOSS, r], f[Z_LOSS, r]
            if grad.shape[0] == 0:
                continue
            if index[i] == SKIPPED:
                for j in range(classes):
                    grad[i, j] = 0
                continue
            some, room, out, place = q[i], terms[r * classes : r * classes + classes], grad[i], -1
            rest, g = f[AT_TOP, r], 0.0
            if rest == rest:  # not NaN: a sure row
                x = floats(logits[i], copies[r])
                place = place_of(x, f[TOP, r])
                q_others, q_top, _, _ = look_closely(x, some, f[TOP, r])
                pull = 2.0 * z_scale * (f[TOP, r] + math.log1p(rest))
                g = at_top(rest, q_others, q_top, kept, each * f[MASS, r], classes, pull, scale[i])
            head = head_of(out) if past_the_cache else classes
            factor, low, plus = f[FACTOR, r], f[LOW, r], f[PLUS, r]
            finish_soft(room[:head], some[:head], out[:head], factor, low, kept, plus, scale[i], unit)
            if past_the_cache:
                finish_soft_past(room[head:], some[head:], out[head:], factor, low, kept, plus, scale[i], unit)
            if place >= 0:
                room[place] = g
                carry(room[place : place + 1], out[place : place + 1], 1.0, 0.0)
    if past_the_cache:
        fence()
