"""One item of a batch, from logits and target to loss and gradient: what every kernel is tested against.

Plain lists and loops over the definitions of `row` and `target`: read this to know what xent computes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xent.core.batch import Total
from xent.core.row import (
    NO_CAP,
    RowState,
    first_maximum,
    gap,
    gradient_at_top,
    lse,
    nll,
    share_of,
    slope,
    state_of,
    term,
)
from xent.core.spec import DEFAULT, Spec
from xent.core.target import Target, resolve


@dataclass(frozen=True, slots=True)
class Item:
    """One item. Everything is 0 (predicted: -1) in an item that does not count."""

    loss: float  # sum of q·nll in nats, times class_weight once more in `total`; without the z-loss
    z_loss: float  # scale·lse²
    gradient: tuple[float, ...]  # (V,) of class_weight × loss + z_loss by the logits
    probabilities: tuple[float, ...]  # (V,) softmax of the scaled and capped logits
    lse: float
    entropy: float
    log_prob: float  # sum of raw q × log-probability
    predicted: int  # first largest logit; -1 where there is none
    target: Target
    sample_weight: float

    @property
    def total(self) -> Total:
        """What the item adds to the batch."""
        if not self.target.counts:
            return Total.zero()
        goal = self.target
        return Total.of_row(self.loss, self.sample_weight, goal.class_weight, self.z_loss, goal.weight)


def item_of(
    logits: Sequence[float],
    target: int | Sequence[float],
    spec: Spec = DEFAULT,
    weight: Sequence[float] | None = None,
    sample_weight: float = 1.0,
) -> Item:
    """Loss, gradient and everything else of one item, by the definition.

    >>> item = item_of([1.0, 2.0, 3.0], 2)
    >>> round(item.loss, 4), [round(g, 4) for g in item.gradient]
    (0.4076, [0.09, 0.2447, -0.3348])
    """
    xs, classes = [float(x) for x in logits], len(logits)
    goal = resolve(target, classes, spec, weight)
    if not goal.counts or sample_weight == 0.0:
        none = (0.0,) * classes
        return Item(0.0, 0.0, none, none, 0.0, 0.0, 0.0, -1, goal, 0.0)
    options = (spec.logit_scale, NO_CAP if spec.softcap is None else spec.softcap)
    state, k = state_of(xs, *options), first_maximum(xs)
    if k < 0 or not math.isfinite(lse(state, *options)):
        nothing = (math.nan,) * classes
        return Item(math.nan, math.nan, nothing, nothing, math.nan, math.nan, math.nan, -1, goal, sample_weight)
    lse_of_row = lse(state, *options)
    pull = 2.0 * spec.lse_square_scale * lse_of_row
    gaps = [gap(state.max, x, *options) for x in xs]
    p = tuple(term(*g) / (1.0 + state.rest) for g in gaps)
    return Item(
        loss=_expected(state, xs, goal.q, options),
        z_loss=spec.lse_square_scale * lse_of_row * lse_of_row,
        gradient=_gradient(state, xs, k, goal, pull, options),
        probabilities=p,
        lse=lse_of_row,
        entropy=math.fsum(p_j * sum(g) for p_j, g in zip(p, gaps, strict=True) if p_j) + math.log1p(state.rest),
        log_prob=-_expected(state, xs, goal.raw, options),
        predicted=k,
        target=goal,
        sample_weight=sample_weight,
    )


def _expected(state: RowState, xs: list[float], q: Sequence[float], options: tuple[float, float]) -> float:
    """Sum of q_j·nll_j; a class with q_j = 0 adds nothing, even at -inf."""
    terms = [(q_j, nll(state, x, *options)) for q_j, x in zip(q, xs, strict=True) if q_j]
    return math.fsum(q_j * loss for q_j, loss in terms) if terms else 0.0


def _gradient(
    state: RowState, xs: list[float], k: int, goal: Target, pull: float, options: tuple[float, float]
) -> tuple[float, ...]:
    """Derivative of class_weight × loss + z-loss by the logits, the maximum's entry formed without cancelling."""
    scale = goal.class_weight
    q = [scale * q_j for q_j in goal.q]
    others = math.fsum(q_j for j, q_j in enumerate(q) if j != k)
    share, _ = share_of(state.rest, math.fsum(q) + pull)
    by_value = [share * term(*gap(state.max, x, *options)) - q_j for x, q_j in zip(xs, q, strict=True)]
    by_value[k] = gradient_at_top(state.rest, others, q[k], pull)
    return tuple(g * slope(x, *options) for g, x in zip(by_value, xs, strict=True))
