"""Rows that come a block of classes at a time: their states are folded first, then every block is finished with them.

Two kernels, for logits that are computed twice because not even some rows of them fit into memory at once. What a row
gives is what `rows` gives, but for the rounding of the sums, which are added up block by block.
"""

import math

import numpy as np

from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.rows import fill_terms, top_of
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


@inner
def state_of_block(x, logit_scale, softcap):
    """Maximum of x (v,), sum of its other terms, and place of the first maximum; NaN, NaN, -1 if there is a NaN."""
    k = top_of(x)
    if k < 0:
        return np.nan, np.nan, k
    nothing = np.empty(0)
    return np.float64(x[k]), fill_terms(x, k, logit_scale, softcap, nothing, nothing), k


@inner
def weight_of(c, t, q_c, mass, class_weight, smoothing, classes):
    """w_c·q'_c of class c, of a probability row (t < 0) or of class t.

    Of a class without smoothing the class weight is left out: it is the row's factor.
    """
    if t < 0:
        weight, weighted = smoothed(q_c, mass, smoothing, classes), True
    else:
        weight, weighted = smoothed(1.0 if c == t else 0.0, 1.0, smoothing, classes), smoothing != 0.0
    if weighted and class_weight.shape[0]:
        weight *= class_weight[c]
    return weight


def fold(
    x, first, index, q, mass, class_weight, smoothing, classes, logit_scale, softcap,
    tops, rests, places, others, at_top,
):  # fmt: skip
    """Take a block of classes into the state of every row. Blocks come in the order of their classes.

    x             (n, v) float32 or float64, logits of classes first ... first + v - 1. Read.
    index         (n,) int64: the row's class, or -1: a probability row. Read.
    q             (n, v) float64 >= 0, read in probability rows; (0, 0) if there are none.
    mass          (n,) float64, sum of q over all classes; or (0,): class indices. Read.
    class_weight  (V,) float64, or (0,): all 1. Read.
    smoothing, logit_scale, softcap   float64; softcap infinite: none. classes: V.
    tops, rests   (n,) float64, the state so far; core.row.EMPTY before the first block. Written.
    places        (n,) int64, class of the first maximum so far; -1: none above -inf. Written.
    others, at_top   (n,) float64, sum of w_c·q'_c over the other classes, and that of the maximum; (0,) where neither
                  smoothing nor probabilities nor z-loss ask for it. Written.
    """
    for i in range(index.shape[0]):
        top, rest, k = state_of_block(x[i], logit_scale, softcap)
        higher = top > tops[i]
        merged = merge(RowState(tops[i], rests[i]), RowState(top, rest), logit_scale, softcap)
        tops[i], rests[i] = merged.max, merged.rest
        if higher:
            places[i] = first + k
        if others.shape[0]:
            total, error = others[i], 0.0
            if higher:
                total, error = two_sum(total, at_top[i])
            for j in range(x.shape[1]):
                q_c = q[i, j] if index[i] < 0 else 0.0
                weight = weight_of(
                    first + j, index[i], q_c, mass[i] if index[i] < 0 else 1.0, class_weight, smoothing, classes
                )
                if higher and j == k:
                    at_top[i] = weight
                else:
                    total, lost = two_sum(total, weight)
                    error += lost
            others[i] = total + error


def finish(
    x, first, index, q, mass, factor, class_weight, smoothing, classes, z_scale, logit_scale, softcap, scale,
    tops, rests, places, others, at_top, losses, z_losses, extras, predicted, grad,
):  # fmt: skip
    """Add a block of classes to the results of every row, and write the gradient by its logits.

    Arguments as in `fold` and in `rows.rows`; what `fold` writes is read here. All rows count.

    losses, extras   added to: 0 before the first block. z_losses, predicted: written with the first block.
    grad             (n, v) dtype of x; may be `x`; or (0, 0). Written.

    A row whose log-sum-exp is not finite: NaN, in all its results.
    """
    wanted, with_gradient = extras.shape[0] > 0, grad.shape[0] > 0
    plain = logit_scale == 1.0 and softcap == np.inf
    for i in range(index.shape[0]):
        t = index[i]
        state = RowState(tops[i], rests[i])
        lse_of_row = lse(state, logit_scale, softcap)
        if not np.isfinite(lse_of_row):
            losses[i], z_losses[i] = np.nan, np.nan
            for j in range(grad.shape[1]):
                grad[i, j] = np.nan
            for field in range(extras.shape[1]):
                extras[i, field] = np.nan
            if wanted:
                predicted[i] = -1
            continue
        row_factor = factor[i] if factor.shape[0] else 1.0
        row_mass = mass[i] if mass.shape[0] else 1.0
        soft = t < 0 or smoothing != 0.0
        weighted = soft or z_scale != 0.0
        if first == 0:
            z_losses[i] = z_scale * lse_of_row * lse_of_row
            if wanted:
                extras[i, 0], extras[i, 1], extras[i, 2] = lse_of_row, np.log1p(rests[i]), 0.0
                predicted[i] = places[i]
        if t >= first and t < first + x.shape[1]:
            nll_t = nll(state, np.float64(x[i, t - first]), logit_scale, softcap)
            if not soft:
                losses[i] = nll_t
            if wanted:
                extras[i, 2] = -nll_t * row_mass
        share, more = share_of(rests[i], scale[i] * row_factor)  # without smoothing and z-loss
        pull = 2.0 * z_scale * lse_of_row
        if weighted:
            whole = row_mass if t < 0 else row_factor  # smoothing does not change it
            if class_weight.shape[0]:
                whole = (others[i] + at_top[i]) * row_factor
            share, more = share_of(rests[i], whole + pull)
        loss, loss_error, log_prob, log_prob_error, entropy, entropy_error = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(x.shape[1]):
            xj = np.float64(x[i, j])
            high, low = gap(tops[i], xj, logit_scale, softcap)
            e = math.exp(-high)
            q_c = q[i, j] if t < 0 else 0.0
            weight = 0.0
            if weighted:
                weight = weight_of(first + j, t, q_c, row_mass, class_weight, smoothing, classes)
            if soft and weight != 0.0:
                loss, lost = two_sum(loss, weight * nll(state, xj, logit_scale, softcap))
                loss_error += lost
            if wanted and q_c != 0.0:
                log_prob, lost = two_sum(log_prob, q_c * nll(state, xj, logit_scale, softcap))
                log_prob_error += lost
            if wanted and e != 0.0:
                entropy, lost = two_sum(entropy, (e - e * low) * (high + low))
                entropy_error += lost
            if not with_gradient:
                continue
            g, g_low = times(e, low, share, more)
            if weighted:
                g = (g - weight * row_factor) + g_low
                if first + j == places[i]:
                    g = gradient_at_top(rests[i], others[i] * row_factor, weight * row_factor, pull)
                grad[i, j] = scale[i] * g * slope(xj, logit_scale, softcap)
                continue
            if first + j == t:
                g, g_low = times(-rests[i], 0.0, share, more) if xj == tops[i] else (g - scale[i] * row_factor, g_low)
            grad[i, j] = g + g_low if plain else (g + g_low) * slope(xj, logit_scale, softcap)
        if soft:
            losses[i] += loss + loss_error if loss < np.inf else loss
        if wanted:
            extras[i, 1] += (entropy + entropy_error) / (1.0 + rests[i])
            if t < 0:
                extras[i, 2] -= log_prob + log_prob_error if log_prob < np.inf else log_prob
