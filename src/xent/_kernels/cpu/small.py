"""One compiled call for a small batch: labels checked, loss, gradient, the exact mean: calls cost more than sums.

float32 rows of few classes, class indices, the plain mean. Whatever is not plain is left to the long way, which says
what is wrong with it.
"""

import math

import numpy as np

from xent._kernels.cpu import narrow
from xent._kernels.cpu.fields import FIELDS
from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.sums import GRID, LIMBS, deposit

LANES = narrow.LANES

BITS = 62  # of a quotient that are looked at before it is rounded: they fit an int64

run_narrow = inner(narrow.index_rows)
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


def mean(logits, targets, ignores, ignored, grad):
    """Whether that was done, and the mean loss of a small batch; its gradient into grad. If not, nothing was written.

    logits   (N, V) float32. Read.
    targets  (N,) int64. Read.
    ignores, ignored  whether a target is left out, and which: boolean, int64.
    grad     (N, V) float32; or (0, 0). Written.
    """
    n, classes = logits.shape
    index, count = np.empty(n, np.int64), 0
    for i in range(n):
        t = targets[i]
        if ignores and t == ignored:
            index[i] = SKIPPED
        elif 0 <= t < classes:
            index[i] = t
            count += 1
        else:
            return False, np.float32(0.0)
    if count == 0:
        return False, np.float32(0.0)
    if grad.shape[0] and (overlap(grad, targets) or (overlap(grad, logits) and grad.ctypes.data != logits.ctypes.data)):
        return False, np.float32(0.0)
    scale, losses, z_losses = np.full(n, 1.0 / count), np.empty(n), np.empty(n)
    rooms = np.zeros((classes, LANES), np.float32), np.zeros((7, LANES), np.float32), np.zeros((FIELDS, LANES))
    run_narrow(logits, index, np.empty(0), scale, 0.0, 0.0, losses, z_losses, grad, rooms[0], rooms[1], rooms[2])
    limbs, odd = np.zeros(LIMBS, np.int64), 0.0
    for i in range(n):
        if losses[i] < np.inf:
            run_deposit(limbs, losses[i])
        else:
            odd += losses[i]  # infinite, or NaN
    return True, np.float32(odd if odd != 0.0 else divided(limbs, count))  # here a loss beyond float32 becomes infinite
