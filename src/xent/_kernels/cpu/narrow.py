"""Rows of few classes, SIMD across the rows: each lane is a row, whatever the number of rows.

A block of rows is turned on its side, so that class j of all its rows lies side by side; then every step, the row ends
included, is one operation on all rows of the block. float32 only.
"""

from typing import Any

import numpy as np

from xent._kernels.cpu.ends import ends, prepare
from xent._kernels.cpu.exp import exp
from xent._kernels.cpu.fields import (
    AT_TARGET,
    AT_TOP,
    BASE,
    BELOW,
    BIAS,
    FACTOR,
    LEAST,
    LOSS,
    PLUS,
    SCALE,
    TOP,
    TOPS,
    TOTAL,
    WEIGHT,
    X_T,
    Z_LOSS,
)  # fmt: skip
from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.lanes import WIDTH, as_float, every, sweep, where
from xent._kernels.cpu.row_end import place_of
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.terms import SCALE as POWER
from xent._kernels.cpu.turn import turn, turn_back

LANES = 128
UNIT = 2.0 ** -POWER[0]


@sweep(whole=True)
def largest(top: Any, xs: Any) -> None:
    """The largest logit of every row into top; a NaN is not seen here."""
    none = every(top.load(), -np.inf)
    (found,) = xs.over(lambda x, so_far: (larger(x.load(), so_far),), none)
    top.store(found)


def larger(a: Any, b: Any) -> Any:
    """The larger lanes."""
    return where(a > b, a, b)


@sweep(whole=True)
def as_doubles(top: Any, f: Any) -> None:
    """The maxima as float64."""
    f[TOP].store(as_float(top.load(), "float64"))


@sweep(whole=True)
def fill(top: Any, xs: Any, f: Any) -> None:
    """The terms of all classes over xs; TOTAL of those of x < top, TOPS: how many are at the top."""
    highest = top.load()
    least, base, bias = (as_float(f[field].load(), "float32") for field in (LEAST, BASE, BIAS))

    zero, sums = every(highest, 0.0), every(as_float(highest, "float64"), 0.0)

    def one(x: Any, total: Any, tops: Any) -> tuple[Any, Any]:
        logit = x.load()
        found = where(logit < least, 0.0, exp(logit - base, bias))
        at_top = logit == highest
        x.store(found)
        return total + as_float(where(at_top, 0.0, found), "float64"), tops + where(at_top, 1.0, zero)

    total, tops = xs.over(one, sums, zero)
    f[TOTAL].store(total)
    f[TOPS].store(as_float(tops, "float64"))


@sweep(whole=True)
def add_gaps(top: Any, xs: Any, f: Any) -> None:
    """The sum of top - x into BELOW."""
    highest = as_float(top.load(), "float64")
    (below,) = xs.over(lambda x, so_far: (so_far + (highest - as_float(x.load(), "float64")),), every(highest, 0.0))
    f[BELOW].store(below)


@sweep(whole=True)
def finish(top: Any, xs: Any, f: Any) -> None:
    """The gradients from the terms; top is not looked at."""
    del top
    factor, plus = as_float(f[FACTOR].load(), "float32"), as_float(f[PLUS].load(), "float32")

    def one(x: Any) -> tuple[()]:
        x.store((x.load() * factor) * UNIT + plus)
        return ()

    xs.over(one)


@inner
def turn_some(rows, xs, targets):
    """Rows (n, V) into xs (V, LANES), but for those that are SKIPPED."""
    for r in range(rows.shape[0]):
        if targets[r] != SKIPPED:
            for j in range(rows.shape[1]):
                xs[j, r] = rows[r, j]


@inner
def turn_all(rows, xs):
    """Rows (n, V) into xs (V, LANES)."""
    whole = rows.shape[0] // WIDTH * WIDTH
    for first in range(0, whole, WIDTH):
        turn(rows, xs, first)
    for r in range(whole, rows.shape[0]):
        for j in range(rows.shape[1]):
            xs[j, r] = rows[r, j]


@inner
def turn_all_back(xs, rows):
    """xs (V, LANES) into rows (n, V)."""
    whole = rows.shape[0] // WIDTH * WIDTH
    for first in range(0, whole, WIDTH):
        turn_back(xs, rows, first)
    for r in range(whole, rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[r, j] = xs[j, r]


@inner
def lines_for(classes: int) -> int:
    """How many lines of LANES a block needs: of whole vectors, when rows are turned."""
    return (classes + WIDTH - 1) // WIDTH * WIDTH


def index_rows(logits, index, factor, scale, smoothing, z_scale, losses, z_losses, grad, room, top_room, f):
    """Loss and gradient of float32 rows for class indices.

    Arguments as `wide.index_rows`, but for the rooms:

    room      (lines_for(V), LANES) float32. Room.
    top_room  (LANES,) float32. Room.
    f         (FIELDS, LANES) float64. Room.
    """
    classes, each = logits.shape[1], smoothing / logits.shape[1]
    xs = room[:classes]
    for lo in range(0, index.shape[0], LANES):
        hi = min(lo + LANES, index.shape[0])
        rows = hi - lo
        n = (rows + WIDTH - 1) // WIDTH * WIDTH  # lanes
        top, weight, x_t = top_room[:n], f[WEIGHT, :n], f[X_T, :n]
        targets = index[lo:hi]
        skipped = 0
        for r in range(rows):
            skipped += targets[r] == SKIPPED
        if skipped:
            xs[:] = 0.0
            turn_some(logits[lo:hi], xs, targets)
        else:
            turn_all(logits[lo:hi], xs)
        for r in range(rows):
            x_t[r] = xs[max(targets[r], 0), r]
        for r in range(rows):
            f[SCALE, r] = scale[lo + r]
            weight[r] = scale[lo + r] * factor[lo + r] if factor.shape[0] else scale[lo + r]
        largest(top, xs)
        as_doubles(top, f)
        prepare(f[TOP, :n], f)
        if smoothing != 0.0:
            add_gaps(top, xs, f)
        fill(top, xs, f)
        ends(f[TOP, :n], f, smoothing, each, z_scale)
        for r in range(rows):
            losses[lo + r], z_losses[lo + r] = f[LOSS, r], f[Z_LOSS, r]
        if grad.shape[0]:
            finish(top, xs, f)
            at_target, at_top = f[AT_TARGET, :n], f[AT_TOP, :n]
            for r in range(rows):
                xs[max(targets[r], 0), r] = np.float32(at_target[r])
                if at_top[r] == at_top[r] and targets[r] != SKIPPED:  # not NaN
                    xs[place_of(logits[lo + r], top[r]), r] = np.float32(at_top[r])
            turn_all_back(xs, grad[lo:hi])
        if skipped:
            for r in range(rows):
                if targets[r] == SKIPPED:
                    losses[lo + r], z_losses[lo + r] = 0.0, 0.0
                    if grad.shape[0]:
                        grad[lo + r, :] = 0.0
