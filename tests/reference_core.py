"""The merge of two pieces of a row once more, in plain Python: the laws of the merge hold on it."""

import math
from typing import NamedTuple

from tests.fronts import Front
from tests.reference import Reference, two_diff


class Merged(NamedTuple):
    """A piece of a row: its maximum, and the sum of its other terms."""

    max: float
    rest: float


class ReferenceCore(Front):
    """The state of a piece, its merge and the loss: what the laws of the merge need."""

    empty = Merged(-math.inf, -1.0)  # 1 + rest = 0 terms

    def __init__(self):
        super().__init__(type(self).__name__)

    def piece(self, xs: list[float]) -> Merged:
        """The state of some logits."""
        if not xs:
            return self.empty
        if any(math.isnan(v) for v in xs) or max(xs) == math.inf:
            return Merged(math.nan, math.nan)
        if max(xs) == -math.inf:
            return Merged(-math.inf, len(xs) - 1.0)
        state = Reference().state(xs)
        return Merged(state.top, state.rest)

    def merge(self, a: Merged, b: Merged) -> Merged:
        """Of two disjoint pieces."""
        if math.isnan(a.max) or math.isnan(b.max):
            return Merged(math.nan, math.nan)
        if b.max > a.max:
            a, b = b, a
        if b.max == -math.inf:
            return Merged(a.max, a.rest + (1.0 + b.rest) if a.max == -math.inf else a.rest)
        return Merged(a.max, a.rest + (1.0 + b.rest) * self.factor(b.max, a.max))

    def factor(self, low: float, high: float) -> float:
        """exp(low - high), compensated."""
        d, error = two_diff(low, high)
        return 0.0 if d == -math.inf else math.exp(d) * (1.0 + error)

    def nll(self, state: Merged, x: float) -> float:
        """The loss of the class with logit x."""
        return (state.max - x) + math.log1p(state.rest) if math.isfinite(state.max) else math.nan
