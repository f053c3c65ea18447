"""Wrong losses of one row: cancelling, overflowing, forgetting."""

import math

import numpy as np

from tests.reference import Reference, State


class LseMinusLogit(Reference):
    """The loss as lse - x, two large numbers that cancel: what every textbook and framework does."""

    def nll(self, state, x):
        """Cancels."""
        return self.lse(state) - x


class TargetBySubtraction(Reference):
    """p - 1 at the target, also where p rounds to 1."""

    def target_grad(self, state, t):
        """Cancels."""
        return state.terms[t] / (1.0 + state.rest) - 1.0


class SumWithTheOne(Reference):
    """log(sum) with the largest term's 1 in the sum, so tiny other terms are lost."""

    def state(self, x):
        """rest rounds through 1 + rest."""
        s = super().state(x)
        return s._replace(rest=(1.0 + s.rest) - 1.0)


class NoCompensation(Reference):
    """exp of the rounded difference."""

    def terms(self, x, top):
        """Without the error of x - top."""
        return [math.exp(v - top) for v in x]


class SumInOrder(Reference):
    """The terms added one after another, in float32."""

    def add_up(self, terms):
        """Loses half the digits."""
        total = np.float32(0)
        for v in terms:
            total = np.float32(total + np.float32(v))
        return float(total)


class NoMaximum(Reference):
    """exp of the logits themselves: overflows, and depends on a shift."""

    def state(self, x):
        """Top 0 whatever the row."""
        e = [math.exp(min(v, 700.0)) for v in x]
        at = x.index(max(x))
        s = math.fsum(e)
        return State(math.log(s) if s else -math.inf, at, [v / s if s else 0.0 for v in e], 0.0)


class ProbabilityPlusEpsilon(Reference):
    """-log(p + 1e-7): the textbook's guard against log 0. Negative for a sure row, capped for a wrong one."""

    def nll(self, state, x):
        """-log(p + 1e-7)."""
        return -math.log(math.exp(x - self.lse(state)) + 1e-7)


class LastClassDropped(Reference):
    """A blocked loop that forgets the tail: the last class is missing from the sum where V is odd."""

    def add_up(self, terms):
        """Without the last term."""
        return math.fsum(terms[:-1] if len(terms) % 2 == 0 and terms else terms)


class BlockBorderOffByOne(Reference):
    """The target's class is off by one at the border of a block of 8 classes."""

    def index_grad(self, state, t):
        """The -1 lands in the class beside the border."""
        g = [e / (1.0 + state.rest) for e in state.terms]
        at = t - 1 if t and t % 8 == 0 else t
        g[at] = self.target_grad(state, at)
        return g


class NanDroppedByMax(Reference):
    """A maximum that ignores NaN, and a sum that selects it away."""

    def broken(self, x):
        """Never."""
        return False

    def state(self, x):
        """As if the NaN were not there."""
        return super().state([-1e300 if math.isnan(v) or v == math.inf else max(v, -1e300) for v in x])


class MissingClassIsNan(Reference):
    """-inf - max taken for a NaN instead of a zero term."""

    def broken(self, x):
        """Any -inf."""
        return any(not math.isfinite(v) for v in x)


class SmoothingOverOthers(Reference):
    """Smoothing spread over V - 1 classes."""

    def smooth(self, q, a):
        """a / (V - 1)."""
        share = a / max(1, len(q) - 1)
        return [(1.0 - a) * qj if qj else share for qj in q]


class SmoothingAddsMass(Reference):
    """a / V is added, and 1 - a forgotten."""

    def smooth(self, q, a):
        """Sums to 1 + a."""
        return [qj + a / len(q) for qj in q]


class SoftAsDifference(Reference):
    """sum(q) * lse - sum(q x)."""

    def soft_nll(self, state, x, q):
        """Cancels."""
        return math.fsum(q) * self.lse(state) - math.fsum(qj * xj for qj, xj in zip(q, x, strict=True) if qj)


class SoftGradWithoutMass(Reference):
    """p - q, whatever q sums to."""

    def soft_grad(self, state, q, extra):
        """Right for rows that sum to 1."""
        return [(1.0 + extra) * e / (1.0 + state.rest) - qj for e, qj in zip(state.terms, q, strict=True)]


class ZeroTimesInfinity(Reference):
    """0 * inf = NaN for a probability 0 at a logit of -inf."""

    def soft_nll(self, state, x, q):
        """No selection."""
        return sum(qj * (state.top - xj) for qj, xj in zip(q, x, strict=True)) + math.fsum(q) * math.log1p(state.rest)


class CapWithoutDerivative(Reference):
    """The cap's own derivative forgotten in the gradient."""

    def transform(self, x, o):
        """Slope 1."""
        value, _ = super().transform(x, o)
        return value, [1.0] * len(x)


class ZLossGradientForgotten(Reference):
    """lse squared in the loss, not in the gradient."""

    def soft_grad(self, state, q, extra):
        """Without the extra."""
        return super().soft_grad(state, q, 0.0)


class UpsideDown(Reference):
    """The sign of the logits flipped in the loss."""

    def nll(self, state, x):
        """Grows with the target's logit."""
        return (x - state.top) + math.log1p(state.rest) + 1e3


class UphillGradient(Reference):
    """The gradient's sign flipped."""

    def index_grad(self, state, t):
        """onehot - p."""
        return [-g for g in super().index_grad(state, t)]
