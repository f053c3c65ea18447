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
from xent._kernels.cpu.lanes import WIDTH, as_float, sweep, where
from xent._kernels.cpu.row_end import place_of
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.terms import SCALE as POWER

LANES = 128
UNIT = 2.0 ** -POWER[0]


@sweep(whole=True)
def raise_top(x: Any, top: Any) -> None:
    """top = max(top, x); a NaN is not seen here."""
    logit, so_far = x.load(), top.load()
    top.store(where(logit > so_far, logit, so_far))


@sweep(whole=True)
def as_doubles(top: Any, f: Any) -> None:
    """The maxima as float64."""
    f[TOP].store(as_float(top.load(), "float64"))


@sweep(whole=True)
def as_singles(least: Any, base: Any, bias: Any, f: Any) -> None:
    """What terms are formed with, as float32."""
    least.store(as_float(f[LEAST].load(), "float32"))
    base.store(as_float(f[BASE].load(), "float32"))
    bias.store(as_float(f[BIAS].load(), "float32"))


@sweep(whole=True)
def ends_of_lanes(tops: Any, f: Any) -> None:
    """How many are at the top, as float64."""
    f[TOPS].store(as_float(tops.load(), "float64"))


@sweep(whole=True)
def factors_of_lanes(factors: Any, plus: Any, f: Any) -> None:
    """What terms are multiplied by, and what is added, as float32."""
    factors.store(as_float(f[FACTOR].load(), "float32"))
    plus.store(as_float(f[PLUS].load(), "float32"))


@sweep(whole=True)
def fill(x: Any, least: Any, base: Any, bias: Any, top: Any, total: Any, tops: Any) -> None:
    """The terms of one class over x; those of x < top are added to total, those at the top counted."""
    logit = x.load()
    found = where(logit < least.load(), 0.0, exp(logit - base.load(), bias.load()))
    at_top = logit == top.load()
    x.store(found)
    total.store(total.load() + as_float(where(at_top, 0.0, found), "float64"))
    tops.store(tops.load() + where(at_top, 1.0, found * 0.0))


@sweep(whole=True)
def add_gap(x: Any, top: Any, below: Any) -> None:
    """below += top - x."""
    below.store(below.load() + (as_float(top.load(), "float64") - as_float(x.load(), "float64")))


@sweep(whole=True)
def finish(x: Any, factor: Any, plus: Any) -> None:
    """The gradient of one class from its terms."""
    x.store((x.load() * factor.load()) * UNIT + plus.load())


@inner
def turn(rows, xs):
    """Rows (n, V) into xs (V, LANES)."""
    for r in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            xs[j, r] = rows[r, j]


@inner
def turn_back(xs, rows):
    """xs (V, LANES) into rows (n, V)."""
    for r in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[r, j] = xs[j, r]


def index_rows(logits, index, factor, scale, smoothing, z_scale, losses, z_losses, grad, xs, singles, f):
    """Loss and gradient of float32 rows for class indices.

    Arguments as `wide.index_rows`, but for the rooms:

    xs       (V, LANES) float32. Room.
    singles  (7, LANES) float32. Room.
    f        (FIELDS, LANES) float64. Room.
    """
    classes, each = logits.shape[1], smoothing / logits.shape[1]
    for lo in range(0, index.shape[0], LANES):
        hi = min(lo + LANES, index.shape[0])
        rows = hi - lo
        n = (rows + WIDTH - 1) // WIDTH * WIDTH  # lanes
        top, least, base, bias = singles[0, :n], singles[1, :n], singles[2, :n], singles[3, :n]
        tops, factors, plus = singles[4, :n], singles[5, :n], singles[6, :n]
        total, below, weight, x_t = f[TOTAL, :n], f[BELOW, :n], f[WEIGHT, :n], f[X_T, :n]
        targets = index[lo:hi]
        skipped = 0
        for r in range(rows):
            skipped += targets[r] == SKIPPED
        if skipped:
            xs[:] = 0.0
            for r in range(rows):
                if targets[r] != SKIPPED:
                    turn(logits[lo + r : lo + r + 1], xs[:, r : r + 1])
        else:
            turn(logits[lo:hi], xs)
        for r in range(rows):
            x_t[r] = xs[max(targets[r], 0), r]
        top[:], tops[:], total[:], below[:] = -np.inf, 0.0, 0.0, 0.0
        for r in range(rows):
            f[SCALE, r] = scale[lo + r]
            weight[r] = scale[lo + r] * factor[lo + r] if factor.shape[0] else scale[lo + r]
        for j in range(classes):
            raise_top(xs[j, :n], top)
        as_doubles(top, f)
        prepare(f[TOP, :n], f)
        as_singles(least, base, bias, f)
        if smoothing != 0.0:
            for j in range(classes):
                add_gap(xs[j, :n], top, below)
        for j in range(classes):
            fill(xs[j, :n], least, base, bias, top, total, tops)
        ends_of_lanes(tops, f)
        ends(f[TOP, :n], f, smoothing, each, z_scale)
        for r in range(rows):
            losses[lo + r], z_losses[lo + r] = f[LOSS, r], f[Z_LOSS, r]
        if grad.shape[0]:
            factors_of_lanes(factors, plus, f)
            for j in range(classes):
                finish(xs[j, :n], factors, plus)
            at_target, at_top = f[AT_TARGET, :n], f[AT_TOP, :n]
            for r in range(rows):
                xs[max(targets[r], 0), r] = np.float32(at_target[r])
                if at_top[r] == at_top[r] and targets[r] != SKIPPED:  # not NaN
                    xs[place_of(logits[lo + r], top[r]), r] = np.float32(at_top[r])
            turn_back(xs, grad[lo:hi])
        if skipped:
            for r in range(rows):
                if targets[r] == SKIPPED:
                    losses[lo + r], z_losses[lo + r] = 0.0, 0.0
                    if grad.shape[0]:
                        grad[lo + r, :] = 0.0
