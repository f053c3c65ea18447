"""Loss, gradient and everything else of whole rows, one after the other, in float64 inside.

Every option, every target; the loop of `core.item`, with arrays for lists and running sums of two
floats (sum and its error) for `math.fsum`.
"""

import math

import numpy as np

from xent._kernels.cpu.jit import inner
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

PROBABILITIES = -1  # in place of a class index: the target is a probability row
SKIPPED = -2  # the row does not count


@inner
def top_of(x):
    """Index of the first largest logit of x (V,); -1 if there is a NaN."""
    k = 0
    for j in range(x.shape[0]):
        if x[j] != x[j]:
            return -1
        if x[j] > x[k]:
            k = j
    return k


@inner
def fill_terms(x, k, logit_scale, softcap, terms, lows):
    """exp(-high) into terms and low into lows, (V,) float64 or (0,), where high + low = x'_k - x'_j.

    The term of class j is exp(-high)·(1 - low); returns the sum of the terms with j != k.
    """
    total, error = 0.0, 0.0
    for j in range(x.shape[0]):
        high, low = gap(np.float64(x[k]), np.float64(x[j]), logit_scale, softcap)
        e = math.exp(-high)
        if terms.shape[0]:
            terms[j], lows[j] = e, low
        if j != k:
            total, lost = two_sum(total, e)
            error += lost - e * low
    return total + error


@inner
def fill_q(q, mass, class_weight, smoothing, weights):
    """w_c·q'_c of every class into weights (V,) float64, of the probability row q (V,)."""
    classes = weights.shape[0]
    for c in range(classes):
        weights[c] = smoothed(q[c], mass, smoothing, classes)
        if class_weight.shape[0]:
            weights[c] *= class_weight[c]


@inner
def fill_one_hot(t, class_weight, smoothing, weights):
    """The same for class t; without smoothing the class weight is left out (it is the row's factor)."""
    classes = weights.shape[0]
    for c in range(classes):
        weights[c] = smoothed(1.0 if c == t else 0.0, 1.0, smoothing, classes)
        if class_weight.shape[0] and smoothing != 0.0:
            weights[c] *= class_weight[c]


@inner
def expected_nll(x, k, rest, q, logit_scale, softcap):
    """Sum of q_j·nll_j over x (V,); a class with q_j = 0 adds nothing, even at -inf."""
    state = RowState(np.float64(x[k]), rest)
    total, error = 0.0, 0.0
    for j in range(x.shape[0]):
        if q[j] != 0.0:
            total, lost = two_sum(total, q[j] * nll(state, np.float64(x[j]), logit_scale, softcap))
            error += lost
    return total + error if total < np.inf else total


@inner
def sum_but(q, k):
    """Sum of q (V,) without entry k; all of it for k = -1."""
    total, error = 0.0, 0.0
    for j in range(q.shape[0]):
        if j != k:
            total, lost = two_sum(total, q[j])
            error += lost
    return total + error


@inner
def write_index_gradient(x, k, t, rest, terms, lows, scale, logit_scale, softcap, grad):
    """scale × gradient of nll_t into grad (V,), which may be x, for a row without smoothing and z-loss."""
    share, more = share_of(rest, scale)
    plain = logit_scale == 1.0 and softcap == np.inf
    at_top = x[t] == x[k]
    for j in range(x.shape[0]):
        high, low = times(terms[j], lows[j], share, more)
        if j == t:
            high, low = times(-rest, 0.0, share, more) if at_top else (high - scale, low)
        grad[j] = high + low if plain else (high + low) * slope(np.float64(x[j]), logit_scale, softcap)


@inner
def write_gradient(x, k, rest, terms, lows, q, mass, pull, scale, logit_scale, softcap, grad):
    """scale × gradient of (sum of q_j·nll_j + z-loss) into grad (V,), which may be x.

    mass is the sum of q, pull the derivative of the z-loss by lse.
    """
    share, more = share_of(rest, mass + pull)
    top = gradient_at_top(rest, sum_but(q, k), q[k], pull)
    for j in range(x.shape[0]):
        high, low = times(terms[j], lows[j], share, more)
        g = top if j == k else (high - q[j]) + low
        grad[j] = scale * g * slope(np.float64(x[j]), logit_scale, softcap)


@inner
def entropy_of(x, k, rest, terms, logit_scale, softcap):
    """-(sum of p·log p) of x (V,): log1p(rest) + sum of p_j × gap_j."""
    total, error = 0.0, 0.0
    for j in range(x.shape[0]):
        if terms[j] != 0.0:
            high, low = gap(np.float64(x[k]), np.float64(x[j]), logit_scale, softcap)
            total, lost = two_sum(total, terms[j] * (high + low))
            error += lost
    return (total + error) / (1.0 + rest) + np.log1p(rest)


