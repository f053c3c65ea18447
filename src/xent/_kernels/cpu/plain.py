"""Before and after the kernel of a plain call: labels checked and counted; the exact mean of the losses.

Plain: class indices, C-contiguous rows, the mean over the rows that are not ignored. In compiled code, because a small
batch takes less time than the same in NumPy.
"""

import math

import numpy as np

from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.sums import GRID, LIMBS, deposit

BITS = 62  # of a quotient that are looked at before it is rounded: they fit an int64
run_deposit = inner(deposit)


@inner
def overlap(a, b):
    """Whether two C-contiguous arrays share memory."""
    first, second = a.ctypes.data, b.ctypes.data
    return first < second + b.size * b.itemsize and second < first + a.size * a.itemsize


@inner
def divided(limbs, divisor):
    """The sum in limbs (>= 0, in units of 2**GRID) / divisor (< 2**31), rounded once to float64."""
    carry = 0
    for k in range(LIMBS):  # digits of 32 bits
        carry += limbs[k]
        limbs[k] = carry & 0xFFFFFFFF
        carry >>= 32
    left, top = 0, -1
    for k in range(LIMBS - 1, -1, -1):
        left = (left << 32) | limbs[k]
        limbs[k] = left // divisor
        left %= divisor
        if top < 0 and limbs[k] != 0:
            top = k
    if top < 2:  # losses of float32 rows are 0 or more than 2**-200
        return 0.0
    bits = 0
    while limbs[top] >> bits:
        bits += 1
    taken = BITS - 32 - bits  # of the third digit; -1 or -2: so many are left of the second
    lead = limbs[top] << (BITS - bits)
    if taken >= 0:
        lead |= limbs[top - 1] << taken | limbs[top - 2] >> (32 - taken)
        rest = limbs[top - 2] & ((1 << (32 - taken)) - 1)
    else:
        lead |= limbs[top - 1] >> -taken
        rest = (limbs[top - 1] & ((1 << -taken) - 1)) | limbs[top - 2]
    for k in range(top - 2):
        rest |= limbs[k]
    rest |= left
    odd = lead & 0x1FF  # 62 = 53 + 9 bits
    whole = lead >> 9
    if odd > 0x100 or (odd == 0x100 and (rest != 0 or whole & 1)):
        whole += 1
    return math.ldexp(np.float64(whole), 9 - taken + 32 * (top - 1) + GRID)


def received(logits, grad, targets, ignores, ignored):
    """How many rows count; -1: none, or a label is no class, or grad overlaps what is read without being the logits.

    logits   (N, V) any floats. Only looked at: where it lies.
    grad     (N, V) dtype of logits; or (0, 0). Only looked at.
    targets  (N,) int64. Read.
    ignores, ignored  whether a target is left out, and which: boolean, int64.
    """
    n, classes, count, good = targets.shape[0], logits.shape[1], 0, True
    if ignores:
        for i in range(n):
            counts = targets[i] != ignored
            good &= not counts or 0 <= targets[i] < classes
            count += counts
    else:
        for i in range(n):
            good &= 0 <= targets[i] < classes
        count = n
    if grad.shape[0] and (overlap(grad, targets) or (overlap(grad, logits) and grad.ctypes.data != logits.ctypes.data)):
        good = False
    return count if good and count else -1


def add_losses(losses, limbs):
    """Add losses to an exact sum; returns the sum of those that are not finite, 0.0 if all are.

    losses  (N,) float64, >= 0, infinite or NaN. Read. N <= sums.MOST_ROWS.
    limbs   (LIMBS,) int64: limb k counts 2**(32·k + GRID). Added to.
    """
    odd = 0.0
    for i in range(losses.shape[0]):
        if losses[i] < np.inf:
            run_deposit(limbs, losses[i])
        else:
            odd += losses[i]
    return odd


def mean_of(limbs, count, odd):
    """`odd` if it is not 0, else the sum in limbs (LIMBS,) / count; rounded to float64 and then to float32.

    count < 2**31. For losses of float32 rows, which are 0 or more than 2**-200. limbs are used up.
    """
    return np.float32(odd if odd != 0.0 else divided(limbs, count))  # a mean beyond float32 is infinite
