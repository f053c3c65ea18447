"""What probability targets weigh, read once before anything is written."""

from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED, sum_but
from xent._kernels.cpu.scalar import two_sum


@inner
def weighed(q, class_weight):
    """Sum of class_weight × q over q (V,)."""
    total, error = 0.0, 0.0
    for c in range(q.shape[0]):
        total, lost = two_sum(total, class_weight[c] * q[c])
        error += lost
    return total + error


def weigh(q, class_weight, smoothing, index, mass, factor, row_weight):
    """Mass and weight of every probability row; returns the flat position of the first bad entry, and how many are bad.

    q             (N, V) float64. Read.
    class_weight  (V,) float64 >= 0; or (0,): all 1. Read.
    smoothing     float64.
    index         (N,) int64: PROBABILITIES; SKIPPED for a row of weight 0; or, without smoothing, the class that alone
                  has probability (so that a one-hot row and its index go one way, to the same bits). Written.
    mass          (N,) float64, sum of q. Written.
    factor        (N,) float64: class_weight·q of the class that alone has probability, else 1. Written.
    row_weight    (N,) float64, sum of class_weight × q. Written.

    A bad entry is negative, NaN or infinite; then what was written means nothing.
    """
    bad, first = 0, -1
    for i in range(q.shape[0]):
        entries, last = 0, 0
        for c in range(q.shape[1]):
            if not 0.0 <= q[i, c] < 1.7976931348623157e308:
                first = i * q.shape[1] + c if bad == 0 else first
                bad += 1
            if q[i, c] != 0.0:
                entries, last = entries + 1, c
        mass[i] = sum_but(q[i], -1)
        row_weight[i] = weighed(q[i], class_weight) if class_weight.shape[0] else mass[i]
        index[i] = last if entries == 1 and (smoothing == 0.0 or class_weight.shape[0] == 0) else PROBABILITIES
        factor[i] = row_weight[i] if index[i] >= 0 else 1.0
        if row_weight[i] == 0.0:
            index[i] = SKIPPED
    return first, bad
