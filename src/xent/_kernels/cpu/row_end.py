"""The end of one row: from the states of its tiles to loss and factors, to the last bits of float64."""

import math

import numpy as np

from xent._kernels.cpu.exp import HIGH_64, LOG2E, LOW_64
from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.scalar import RowState, times, two_diff, two_quotient, two_sum
from xent._kernels.cpu.terms import NEAR, REACH, SCALE


@inner
def gap(top, x):
    """top - x in two parts, as `core.row.gap` without scale and cap."""
    if x == top:
        return 0.0, 0.0
    high, low = two_diff(top, x)
    return high, low if high < np.inf else 0.0


@inner
def reference(top, double):
    """What terms are formed with around a maximum: base, and shift in units of log 2; one of them is 0."""
    if abs(top) <= (NEAR[1] if double else NEAR[0]):
        return 0.0, math.floor(top * LOG2E + 0.5)
    return (0.0 if top == -np.inf else top), 0.0


@inner
def left_of(top, base, shift):
    """top - base - shift·log 2, in two parts."""
    if base != 0.0:
        return top - base, 0.0
    high, low = two_diff(top, shift * HIGH_64)
    return two_sum(high, low - shift * LOW_64)


@inner
def below_reach(top, double):
    """Logits below this have the term 0; all of them where the maximum is -inf."""
    if top == -np.inf:
        return np.inf
    return top - (REACH[1] if double else REACH[0])


@inner
def unit_of(double):
    """2**-scale."""
    return 2.0 ** -SCALE[1] if double else 2.0 ** -SCALE[0]


@inner
def rest_of(total, tops, high, low, double):
    """The sum of a tile's other terms, in two parts, from that of its terms × 2**scale and how many are at the top."""
    ones = np.float64(tops - 1)
    if total == 0.0:  # also of a tile at -inf, where high is infinite
        return ones, 0.0
    e, more = times(math.exp(-high), low, total * unit_of(double), 0.0)
    rest, lost = two_sum(ones, e)
    return rest, lost + more


@inner
def merged(tops, rests, more, tiles):
    """State of a row from those of its tiles, and what is lost of its rest; `more` is what is lost of theirs."""
    best = 0
    for k in range(1, tiles):
        if tops[k] > tops[best]:
            best = k
    total, error = rests[best], more[best]
    for k in range(tiles):
        if k != best:
            high, low = gap(tops[best], tops[k])
            whole, lost = two_sum(1.0, rests[k])
            part, rounded = times(math.exp(-high), low, whole, lost + more[k])
            total, lost = two_sum(total, part)
            error += lost + rounded
    total, error = two_sum(total, error)
    return RowState(tops[best], total), error


@inner
def share_in_parts(rest, more, weight, low):
    """(weight + low) / (1 + rest + more), in two parts."""
    whole, lost = two_sum(1.0, rest)
    share, rounded = two_quotient(weight, whole, lost + more)
    return share, rounded + low / whole


@inner
def row_end(state, lost, x_t, weight, weight_low, smoothing, z_scale, scale, classes, below):
    """What a row gives: loss, z-loss, gradient at its target, share in two parts, what is added to each class.

    lost    of the state's rest.    weight  class weight × scale, in two parts.    scale  sample weight / denominator.
    below   sum of max - x_j; read with smoothing.
    """
    rest, each = state.rest, smoothing / classes
    log_rest = math.log1p(rest)
    lse = state.max + log_rest
    pull = 2.0 * z_scale * lse * scale
    share, more = share_in_parts(rest, lost, weight + pull, weight_low)
    if smoothing == 0.0:
        high, low = gap(state.max, x_t)
        loss = high + (log_rest + low)  # `core.row.nll`
    elif x_t == -np.inf:
        loss = np.inf
    else:
        loss = (1.0 - smoothing) * (state.max - x_t) + each * below + log_rest
    q_t = weight * ((1.0 - smoothing) + each)
    if x_t != state.max:
        high, low = gap(state.max, x_t)
        high, low = times(math.exp(-high), low, share, more)
        high, lost = two_diff(high, q_t)
        at_target = high + (lost + (low - weight_low))
    elif smoothing == 0.0 and pull == 0.0:
        high, low = times(-rest, 0.0, share, more)
        at_target = high + (low - lost * share)
    else:
        at_target = ((weight * (smoothing - each) + pull) - q_t * rest) / (1.0 + rest)
    return loss, z_scale * lse * lse, at_target, share, more, -weight * each


@inner
def factor_of(high, low, share, more):
    """What terms × 2**-scale are multiplied by, in two parts; high + low is what is left of the row's maximum."""
    factor, lost = times(math.exp(-high), low, share, more)
    return two_sum(factor, lost)


SURE = 1e-6  # rest below which an error of the maximum's term could make its probability exceed 1


@inner
def place_of(x, top):
    """Where the maximum of x (V,) lies."""
    for j in range(x.shape[0]):
        if x[j] == top:
            return j
    return -1
