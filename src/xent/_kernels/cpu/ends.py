"""The ends of many rows at once: from their sums to losses and factors. For rows whose results are float32 or less."""

from typing import Any

from xent._kernels.cpu.exp import HIGH_64, LOG2E, LOW_64, MAGIC_64, exp
from xent._kernels.cpu.lanes import sweep, times_plus, where
from xent._kernels.cpu.log import log1p
from xent._kernels.cpu.row_end import SURE
from xent._kernels.cpu.terms import NEAR, REACH, SCALE

INFINITY, NAN = float("inf"), float("nan")


@sweep(whole=True)
def prepare(top: Any, least: Any, base: Any, bias: Any, left: Any) -> None:
    """What the terms of rows are formed with, from their maxima; all (n,) float64. See `terms.constants`."""
    x = top.load()
    none = x == -INFINITY
    near = magnitude(x) <= NEAR[0]
    shift = times_plus(x, LOG2E, MAGIC_64) - MAGIC_64
    least.store(where(none, INFINITY, x - REACH[0]))
    base.store(where(near, 0.0, where(none, 0.0, x)))
    bias.store(where(near, SCALE[0] - shift, SCALE[0]))
    left.store(where(near, (x - shift * HIGH_64) - shift * LOW_64, 0.0))


@sweep(whole=True)
def ends(
    top: Any, left: Any, total: Any, tops: Any, x_t: Any, below: Any, weight: Any, scale: Any,
    loss: Any, z_loss: Any, factor: Any, at_target: Any, at_top: Any, plus: Any,
    smoothing: Any, each: Any, z_scale: Any,
) -> None:  # fmt: skip
    """What rows give, from their sums; all (n,) float64.

    top, x_t  largest logit, the target's.    left  as `prepare` gave it.
    total     sum of the other terms × 2**scale.    tops  how many logits are at the top.
    below     sum of top - x_j; read with smoothing.
    weight    class weight × scale.    scale  sample weight / denominator.
    loss      nats. Written.    z_loss  z_scale·lse². Written.
    factor    what a term × 2**-scale is multiplied by. Written.
    at_target, plus   the gradient at the target; what is added elsewhere. Written.
    at_top    the gradient at a maximum that is not the target, in a sure row; else NaN: it needs no care. Written.
    smoothing, each, z_scale   numbers; each = smoothing / classes.
    """
    highest, w = top.load(), weight.load()
    unit = exp(0.0 - left.load(), 0.0 * each)
    rest = total.load() * (unit * 2.0 ** -SCALE[0]) + (tops.load() - 1.0)
    poison = (highest - highest) + (rest - rest)  # NaN for a row that has none of this
    gap = highest - x_t.load()
    log_rest = log1p(rest) + poison
    smooth = gap * (1.0 - smoothing) + each * below.load()
    loss.store(where(gap == INFINITY, gap + poison, smooth + log_rest))
    lse = highest + log_rest
    z_loss.store(z_scale * lse * lse)
    pull = z_scale * 2.0 * lse * scale.load()
    whole = rest + 1.0 + poison
    share = (w + pull) / whole
    factor.store(share * unit)
    q_t = w * ((1.0 - smoothing) + each)
    others = w * (smoothing - each) + pull
    e_t = where(gap < 700.0, exp(0.0 - gap, 0.0 * each), 0.0)
    below_top = others * e_t - q_t * ((rest - e_t) + 1.0)
    at_target.store(where(gap == 0.0, others - q_t * rest, below_top) / whole)
    sure = where(gap == 0.0, 1.0, rest) < SURE
    at_top.store(where(sure, share - w * each, NAN))
    plus.store(0.0 - w * each)


def magnitude(x: Any) -> Any:
    """|x|."""
    return where(x < 0.0, 0.0 - x, x)
