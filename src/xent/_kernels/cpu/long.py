"""Rows of many tiles, one after the other, SIMD along the row.

A tile is read once from memory and stays in the first-level cache for its maximum, its terms and their sum. The states
of the tiles merge to that of the row. A large gradient is written past the cache, and while the next row is worked on,
so that the memory is never idle. A row's bits depend on the row alone: tiles are of one size wherever the row lies.
"""

import math

import numpy as np

from xent._kernels.cpu.half import HALVES
from xent._kernels.cpu.jit import by_type, inner
from xent._kernels.cpu.machine import DOUBLE_WIDTH, WIDTH
from xent._kernels.cpu.row_end import (
    SURE,
    below_reach,
    factor_of,
    left_of,
    merged,
    place_of,
    reference,
    rest_of,
    row_end,
    unit_of,
)
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.scalar import two_product
from xent._kernels.cpu.select import TILE
from xent._kernels.cpu.swept import fence
from xent._kernels.cpu.terms import (
    NEAR,
    SCALE,
    SPREAD,
    add,
    carry,
    carry_past,
    fill,
    fill_and_write,
    finish_less,
    floats,
    gaps,
    largest,
)
from xent._kernels.cpu.wide import SPARE, clear_of, head_of

LEAST = (2.0**-126, 2.0**-900)  # factors below it are not multiplied by in one step: float32, float64
LOG2 = 0.6931471805599453
TOP, REST, LOST, BELOW, BASE, SHIFT, FACTOR, LOW, FIELDS = range(9)  # what is known of a tile, (FIELDS, tiles) float64


@inner
def reference_of_tile(s, k, double):
    """Base and shift of tile k, and the least logit whose term is not 0.

    Where that does, they are those of the tile before: then one factor serves for both.
    """
    top = s[TOP, k]
    if k > 0:
        base, shift = s[BASE, k - 1], s[SHIFT, k - 1]
        made_for = base + shift * LOG2
        if top == -np.inf or (top < made_for + SPREAD and (base != 0.0 or abs(top) <= NEAR[0])):
            return base, shift, below_reach(top if top == -np.inf else max(top, made_for), double)
    base, shift = reference(top, double)
    return base, shift, below_reach(top, double)


@inner
def state_of_tile(s, k, total, tops, double):
    """REST of tile k from what a sweep gave."""
    high, low = left_of(s[TOP, k], s[BASE, k], s[SHIFT, k])
    s[REST, k], s[LOST, k] = rest_of(total, tops, high, low, double)


@inner
def end_of_row(s, x_t, weight, weight_low, smoothing, z_scale, scale, classes):
    """What `row_end` gives, the maximum, and the gradient there in a sure row that is not its target's; else NaN."""
    tiles, below = s.shape[1], 0.0
    state, lost = merged(s[TOP], s[REST], s[LOST], tiles)
    if not math.isfinite(state.max) or math.isnan(state.rest):
        s[FACTOR, :] = np.nan
        return np.nan, np.nan, np.nan, 0.0, np.nan, np.nan
    if smoothing != 0.0:
        for k in range(tiles):
            below += s[BELOW, k] + (min(k * TILE + TILE, classes) - k * TILE) * (state.max - s[TOP, k])
    loss, z_loss, at_target, share, more, plus = row_end(
        state, lost, x_t, weight, weight_low, smoothing, z_scale, scale, classes, below
    )
    for k in range(tiles):
        if k > 0 and s[BASE, k] == s[BASE, k - 1] and s[SHIFT, k] == s[SHIFT, k - 1]:
            s[FACTOR, k], s[LOW, k] = s[FACTOR, k - 1], s[LOW, k - 1]
        else:
            high, low = left_of(state.max, s[BASE, k], s[SHIFT, k])
            s[FACTOR, k], s[LOW, k] = factor_of(high, low, share, more)
    at_top = share + plus if state.rest < SURE and x_t != state.max else np.nan
    return loss, z_loss, at_target, plus, state.max, at_top


@inner
def place_of_top(x, copy, top):
    """Where the maximum of a row lies."""
    for lo in range(0, x.shape[0], TILE):
        part = x[lo : lo + TILE]
        ready = copy[: part.shape[0]]
        if largest(part, ready) == top:
            return lo + place_of(floats(part, ready), top)
    return -1


@inner
def one_factor(s):
    """Whether the terms of all tiles are multiplied by the same."""
    for k in range(1, s.shape[1]):  # noqa: SIM110  # Numba has no generators
        if s[BASE, k] != s[BASE, 0] or s[SHIFT, k] != s[SHIFT, 0]:
            return False
    return True


