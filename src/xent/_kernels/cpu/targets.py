"""What probability targets weigh, read once before anything is written."""

from typing import Any

import numpy as np

from xent._kernels.cpu.half import load_float
from xent._kernels.cpu.jit import inner
from xent._kernels.cpu.lanes import as_float, sweep
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED


@sweep("mass", "count", "count")
def look_through(q: Any) -> Any:
    """Sum of q, not finite if an entry is not; how many entries are not 0, how many are below 0."""
    found = load_float(q)
    return found, found != 0.0, found < 0.0


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
    """Mass and weight of every probability row; returns how many rows may hold an entry that is bad.

    Bad is what is negative, NaN or infinite. A row of finite numbers whose sum is not finite is returned as well.

    q             (N, V) float32, float64; float16 as int16, bfloat16 as uint16. Read.
    class_weight  (V,) float64 >= 0; or (0,): all 1. Read.
    smoothing     float64.
    index         (N,) int64: PROBABILITIES; SKIPPED for a row of weight 0; or, without smoothing, the class that alone
                  has probability (so that a one-hot row and its index go one way, to the same bits). Written.
    mass          (N,) float64, sum of q. Written.
    factor        (N,) float64: class_weight·q of the class that alone has probability, else 1. Written.
    row_weight    (N,) float64, sum of class_weight × q. Written.

    If an entry is bad, what was written of its row means nothing.
    """
    bad = 0
    for i in range(q.shape[0]):
        mass[i], entries, negative = look_through(q[i])
        bad += negative > 0 or not mass[i] < np.inf
        row_weight[i] = weighed(q[i], class_weight) if class_weight.shape[0] else mass[i]
        alone = entries == 1 and (smoothing == 0.0 or class_weight.shape[0] == 0)
        index[i] = place_of_one(q[i]) if alone else PROBABILITIES
        factor[i] = row_weight[i] if alone else 1.0
        if row_weight[i] == 0.0:
            index[i] = SKIPPED
    return bad
