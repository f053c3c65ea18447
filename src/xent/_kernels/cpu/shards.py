"""Rows whose classes lie in shards: what a shard knows of a row, the merge in rank order, its part of the gradient.

Every option, every target; the loops of `rows`, cut where the row is cut. In float64 inside.
"""

import math

import numpy as np

from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED, top_of
from xent._kernels.cpu.scalar import (
    RowState,
    gap,
    gradient_at_top,
    lse,
    nll,
    share_of,
    slope,
    smoothed,
    times,
    two_sum,
)  # fmt: skip
from xent.core.row import merge

inner(merge)

ELSEWHERE = -3  # in place of a class index: the target is a class of another shard
MAX, REST, TARGET, GAP, MASS, OTHERS, WEIGHT = range(7)  # columns of a shard's fields: see `states`
PLAIN_FIELDS, ALL_FIELDS = 3, 7  # how many of them are needed without and with probabilities or smoothing


@inner
def weight_of(j, t, q_row, class_weight, smoothing, classes):
    """v_j: class weight × smoothed target of class j of the shard; q_row (V,) counts where t is PROBABILITIES."""
    raw = q_row[j] if t == PROBABILITIES else (1.0 if j == t else 0.0)
    v = smoothed(raw, 1.0, smoothing, classes)
    return v * class_weight[j] if class_weight.shape[0] else v


def states(logits, index, q, class_weight, smoothing, classes, logit_scale, softcap, fields, top):
    """What a shard knows of every row.

    logits        (N, V) float32 or float64, the shard's classes; V may be 0. Read.
    index         (N,) int64: the target's place in the shard, 0 <= index < V; ELSEWHERE; PROBABILITIES; SKIPPED. Read.
    q             (N, V) float64 >= 0, read in rows of PROBABILITIES; or (1, 0).
    class_weight  (V,) float64, of the shard's classes; or (0,): all 1. Read where fields has all columns.
    smoothing     float64. classes: int64, of all shards. logit_scale, softcap: float64; softcap infinite: none.
    fields        (N, 3) or (N, 7) float64: MAX, REST of the row's state; TARGET, the target's logit if it is here, else
                  0; and with v = class weight × smoothed target: GAP, sum of v_j × (max - x_j); MASS, sum of v_j;
                  OTHERS, the same without the maximum; WEIGHT, sum of class weight × q. 0 in rows that are SKIPPED.
                  Written.
    top           (N,) int64: the place of the first largest logit, -1 where there is none. Written.
    """
    for i in range(index.shape[0]):
        t = index[i]
        top[i] = -1
        for c in range(fields.shape[1]):
            fields[i, c] = 0.0
        if t == SKIPPED:
            continue
        k = top_of(logits[i]) if logits.shape[1] else -1
        top[i] = k
        if logits.shape[1] == 0:
            fields[i, MAX], fields[i, REST] = -np.inf, -1.0
            continue
        if k < 0:
            fields[i, MAX], fields[i, REST] = np.nan, np.nan
            continue
        highest = np.float64(logits[i, k])
        total, error = 0.0, 0.0
        for j in range(logits.shape[1]):
            if j != k:
                high, low = gap(highest, np.float64(logits[i, j]), logit_scale, softcap)
                e = math.exp(-high)
                total, lost = two_sum(total, e)
                error += lost - e * low
        fields[i, MAX], fields[i, REST] = highest, total + error
        if t >= 0:
            fields[i, TARGET] = logits[i, t]
        if fields.shape[1] == PLAIN_FIELDS:
            continue
        below, below_error, mass, mass_error, raw, raw_error = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(logits.shape[1]):
            v = weight_of(j, t, q[i if q.shape[1] else 0], class_weight, smoothing, classes)
            if v != 0.0 and j != k:
                high, low = gap(highest, np.float64(logits[i, j]), logit_scale, softcap)
                below, lost = two_sum(below, v * (high + low))
                below_error += lost
                mass, lost = two_sum(mass, v)
                mass_error += lost
            if t == PROBABILITIES:
                part = q[i, j] * class_weight[j] if class_weight.shape[0] else q[i, j]
                raw, lost = two_sum(raw, part)
                raw_error += lost
        others = mass + mass_error
        fields[i, GAP] = below + below_error if below < np.inf else below
        fields[i, OTHERS] = others
        fields[i, MASS] = others + weight_of(k, t, q[i if q.shape[1] else 0], class_weight, smoothing, classes)
        fields[i, WEIGHT] = raw + raw_error


