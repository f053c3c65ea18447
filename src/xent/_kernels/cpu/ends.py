"""The ends of many rows at once: from their sums to losses and factors. For rows whose results are float32 or less."""

from typing import Any

from xent._kernels.cpu.exp import HIGH_64, LOG2E, LOW_64, MAGIC_64, exp
from xent._kernels.cpu.fields import (
    AT_TARGET,
    AT_TOP,
    BASE,
    BELOW,
    BIAS,
    FACTOR,
    LEAST,
    LEFT,
    LOSS,
    PLUS,
    SCALE,
    TOPS,
    TOTAL,
    WEIGHT,
    X_T,
    Z_LOSS,
)  # fmt: skip
from xent._kernels.cpu.lanes import sweep, times_plus, where
from xent._kernels.cpu.log import log1p
from xent._kernels.cpu.row_end import SURE
from xent._kernels.cpu.terms import NEAR, REACH
from xent._kernels.cpu.terms import SCALE as POWER

INFINITY, NAN = float("inf"), float("nan")


@sweep(whole=True)
def prepare(top: Any, f: Any) -> None:
    """What the terms of rows are formed with, from their maxima: LEAST, BASE, BIAS and LEFT of `fields`. Written."""
    x = top.load()
    none = x == -INFINITY
    near = magnitude(x) <= NEAR[0]
    shift = times_plus(x, LOG2E, MAGIC_64) - MAGIC_64
    f[LEAST].store(where(none, INFINITY, x - REACH[0]))
    f[BASE].store(where(near, 0.0, where(none, 0.0, x)))
    f[BIAS].store(where(near, POWER[0] - shift, POWER[0]))
    f[LEFT].store(where(near, (x - shift * HIGH_64) - shift * LOW_64, 0.0))


@sweep(whole=True)
def ends(top: Any, f: Any, smoothing: Any, each: Any, z_scale: Any) -> None:
    """What rows give, from their sums: LOSS, Z_LOSS, FACTOR, AT_TARGET, AT_TOP and PLUS of `fields`. Written.

    smoothing, each, z_scale   numbers; each = smoothing / classes.
    """
    highest, w = top.load(), f[WEIGHT].load()
    unit = exp(0.0 - f[LEFT].load(), 0.0 * each)
    rest = f[TOTAL].load() * (unit * 2.0 ** -POWER[0]) + (f[TOPS].load() - 1.0)
    poison = (highest - highest) + (rest - rest)  # NaN for a row that has none of this
    gap = highest - f[X_T].load()
    log_rest = log1p(rest) + poison
    smooth = gap * (1.0 - smoothing) + each * f[BELOW].load()
    f[LOSS].store(where(gap == INFINITY, gap + poison, smooth + log_rest))
    lse = highest + log_rest
    f[Z_LOSS].store(z_scale * lse * lse)
    pull = z_scale * 2.0 * lse * f[SCALE].load()
    whole = rest + 1.0 + poison
    part = 1.0 / whole
    share = (w + pull) * part
    f[FACTOR].store(share * unit)
    q_t = w * ((1.0 - smoothing) + each)
    others = w * (smoothing - each) + pull
    e_t = where(gap < 700.0, exp(0.0 - gap, 0.0 * each), 0.0)
    below_top = others * e_t - q_t * ((rest - e_t) + 1.0)
    f[AT_TARGET].store(where(gap == 0.0, others - q_t * rest, below_top) * part)
    sure = where(gap == 0.0, 1.0, rest) < SURE
    f[AT_TOP].store(where(sure, share - w * each, NAN))
    f[PLUS].store(0.0 - w * each)


def magnitude(x: Any) -> Any:
    """|x|."""
    return where(x < 0.0, 0.0 - x, x)