@inner
def put_rounded(out, place, value, copy):
    """out[place] = value, rounded to a half; copy is used up."""
    copy[0] = value
    carry(copy[:1], out[place : place + 1], 1.0, 0.0)


@inner
def put_whole(out, place, value, _copy):
    """out[place] = value."""
    out[place] = value


def _are_halves(out, *_):
    """Whether floats are given as whole numbers of the same bits."""
    return str(out.dtype) in HALVES


put = by_type(_are_halves, put_rounded, put_whole)


def index_rows(
    logits, index, factor, scale, smoothing, z_scale, losses, z_losses, grad, room_for_terms, copy, s, past_the_cache
):
    """Loss and gradient of rows for class indices, of any V.

    Arguments as `wide.index_rows`, but for the rooms:

    room_for_terms  (V + SPARE,) float32; float64 for float64 logits. Room.
    copy   (TILE,) dtype of terms. Room for logits as floats, written for halves.
    s      (FIELDS, tiles) float64. Room.
    """
    classes, double = logits.shape[1], copy.itemsize == 8
    tiles, unit, width = s.shape[1], unit_of(double), DOUBLE_WIDTH if double else WIDTH
    with_grad = grad.shape[0] > 0
    skew = clear_of(room_for_terms[:SPARE], logits[0]) if index.shape[0] else 0
    terms = room_for_terms[skew : skew + classes]
    pending, t_pending, g_pending = -1, 0, 0.0  # a row whose gradient is still in terms, but for its target
    head, high, low, x_t = 0, 1.0, 0.0, 0.0
    for i in range(index.shape[0]):
        t = index[i]
        if t == SKIPPED:
            losses[i], z_losses[i] = 0.0, 0.0
            if with_grad:
                grad[i, :] = 0
            continue
        if pending >= 0:
            first = head_of(grad[pending])
            head = first + clear_of(grad[pending, first:], logits[i])
            tail = head + (classes - head) // width * width
            carry(terms[:first], grad[pending, :first], high, low)
            carry_past(terms[first:head], grad[pending, first:head], high, low)
            carry(terms[tail:], grad[pending, tail:], high, low)
        for k in range(tiles):
            lo, hi = k * TILE, min(k * TILE + TILE, classes)
            source, room, ready = logits[i, lo:hi], terms[lo:hi], copy[: hi - lo]
            top = largest(source, ready)
            x = floats(source, ready)
            s[TOP, k] = top
            s[BASE, k], s[SHIFT, k], least = reference_of_tile(s, k, double)
            base, bias = s[BASE, k], SCALE[1 if double else 0] - s[SHIFT, k]
            if pending >= 0:
                first = min(head + lo, classes)
                last = min(head + hi, classes)
                total, tops = fill_and_write(
                    x, room, terms[first:last], grad[pending, first:last], top, least, base, bias, high, low
                )
            elif with_grad:
                total, tops = fill(x, room, grad[i, lo:hi], top, least, base, bias)
            else:
                total, tops = add(x, top, least, base, bias)
            state_of_tile(s, k, total, tops, double)
            if lo <= t < hi:
                x_t = np.float64(x[t - lo])
            if smoothing != 0.0:
                s[BELOW, k] = gaps(x, top) if top > -np.inf else np.inf  # not -inf - -inf
        if pending >= 0:
            put(grad[pending], t_pending, g_pending, copy)
            pending = -1
        weight, weight_low = two_product(scale[i], factor[i]) if factor.shape[0] else (scale[i], 0.0)
        losses[i], z_losses[i], g_t, plus, highest, at_top = end_of_row(
            s, x_t, weight, weight_low, smoothing, z_scale, scale[i], classes
        )
        if not with_grad:
            continue
        high, low, place = s[FACTOR, 0] * unit, s[LOW, 0] * unit, -1
        if at_top == at_top:  # not NaN
            place = place_of_top(logits[i], copy, highest)
        tiny = not abs(high) >= (LEAST[1] if double else LEAST[0])  # or NaN
        if smoothing != 0.0 or place >= 0 or tiny or not one_factor(s):
            for k in range(tiles):
                room = terms[k * TILE : min(k * TILE + TILE, classes)]
                finish_less(room, room, s[FACTOR, k], s[LOW, k], unit, plus)
            if place >= 0:
                terms[place] = at_top
            terms[t] = g_t
            high, low = 1.0, 0.0
        if past_the_cache:
            pending, t_pending, g_pending = i, t, g_t
            continue
        carry(terms, grad[i], high, low)
        put(grad[i], t, g_t, copy)
    if pending >= 0:
        head = head_of(grad[pending])
        carry(terms[:head], grad[pending, :head], high, low)
        carry_past(terms[head:], grad[pending, head:], high, low)
        put(grad[pending], t_pending, g_pending, copy)
    fence()
