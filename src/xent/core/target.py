"""The target of one row: a class index or a probability row, what it weighs, and whether the row counts.

A row's loss is the sum over classes c of w_c·q'_c·nll_c, with class weights w and the smoothed target

    q'_c = (1 - a)·q_c + a·(sum of q)/V

and its weight, what it adds to the denominator, is s·(sum of w_c·q_c): sample weight s, class weights, before
smoothing. So an index and its own one-hot row agree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xent.core import errors
from xent.core.spec import DEFAULT, Spec


def smoothed(q: float, mass: float, smoothing: float, classes: int) -> float:
    """q' of one class: (1 - a)·q + a·mass/V.

    >>> smoothed(1.0, 1.0, 0.5, 2), smoothed(0.3, 1.0, 0.0, 10)
    (0.75, 0.3)
    """
    if smoothing == 0.0:
        return q
    return (1.0 - smoothing) * q + smoothing * mass / classes


@dataclass(frozen=True, slots=True)
class Target:
    """What the loss of one row is taken against."""

    q: tuple[float, ...]  # (V,) w_c·q'_c, or plain one-hot where one class alone has probability: see class_weight
    raw: tuple[float, ...]  # (V,) q_c as given: neither smoothed nor weighted
    weight: float  # sum of w_c·q_c: times sample_weight what the row adds to the denominator
    class_weight: float  # multiplies the loss: w_c·q_c where one class alone has probability, else 1 (it is in q)
    ignored: bool  # left out by ignore_index

    @property
    def counts(self) -> bool:
        """Whether the row has anything to say: not ignored, and not of weight 0."""
        return not self.ignored and self.weight != 0.0


def resolve(
    target: int | Sequence[float], classes: int, spec: Spec = DEFAULT, weight: Sequence[float] | None = None
) -> Target:
    """The target of one row of `classes` logits.

    TargetError: a class that does not exist, a probability that is negative or NaN.

    >>> resolve(1, 3).q
    (0.0, 1.0, 0.0)
    >>> resolve(-100, 3).counts
    False
    >>> resolve([0.0, 0.5, 0.5], 3, weight=[1.0, 1.0, 3.0]).weight
    2.0
    """
    none = (0.0,) * classes
    if isinstance(target, int):
        if target == spec.ignore_index:
            return Target(none, none, 0.0, 0.0, ignored=True)
        if not 0 <= target < classes:
            raise errors.targets_out_of_range(1, 1, (0,), target, classes, spec.ignore_index)
        raw = tuple(float(c == target) for c in range(classes))
    else:
        raw = tuple(map(float, target))
        for c, q in enumerate(raw):
            if not 0.0 <= q < math.inf:
                raise errors.bad_probability(1, (c,), q)
    w = tuple(weight) if weight is not None else (1.0,) * classes
    mass = math.fsum(raw)
    row_weight = math.fsum(a * b for a, b in zip(w, raw, strict=True))
    alone = [c for c, q in enumerate(raw) if q != 0.0]
    if len(alone) == 1 and not spec.soft:
        one_hot = tuple(float(c == alone[0]) for c in range(classes))
        return Target(one_hot, raw, row_weight, row_weight, ignored=False)
    weighted = tuple(a * smoothed(b, mass, spec.label_smoothing, classes) for a, b in zip(w, raw, strict=True))
    return Target(weighted, raw, row_weight, 1.0, ignored=False)
