"""Wrong merges of two pieces of a row."""

import math

from tests.reference_core import Merged, ReferenceCore


class MergeWithoutCompensation(ReferenceCore):
    """exp of the rounded difference of the maxima."""

    def factor(self, low, high):
        """Without its error."""
        return math.exp(low - high)


class MergeKeepsTheFirstMaximum(ReferenceCore):
    """The first piece's maximum is kept even if the second's is larger."""

    def merge(self, a, b):
        """Grows with the order."""
        if -math.inf in (a.max, b.max):
            return super().merge(a, b)
        return Merged(a.max, a.rest + (1.0 + b.rest) * math.exp(min(b.max - a.max, 700.0)))


class MergeRescalesBoth(ReferenceCore):
    """Both sums are brought to the new maximum, also the one that is already there."""

    def merge(self, a, b):
        """Depends on the grouping."""
        if -math.inf in (a.max, b.max) or a.max != a.max or b.max != b.max:
            return super().merge(a, b)
        low, high = min(a.max, b.max), max(a.max, b.max)
        return Merged(high, (a.rest + 1.0 + b.rest) * self.factor(low, high))


class MergeOfNothingIsNan(ReferenceCore):
    """-inf - -inf."""

    def merge(self, a, b):
        """NaN for two empty pieces."""
        if a.max == b.max == -math.inf:
            return Merged(a.max, math.nan)
        return super().merge(a, b)


class MergeDropsNan(ReferenceCore):
    """A comparison that is false for NaN drops the piece that holds it."""

    def merge(self, a, b):
        """Keeps the other."""
        if math.isnan(a.max):
            return b
        return a if math.isnan(b.max) else super().merge(a, b)
