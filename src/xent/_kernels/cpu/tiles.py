"""A row of `long` in runs of tiles, for threads that share the row: states of tiles, the row's end, its gradient.

What is done to a tile is what `long` does to it, so the bits are the same. Terms are formed with the reference of the
tile before, where that serves. A run that does not begin the row guesses that this is the reference of the row's first
tile; it is, unless the maxima grow by many nats on the way. Who asked for the run looks, and asks again if it was not.
"""

import numpy as np

from xent._kernels.cpu.long import (
    BASE,
    BELOW,
    FACTOR,
    LEAST,
    LOW,
    SHIFT,
    TOP,
    end_of_row,
    one_factor,
    place_of_top,
    put,
    reference_of_tile,
    state_of_tile,
)
from xent._kernels.cpu.row_end import reference, unit_of
from xent._kernels.cpu.scalar import two_product
from xent._kernels.cpu.select import TILE
from xent._kernels.cpu.swept import fence
from xent._kernels.cpu.terms import SCALE, add, carry, carry_past, fill, finish_less, floats, gaps, largest
from xent._kernels.cpu.wide import head_of


def states(x, first, known, smoothing, with_grad, terms, copy, s):
    """States of the tiles first, first + 1, … of a row.

    x      (V,) float32, float64; float16 as int16, bfloat16 as uint16. Read.
    known  whether the reference before the run is known; if not, it is guessed.
    terms  (V,) dtype of copy; or (0,) without a gradient. Written.
    copy   (TILE,) float32; float64 for float64 logits. Room.
    s      (FIELDS of `long`, n) float64: what is known of n tiles; where first > 0, of the tile before and n - 1 tiles,
           and of the one before BASE and SHIFT are read, or written if they are not known. Written.
    """
    classes, double, before = x.shape[0], copy.itemsize == 8, 1 if first > 0 else 0
    if before and not known:
        s[BASE, 0], s[SHIFT, 0] = reference(largest(x[:TILE], copy), double)
    for k in range(before, s.shape[1]):
        lo = (first + k - before) * TILE
        hi = min(lo + TILE, classes)
        source, ready = x[lo:hi], copy[: hi - lo]
        top = largest(source, ready)
        logits = floats(source, ready)
        s[TOP, k] = top
        s[BASE, k], s[SHIFT, k], least = reference_of_tile(s, k, double)
        base, bias = s[BASE, k], SCALE[1 if double else 0] - s[SHIFT, k]
        if with_grad:
            total, tops = fill(logits, terms[lo:hi], terms[lo:hi], top, least, base, bias)
        else:
            total, tops = add(logits, top, least, base, bias)
        state_of_tile(s, k, total, tops, double)
        if smoothing != 0.0:
            s[BELOW, k] = gaps(logits, top) if top > -np.inf else np.inf  # not -inf - -inf


def end(x, t, s, factor, scale, smoothing, z_scale, copy):
    """What a row gives, from the states of all its tiles s (FIELDS, tiles), of which FACTOR and LOW are written.

    Loss, z-loss, the gradient at the target, what is added to every class, the gradient at a maximum that is not the
    target and its place (else -1), and whether every tile needs steps of its own.
    """
    x_t = largest(x[t : t + 1], copy[:1])
    weight, weight_low = two_product(scale, factor)
    loss, z_loss, g_t, plus, top, at_top = end_of_row(s, x_t, weight, weight_low, smoothing, z_scale, scale, x.shape[0])
    place = place_of_top(x, copy, top) if at_top == at_top else -1  # not NaN
    double = copy.itemsize == 8
    tiny = not abs(s[FACTOR, 0] * unit_of(double)) >= (LEAST[1] if double else LEAST[0])  # or NaN
    apart = smoothing != 0.0 or place >= 0 or tiny or not one_factor(s)
    return loss, z_loss, g_t, plus, at_top, place, apart


def gradient(terms, grad, first, last, s, t, g_t, plus, at_top, place, apart, past_the_cache):
    """The gradient of tiles first … last - 1 of a row.

    terms  (V,) of `states`. Read; used up.
    grad   (V,) dtype of the logits, which it may be. Written.
    s, g_t, plus, at_top, place, apart   of `end`. Read.
    past_the_cache   whether the gradient is written past the cache.
    """
    unit = unit_of(terms.itemsize == 8)
    high, low = (1.0, 0.0) if apart else (s[FACTOR, 0] * unit, s[LOW, 0] * unit)
    for k in range(first, last):
        lo, hi = k * TILE, min(k * TILE + TILE, grad.shape[0])
        room, out = terms[lo:hi], grad[lo:hi]
        if apart:
            finish_less(room, room, s[FACTOR, k], s[LOW, k], unit, plus)
            if lo <= place < hi:
                room[place - lo] = at_top
            if lo <= t < hi:
                room[t - lo] = g_t
        head = head_of(out) if past_the_cache else hi - lo
        carry(room[:head], out[:head], high, low)
        if past_the_cache:
            carry_past(room[head:], out[head:], high, low)
        if lo <= t < hi:
            put(out, t - lo, g_t, room)
    if past_the_cache:
        fence()
