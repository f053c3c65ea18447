"""What probability targets weigh, read once before anything is written."""

import math
from typing import Any

from xent._kernels.cpu.half import load_float
from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.lanes import as_float, sweep
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED


@sweep("sum", "count", "count")
def look_through(q: Any) -> Any:
    """Sum of q, how many entries are not 0, how many are finite and >= 0."""
    found = load_float(q)
    return as_float(found, "float64"), found != 0.0, (found >= 0.0) & (found < math.inf)


@sweep("sum")
def weighed(q: Any, class_weight: Any) -> Any:
    """Sum of class_weight × q."""
    return as_float(load_float(q), "float64") * class_weight.load()


@inner
def place_of_one(q):
    """Where the only entry of q (V,) lies that is not 0."""
    lo, hi = 0, q.shape[0]
    while hi - lo > 1:
        middle = (lo + hi) // 2
        _, entries, _ = look_through(q[lo:middle])
        if entries:
            hi = middle
        else:
            lo = middle
    return lo


def weigh(q, class_weight, smoothing, index, mass, factor, row_weight):
    """Mass and weight of every probability row; returns how many entries are bad: negative, NaN or infinite.

    q             (N, V) float32, float64; float16 as int16, bfloat16 as uint16. Read.
    class_weight  (V,) float64 >= 0; or (0,): all 1. Read.
    smoothing     float64.
    index         (N,) int64: PROBABILITIES; SKIPPED for a row of weight 0; or, without smoothing, the class that alone
                  has probability (so that a one-hot row and its index go one way, to the same bits). Written.
    mass          (N,) float64, sum of q. Written.
    factor        (N,) float64: class_weight·q of the class that alone has probability, else 1. Written.
    row_weight    (N,) float64, sum of class_weight × q. Written.

    If any entry is bad, what was written means nothing.
    """
    bad = 0
    for i in range(q.shape[0]):
        mass[i], entries, good = look_through(q[i])
        bad += q.shape[1] - good
        row_weight[i] = weighed(q[i], class_weight) if class_weight.shape[0] else mass[i]
        alone = entries == 1 and (smoothing == 0.0 or class_weight.shape[0] == 0)
        index[i] = place_of_one(q[i]) if alone else PROBABILITIES
        factor[i] = row_weight[i] if alone else 1.0
        if row_weight[i] == 0.0:
            index[i] = SKIPPED
    return bad
