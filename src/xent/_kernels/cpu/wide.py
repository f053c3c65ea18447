"""Rows of one tile at most, some rows at a time, SIMD along the row.

First the maxima of all rows of a group, then all terms and their sums, then all row ends at once, then the gradients:
so no row waits for its own division and logarithm. A large gradient is written past the cache, while the next group is
worked on. A row's bits depend on the row alone.
"""

import math

import numpy as np

from xent._kernels.cpu.ends import ends, prepare
from xent._kernels.cpu.fields import (
    AT_TARGET,
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
    PLUS,
    SCALE,
    TOP,
    TOPS,
    TOTAL,
    WEIGHT,
    X_T,
    Z_LOSS,
)
from xent._kernels.cpu.jit import by_type, inner
from xent._kernels.cpu.machine import DOUBLE_WIDTH, LINE, WIDTH
from xent._kernels.cpu.row_end import (
    SURE,
    below_reach,
    factor_of,
    left_of,
    place_of,
    reference,
    rest_of,
    row_end,
    unit_of,
)
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.scalar import RowState, two_product
from xent._kernels.cpu.swept import fence
from xent._kernels.cpu.terms import SCALE as POWER
from xent._kernels.cpu.terms import (
    add,
    carry,
    carry_past,
    fill,
    fill_and_copy,
    finish,
    finish_less,
    floats,
    gaps,
    largest,
)

PAGE, APART = 4096, 1024  # bytes
SPARE = 1024  # elements more than there are terms, so that they can begin where they hold up no logits
ROOM = 4096  # elements a group may have: their terms stay in the cache, twice


