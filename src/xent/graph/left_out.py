"""The items that are not drawn: the loss of each, fast, and bit for bit the definition's.

`item_of` says what an item is, in some 3 µs a logit. Most of a long batch is only added up, so for plain logits the
same steps stand here once more in one loop, without the calls: 0.2 µs a logit. tests/test_graph compares the bits.
"""

import math
from collections.abc import Sequence

from xent.core.batch import Total
from xent.core.item import item_of
from xent.core.row import RowState, nll
from xent.core.target import Target, resolve
from xent.graph.receive import Batch


def total_of(batch: Batch, i: int) -> Total:
    """What item i adds to the batch."""
    spec, goal, sample = batch.spec, batch.targets[i], batch.sample(i)
    if not spec.plain:
        return item_of(batch.logits(i), goal, spec, batch.weight, sample).total
    if goal == spec.ignore_index or sample == 0.0:
        return Total.zero()
    if isinstance(goal, int) and not spec.soft:
        weight = 1.0 if batch.weight is None else batch.weight[goal]
        return Total.zero() if weight == 0.0 else Total.of_row(index_loss(batch.logits(i), goal), sample, weight)
    target = resolve(goal, batch.classes, spec, batch.weight)
    if not target.counts:
        return Total.zero()
    return Total.of_row(soft_loss(batch.logits(i), target), sample, target.class_weight, 0.0, target.weight)


def index_loss(xs: Sequence[float], t: int) -> float:
    """-log softmax(x)[t].

    >>> round(index_loss([1.0, 2.0, 3.0], 2), 12)
    0.407605964444
    """
    rest = _rest(xs)
    return math.nan if math.isnan(rest) else nll(RowState(max(xs), rest), xs[t])


def soft_loss(xs: Sequence[float], target: Target) -> float:
    """Sum of q_j times -log softmax(x)[j]."""
    rest = _rest(xs)
    if math.isnan(rest):
        return math.nan
    top, log = max(xs), math.log1p(rest)
    terms = []
    for x, q in zip(xs, target.q, strict=True):
        if q:
            d = top - x  # core.row.gap
            s = d - top
            low = 0.0 if d == math.inf else (top - (d - s)) - (x + s)
            terms.append(q * (d + (log + low)))
    return math.fsum(terms) if terms else 0.0


def _rest(xs: Sequence[float]) -> float:
    """Sum of exp(x_j - max x) over all but the first maximum, as core.row.state_of; NaN where lse is not finite."""
    top, exp = max(xs), math.exp
    if not math.isfinite(top):
        return math.nan
    parts = []
    for x in xs:
        d = top - x  # core.row.gap: two_diff
        s = d - top
        low = (top - (d - s)) - (x + s)
        e = exp(-d)
        parts.append(e)
        if low and e:  # not where d is infinite: low is NaN and the term 0
            parts.append(-e * low)
    parts.append(-1.0)  # the first maximum's own term; the sum is exact
    return math.fsum(parts)
