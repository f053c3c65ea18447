"""One compiled call for a small batch: labels checked, loss, gradient, the exact mean: calls cost more than sums.

float32 rows of few classes, class indices, the plain mean. Whatever is not plain is left to the long way, which says
what is wrong with it.
"""

import numpy as np

from xent._kernels.cpu import narrow
from xent._kernels.cpu.fields import FIELDS
from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.plain import divided, overlap
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.sums import LIMBS, deposit

LANES = narrow.LANES

run_narrow = inner(narrow.index_rows)
run_deposit = inner(deposit)


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
    rooms = (
        np.zeros((narrow.lines_for(classes), LANES), np.float32),
        np.zeros(LANES, np.float32),
        np.zeros((FIELDS, LANES)),
    )
    run_narrow(logits, index, np.empty(0), scale, 0.0, 0.0, losses, z_losses, grad, rooms[0], rooms[1], rooms[2])
    limbs, odd = np.zeros(LIMBS, np.int64), 0.0
    for i in range(n):
        if losses[i] < np.inf:
            run_deposit(limbs, losses[i])
        else:
            odd += losses[i]  # infinite, or NaN
    return True, np.float32(odd if odd != 0.0 else divided(limbs, count))  # here a loss beyond float32 becomes infinite