def group_of(classes: int) -> int:
    """How many rows are worked on together."""
    return max(1, ROOM // classes)


def room_for(classes: int) -> int:
    """The same, filled up to whole vectors."""
    return -(-group_of(classes) // DOUBLE_WIDTH) * DOUBLE_WIDTH


@inner
def head_of(out):
    """How many elements lie before the first multiple of 64 bytes."""
    return min(out.shape[0], (-out.ctypes.data) % LINE // out.itemsize)


@inner
def clear_of(written, read):
    """How many elements of `written` to write before the others, lest what is written then holds up what is read.

    Both are gone through at one pace. A load waits for a store before it whose address has the same last 12 bits, until
    that has left the store buffer: so what is written runs a quarter of these 4096 bytes ahead of what is read.
    """
    between = (written.ctypes.data - read.ctypes.data) % PAGE
    if APART <= between <= PAGE - LINE:
        return 0
    return min(written.shape[0], ((APART - between) % PAGE + LINE - 1) // LINE * LINE // written.itemsize)


@inner
def prepare_precisely(_copies, f, n):
    """`prepare` for float64."""
    for r in range(n):
        top = f[TOP, r]
        f[BASE, r], f[LEFT, r] = reference(top, True)
        f[LEAST, r], f[BIAS, r] = below_reach(top, True), POWER[1] - f[LEFT, r]


@inner
def prepare_quickly(_copies, f, n):
    """`prepare` for float32 and halves."""
    n = (n + DOUBLE_WIDTH - 1) // DOUBLE_WIDTH * DOUBLE_WIDTH
    prepare(f[TOP, :n], f)


@inner
def end_precisely(_copies, f, n, classes, smoothing, z_scale):
    """`ends` to the last bits of float64, row by row; LEFT is the shift in units of log 2."""
    for r in range(n):
        left, low = left_of(f[TOP, r], f[BASE, r], f[LEFT, r])
        rest, lost = rest_of(f[TOTAL, r], np.int64(f[TOPS, r]), left, low, True)
        state = RowState(f[TOP, r], rest)
        f[AT_TOP, r] = np.nan
        if not math.isfinite(state.max) or math.isnan(rest):
            for field in range(LOSS, FIELDS):
                f[field, r] = np.nan
            continue
        f[LOSS, r], f[Z_LOSS, r], f[AT_TARGET, r], share, more, f[PLUS, r] = row_end(
            state, lost, f[X_T, r], f[WEIGHT, r], f[LOW, r], smoothing, z_scale, f[SCALE, r], classes, f[BELOW, r]
        )
        f[FACTOR, r], f[LOW, r] = factor_of(left, low, share, more)
        if rest < SURE and f[X_T, r] != state.max:
            f[AT_TOP, r] = share + f[PLUS, r]


@inner
def end_quickly(_copies, f, n, classes, smoothing, z_scale):
    """`ends` for float32 and halves."""
    n = (n + DOUBLE_WIDTH - 1) // DOUBLE_WIDTH * DOUBLE_WIDTH
    ends(f[TOP, :n], f, smoothing, smoothing / classes, z_scale)


def _is_double(copies, *_):
    """Whether rows are float64."""
    return str(copies.dtype) == "float64"


prepare_of = by_type(_is_double, prepare_precisely, prepare_quickly)
ends_of = by_type(_is_double, end_precisely, end_quickly)


def index_rows(
    logits, index, factor, scale, smoothing, z_scale, losses, z_losses, grad, flat, rooms, copies, f, past_the_cache
):
    """Loss and gradient of rows for class indices, V <= TILE.

    logits         (N, V) float32, float64; float16 as int16, bfloat16 as uint16. Read.
    index          (N,) int64, SKIPPED for a row that does not count. Read.
    factor         (N,) float64, multiplies the gradient: the class weight; or (0,): all 1. Read.
    scale          (N,) float64, sample weight / denominator; |scale·factor| <= 2**30 unless float64. Read.
    smoothing, z_scale   float64.
    losses         (N,) float64, nats. Written.
    z_losses       (N,) float64, z_scale·lse². Written.
    grad           (N, V) dtype of logits; may be `logits`; or (0, 0). Written.
    flat           (N·V,), grad's elements; or (0,). Written.
    rooms          (2, group·V + SPARE) float32; float64 for float64 logits. Room for terms.
    copies         (group, V) dtype of rooms. Room for logits as floats, written for halves.
    f              (FIELDS, room_for(V)) float64. Room.
    past_the_cache whether the gradient is written past the cache.

    A row that is SKIPPED is never read: its results are 0. A row whose maximum is not finite, or that holds a NaN: NaN
    in all its results. Error and source: `rows.rows`.
    """
    classes, double = logits.shape[1], copies.itemsize == 8
    group, unit, width = copies.shape[0], unit_of(double), DOUBLE_WIDTH if double else WIDTH
    with_grad, halves = grad.shape[0] > 0, logits.itemsize == 2
    pending, waiting, side = 0, 0, 1  # elements of the other room that are still to be written: [pending, waiting)
    place = 0  # where they belong in flat, less pending
    f[:] = 0.0
    terms = rooms[0]
    for lo in range(0, index.shape[0], group):
        n = min(group, index.shape[0] - lo)
        old, side = terms, 1 - side
        skew = clear_of(rooms[side, :SPARE], logits[lo])
        terms = rooms[side, skew : skew + group * classes]
        for r in range(n):
            t = index[lo + r]
            f[SCALE, r] = scale[lo + r]
            f[WEIGHT, r], f[LOW, r] = scale[lo + r], 0.0
            if factor.shape[0]:
                f[WEIGHT, r], f[LOW, r] = two_product(scale[lo + r], factor[lo + r])
            if t == SKIPPED:
                f[TOP, r], f[X_T, r], f[WEIGHT, r], f[SCALE, r] = 0.0, 0.0, 0.0, 0.0
                continue
            f[TOP, r] = largest(logits[lo + r], copies[r])
            f[X_T, r] = floats(logits[lo + r], copies[r])[t]
        prepare_of(copies, f, n)
        for r in range(n):
            room = terms[r * classes : r * classes + classes]
            if index[lo + r] == SKIPPED:
                f[TOTAL, r], f[TOPS, r], f[BELOW, r] = 0.0, 1.0, 0.0
                if with_grad:
                    room[:] = 0.0
                continue
            x = floats(logits[lo + r], copies[r])
            top, least, base, bias = f[TOP, r], f[LEAST, r], f[BASE, r], f[BIAS, r]
            if pending < waiting:
                part, out = old[pending:waiting], flat[place + pending : place + waiting]
                f[TOTAL, r], f[TOPS, r] = fill_and_copy(x, room, part, out, top, least, base, bias)
                pending += min(classes // width, (waiting - pending) // width) * width
                if waiting - pending < width:
                    carry(old[pending:waiting], flat[place + pending : place + waiting], 1.0, 0.0)
                    pending = waiting
            elif with_grad:
                f[TOTAL, r], f[TOPS, r] = fill(x, room, grad[lo + r], top, least, base, bias)
            else:
                f[TOTAL, r], f[TOPS, r] = add(x, top, least, base, bias)
            if smoothing != 0.0:
                f[BELOW, r] = gaps(x, top)
        if pending < waiting:
            carry_past(old[pending:waiting], flat[place + pending : place + waiting], 1.0, 0.0)
        ends_of(copies, f, n, classes, smoothing, z_scale)
        for r in range(n):
            losses[lo + r], z_losses[lo + r] = f[LOSS, r], f[Z_LOSS, r]
        pending, waiting, place = 0, 0, lo * classes
        if not with_grad:
            continue
        for r in range(n):
            t = index[lo + r]
            if t == SKIPPED:
                if not past_the_cache:
                    grad[lo + r, :] = 0
                continue
            room = terms[r * classes : r * classes + classes]
            direct, top = not (halves or past_the_cache), -1
            if f[AT_TOP, r] == f[AT_TOP, r]:  # not NaN
                top = place_of(floats(logits[lo + r], copies[r]), f[TOP, r])
            if smoothing != 0.0:
                finish_less(room, room, f[FACTOR, r], f[LOW, r], unit, f[PLUS, r])
            elif not direct:
                finish(room, room, f[FACTOR, r], f[LOW, r], unit)
            else:
                finish(room, grad[lo + r], f[FACTOR, r], f[LOW, r], unit)
                grad[lo + r, t] = f[AT_TARGET, r]
                if top >= 0:
                    grad[lo + r, top] = f[AT_TOP, r]
                continue
            room[t] = f[AT_TARGET, r]
            if top >= 0:
                room[top] = f[AT_TOP, r]
            if not past_the_cache:
                carry(room, grad[lo + r], 1.0, 0.0)
        if past_the_cache:
            waiting = n * classes
            first = min(waiting, head_of(flat[place:]))
            carry(terms[:first], flat[place : place + first], 1.0, 0.0)
            pending = first + clear_of(flat[place + first : place + waiting], logits[min(lo + n, index.shape[0] - 1)])
            pending -= (pending - first) % width
            carry_past(terms[first:pending], flat[place + first : place + pending], 1.0, 0.0)
    if pending < waiting:
        carry_past(terms[pending:waiting], flat[place + pending : place + waiting], 1.0, 0.0)
    if past_the_cache:
        fence()