def merged(shards, index, owner, factor_here, z_scale, logit_scale, softcap, losses, z_losses, whole):
    """Merge what the shards know, in rank order; loss and z-loss of every row.

    shards       (R, N, 3 or 7) float64, `fields` of the R shards. Read.
    index        (N,) int64: SKIPPED for a row that does not count. Read.
    owner        (N,) int64: the shard that has the target; -1 for probabilities. Read.
    factor_here  float64: 1 where all losses are expectations over v (smoothing, probabilities), else 0.
    losses, z_losses   (N,) float64. Written.
    whole        (N, 5) float64: max, rest, sum of v, sum of v of the classes that are not the first largest, and the
                 shard that has that one (a whole number; -1 where the row has no loss). Written.
    """
    for i in range(index.shape[0]):
        losses[i], z_losses[i] = 0.0, 0.0
        for c in range(whole.shape[1]):
            whole[i, c] = 0.0
        if index[i] == SKIPPED:
            continue
        state, first, below, mass = RowState(-np.inf, -1.0), -1, 0.0, 0.0
        for r in range(shards.shape[0]):
            piece = RowState(shards[r, i, MAX], shards[r, i, REST])
            if piece.rest >= 0.0 and (first < 0 or piece.max > shards[first, i, MAX]):
                first = r
            state = merge(state, piece, logit_scale, softcap)
        lse_of_row = lse(state, logit_scale, softcap)
        if first < 0 or not np.isfinite(lse_of_row):
            losses[i], z_losses[i] = np.nan, np.nan
            whole[i, 0], whole[i, 1], whole[i, 4] = np.nan, np.nan, -1.0
            continue
        z_losses[i] = z_scale * lse_of_row * lse_of_row
        whole[i, 0], whole[i, 1], whole[i, 4] = state.max, state.rest, first
        if factor_here == 0.0:
            losses[i] = nll(state, shards[owner[i], i, TARGET], logit_scale, softcap)
            continue
        error, mass_error, others, others_error = 0.0, 0.0, 0.0, 0.0
        for r in range(shards.shape[0]):
            v = shards[r, i, MASS]
            below, lost = two_sum(below, shards[r, i, GAP])
            error += lost
            if v != 0.0:
                high, low = gap(state.max, shards[r, i, MAX], logit_scale, softcap)
                below, lost = two_sum(below, v * (high + low))
                error += lost
            mass, lost = two_sum(mass, v)
            mass_error += lost
            others, lost = two_sum(others, shards[r, i, OTHERS] if r == first else v)
            others_error += lost
        whole[i, 2], whole[i, 3] = mass + mass_error, others + others_error
        below = below + error if below < np.inf else below
        losses[i] = below + whole[i, 2] * np.log1p(state.rest)


def gradient(
    logits,
    index,
    q,
    class_weight,
    smoothing,
    classes,
    z_scale,
    logit_scale,
    softcap,
    rank,
    top,
    whole,
    factor,
    scale,
    grad,
):
    """A shard's part of the gradient of the sum of scale × (factor × loss + z-loss).

    logits, index, q, class_weight, smoothing, classes, logit_scale, softcap, top: as in `states`. Read.
    rank    int64, of the shard. whole: (N, 5) float64, as `merged` wrote it. Read.
    factor  (N,) float64, multiplies the loss; or (0,): all 1. Read.
    scale   (N,) float64, sample weight / denominator × upstream. Read.
    grad    (N, V) dtype of logits; may be `logits`. Written.
    """
    for i in range(index.shape[0]):
        t, highest, rest = index[i], whole[i, 0], whole[i, 1]
        if t == SKIPPED or whole[i, 4] < 0.0:
            for j in range(logits.shape[1]):
                grad[i, j] = 0.0 if t == SKIPPED else np.nan
            continue
        times_loss = factor[i] if factor.shape[0] else 1.0
        soft = t == PROBABILITIES or smoothing != 0.0
        pull = 2.0 * z_scale * lse(RowState(highest, rest), logit_scale, softcap)
        mass, others = (whole[i, 2], whole[i, 3]) if soft else (1.0, 1.0)
        if not soft and t == top[i] and whole[i, 4] == rank:
            others = 0.0
        plain = not soft and z_scale == 0.0
        share, more = share_of(rest, scale[i] * times_loss) if plain else share_of(rest, mass * times_loss + pull)
        for j in range(logits.shape[1]):
            x = np.float64(logits[i, j])
            high, low = gap(highest, x, logit_scale, softcap)
            if plain and j == t and x == highest:
                high, low = times(-rest, 0.0, share, more)
            else:
                high, low = times(math.exp(-high), low, share, more)
                if plain and j == t:
                    high -= scale[i] * times_loss
            if plain:
                g = high + low
            else:
                v = (
                    times_loss * weight_of(j, t, q[i if q.shape[1] else 0], class_weight, smoothing, classes)
                    if soft
                    else (times_loss if j == t else 0.0)
                )
                g = (high - v) + low
                if j == top[i] and whole[i, 4] == rank:
                    g = gradient_at_top(rest, others * times_loss, v, pull)
                g *= scale[i]
            grad[i, j] = g * slope(x, logit_scale, softcap)