def rows(
    logits, index, q, mass, factor, class_weight, smoothing, z_scale, logit_scale, softcap, scale,
    losses, z_losses, extras, predicted, grad,
):  # fmt: skip
    """Loss of every row, and the gradient of the sum of scale × (factor × loss + z-loss) by the logits.

    logits        (N, V) float32 or float64. Read.
    index         (N,) int64: the row's class, checked: 0 <= index < V; or PROBABILITIES; or SKIPPED. Read.
    q             (N, V) float64 >= 0, read in rows of PROBABILITIES; (0, 0) if there are none.
    mass          (N,) float64, sum of q of the row; or (0,): class indices. Read.
    factor        (N,) float64, multiplies the loss: the class weight, or 1 where that is in q; or (0,): all 1. Read.
    class_weight  (V,) float64, or (0,): all 1. Read in rows of probabilities, and of indices with smoothing.
    smoothing, z_scale, logit_scale, softcap   float64; softcap infinite: none.
    scale         (N,) float64, sample weight / denominator. Read.
    losses        (N,) float64, sum of q·nll in nats. Written.
    z_losses      (N,) float64, z_scale·lse². Written.
    extras        (N, 3) float64: lse, entropy, log_prob; or (0, 0): not wanted. Written.
    predicted     (N,) int64: first largest logit, -1 where there is none; or (0,). Written.
    grad          (N, V) dtype of logits, in nats per unit of logit; may be `logits`; or (0, 0). Written.

    A row that is SKIPPED is never read: its results are 0 (predicted: -1). A row whose maximum is not finite, or that
    holds a NaN: NaN, in all its results. A row's results depend on that row alone.

    Error    tests/accuracy. Source: core.item.
    """
    classes = logits.shape[1]
    terms, lows, weights = np.empty(classes), np.empty(classes), np.empty(classes)
    wanted, with_gradient = extras.shape[0] > 0, grad.shape[0] > 0
    for i in range(index.shape[0]):
        t = index[i]
        row_factor = factor[i] if factor.shape[0] else 1.0
        k = -1 if t == SKIPPED else top_of(logits[i])
        rest = fill_terms(logits[i], k, logit_scale, softcap, terms, lows) if k >= 0 else 0.0
        state = RowState(np.float64(logits[i, k]) if k >= 0 else np.nan, rest)
        lse_of_row = lse(state, logit_scale, softcap)
        if not np.isfinite(lse_of_row):  # nothing is wanted of this row, or nothing can be had
            nothing = 0.0 if t == SKIPPED else np.nan
            losses[i] = nothing
            z_losses[i] = nothing
            for j in range(grad.shape[1]):
                grad[i, j] = nothing
            for field in range(extras.shape[1]):
                extras[i, field] = nothing
            if wanted:
                predicted[i] = -1
            continue
        z_losses[i] = z_scale * lse_of_row * lse_of_row
        soft = t < 0 or smoothing != 0.0
        if t < 0:
            fill_q(q[i], mass[i], class_weight, smoothing, weights)
        elif soft or z_scale != 0.0:
            fill_one_hot(t, class_weight, smoothing, weights)
        if soft:
            losses[i] = expected_nll(logits[i], k, rest, weights, logit_scale, softcap)
        else:
            losses[i] = nll(state, np.float64(logits[i, t]), logit_scale, softcap)
        if wanted:
            extras[i, 0] = lse_of_row
            extras[i, 1] = entropy_of(logits[i], k, rest, terms, logit_scale, softcap)
            if t < 0:
                extras[i, 2] = -expected_nll(logits[i], k, rest, q[i], logit_scale, softcap)
            else:
                nll_t = nll(state, np.float64(logits[i, t]), logit_scale, softcap)
                extras[i, 2] = -nll_t * (mass[i] if mass.shape[0] else 1.0)
            predicted[i] = k
        if with_gradient and (soft or z_scale != 0.0):
            for c in range(weights.shape[0]):
                weights[c] *= row_factor
            whole = sum_but(weights, -1)
            if not class_weight.shape[0]:  # smoothing does not change it
                whole = mass[i] if t < 0 else row_factor
            pull = 2.0 * z_scale * lse_of_row
            write_gradient(
                logits[i], k, rest, terms, lows, weights, whole, pull, scale[i], logit_scale, softcap, grad[i]
            )
        elif with_gradient:
            write_index_gradient(
                logits[i], k, t, rest, terms, lows, scale[i] * row_factor, logit_scale, softcap, grad[i]
            )


def softmax(logits, out):
    """Probabilities of every row: exp(x_j - max) / (1 + rest).

    logits  (N, V) float32 or float64. Read.
    out     (N, V) dtype of logits; may be `logits`. Written.

    Error   1 ULP of float32 for float32; 3 of float64 for float64: tests/accuracy.
    """
    terms, lows = np.empty(logits.shape[1]), np.empty(logits.shape[1])
    for i in range(logits.shape[0]):
        k = top_of(logits[i])
        rest = fill_terms(logits[i], k, 1.0, np.inf, terms, lows) if k >= 0 else np.nan
        if k < 0 or not np.isfinite(logits[i, k]):
            out[i] = np.nan
            continue
        share, more = share_of(rest, 1.0)
        for j in range(terms.shape[0]):
            high, low = times(terms[j], lows[j], share, more)
            out[i, j] = high + low
