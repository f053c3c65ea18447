"""The definition once more, in 50 and more decimals and by its textbook formula: what a drawing is checked against.

Nothing of `core` or of the drawing is used here but the numbers that came in. With weights w, target q, smoothing a:

    L = (1/D)·Σᵢ sᵢ·[Σ_c w_c·q'_c·(lse(x'ᵢ) − x'ᵢ_c) + scale·lse(x'ᵢ)²]      x' = c·tanh(s·x/c)
"""

import math
from collections.abc import Callable, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction
from functools import cached_property

from xent.core.spec import Spec
from xent.graph.receive import Batch

DIGITS = 60
MOST_DIGITS = 400  # beyond 10**-340 a float64 is 0
STEP = Decimal("1e-12")  # of the differences


def context(digits: int) -> Context:
    """Decimal arithmetic without a bound on the exponent."""
    return Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX)


class Goal:
    """What an item is compared with: its weights, by the rules of the options."""

    def __init__(self, batch: Batch, i: int) -> None:
        """Of item i."""
        self.batch, target = batch, batch.targets[i]
        self.ignored = isinstance(target, int) and target == batch.spec.ignore_index
        self.sample = Fraction(batch.sample(i))
        if self.ignored:
            self.raw: dict[int, Fraction] = {}
        elif isinstance(target, int):
            self.raw = {target: Fraction(1)}
        else:
            self.raw = {c: Fraction(q) for c, q in enumerate(target) if q}
        self.raw_mass = sum(self.raw.values(), Fraction(0))
        self.weight = self.sample * sum((self.of_class(c) * q for c, q in self.raw.items()), Fraction(0))
        self.counts = self.weight != 0
        self.alone = len(self.raw) == 1 and not batch.spec.label_smoothing

    def of_class(self, c: int) -> Fraction:
        """The weight of a class."""
        return Fraction(1) if self.batch.weight is None else Fraction(self.batch.weight[c])

    @cached_property
    def q(self) -> dict[int, Fraction]:
        """w_c·q'_c of the classes in which it is not 0."""
        a, classes = Fraction(self.batch.spec.label_smoothing), self.batch.classes
        found = {c: self.of_class(c) * (1 - a) * q for c, q in self.raw.items()}
        if a:
            for c in range(classes):
                found[c] = found.get(c, Fraction(0)) + self.of_class(c) * a * self.raw_mass / classes
        return {c: q for c, q in found.items() if q}

    @cached_property
    def class_weight(self) -> Fraction:
        """What multiplies the loss where one class alone has probability; 1 otherwise: it is in q."""
        return self.mass if self.alone else Fraction(1)

    @cached_property
    def mass(self) -> Fraction:
        """Sum of q."""
        return sum(self.q.values(), Fraction(0))


class ExactItem:
    """An item that counts: its loss as a function of any one of its logits."""

    def __init__(self, goal: Goal, xs: Sequence[float], spec: Spec) -> None:
        """From the logits, as given."""
        self.goal, self.spec, self.xs = goal, spec, xs
        self.broken = any(math.isnan(x) or x == math.inf for x in xs) or all(x == -math.inf for x in xs)
        if spec.softcap is not None:
            self.broken = any(map(math.isnan, xs))
        finite = [x for x in xs if math.isfinite(x)]
        spread = (max(finite) - min(finite)) * spec.logit_scale if finite else 0.0
        if spec.softcap is not None:
            steep = 2.0 * spec.logit_scale * max(map(abs, finite), default=0.0) / spec.softcap
            spread = min(spread, 2.0 * spec.softcap) + steep
        large = max(map(abs, finite), default=1.0) * spec.logit_scale
        digits = DIGITS + spread / math.log(10.0) + math.log10(max(large, 1.0))
        self.context = context(int(min(digits, MOST_DIGITS)))

    def capped(self, x: Decimal) -> Decimal:
        """x' of a logit. In `self.context`."""
        scaled = Decimal(self.spec.logit_scale) * x
        if self.spec.softcap is None:
            return scaled
        cap = Decimal(self.spec.softcap)
        if scaled.is_infinite():
            return cap.copy_sign(scaled)
        if abs(scaled) < cap * STEP * STEP:
            return scaled  # to 48 digits; the quotient below would have none
        e = (-2 * abs(scaled) / cap).exp()
        return (cap * (1 - e) / (1 + e)).copy_sign(scaled)

    @cached_property
    def values(self) -> list[Decimal]:
        """x' of every class."""
        with localcontext(self.context):
            return [self.capped(Decimal(x)) for x in self.xs]

    @cached_property
    def terms(self) -> list[Decimal]:
        """exp(x' − top)."""
        with localcontext(self.context):
            return [Decimal(0) if v.is_infinite() else (v - self.top).exp() for v in self.values]

    @cached_property
    def top(self) -> Decimal:
        """The largest x'."""
        return max(self.values)

    @cached_property
    def whole(self) -> Decimal:
        """Sum of the terms."""
        with localcontext(self.context):
            return sum(self.terms, Decimal(0))

    @cached_property
    def dot(self) -> Decimal:
        """Sum of q·x'; −inf where a target has no probability."""
        with localcontext(self.context):
            return sum((decimal(q) * self.values[c] for c, q in self.goal.q.items()), Decimal(0))

    @property
    def infinite(self) -> bool:
        """Whether a class with target probability lies at −inf, so that the loss is infinite."""
        return any(self.values[c].is_infinite() for c in self.goal.q)

    def lse(self, j: int = 0, nudge: Decimal = Decimal(0)) -> Decimal:
        """log Σ exp(x') after x'_j was moved. In `self.context`."""
        return self.top + (self.whole + self.terms[j] * (nudge.exp() - 1)).ln()

    def loss(self, j: int = 0, nudge: Decimal = Decimal(0)) -> Decimal:
        """Σ w_c·q'_c·(lse − x'_c)."""
        moved = decimal(self.goal.q.get(j, Fraction(0))) * nudge
        return decimal(self.goal.mass) * self.lse(j, nudge) - self.dot - moved

    def z_loss(self, j: int = 0, nudge: Decimal = Decimal(0)) -> Decimal:
        """scale·lse²."""
        return Decimal(self.spec.lse_square_scale) * self.lse(j, nudge) ** 2

    def added(self, j: int = 0, nudge: Decimal = Decimal(0)) -> Decimal:
        """Both, with the sample's weight: what the item adds to the sum."""
        return decimal(self.goal.sample) * (self.loss(j, nudge) + self.z_loss(j, nudge))

    def without_dust(self, quotient: Decimal) -> Decimal:
        """0 where nothing is left but what rounding left: a difference of equal numbers, over the step."""
        size = abs(self.top) + abs(self.lse()) + 1
        noise = size * decimal(self.goal.mass + 1) * Decimal(10) ** (8 - self.context.prec) / STEP
        return Decimal(0) if abs(quotient) < noise else quotient

    def slope(
        self, function: Callable[[int, Decimal], Decimal], j: int, by: str = "capped", size: float = 1.0
    ) -> Decimal:
        """Central difference of a function of x'_j, by x'_j ("capped") or by the logit ("logit"), per `size`."""
        with localcontext(self.context):
            if self.terms[j] == 0 and j not in self.goal.q and not self.values[j].is_finite():
                return Decimal(0)  # at -inf: the limit
            step = STEP * Decimal(size)
            up, down = step, -step
            if by == "logit":
                x = Decimal(self.xs[j])
                if not x.is_finite():
                    return Decimal(0)
                step = STEP / max(Decimal(1), Decimal(self.spec.logit_scale))
                up, down = (self.capped(x + d * Decimal(size)) - self.values[j] for d in (step, -step))
            return self.without_dust((function(j, up) - function(j, down)) / (2 * step))


def decimal(number: Fraction) -> Decimal:
    """A fraction in the present precision."""
    return Decimal(number.numerator) / Decimal(number.denominator)


def textbook(batch: Batch, i: int, goal: Goal) -> tuple[float, float]:
    """What an item adds to the sum, in float64 by the textbook formula, and how large its terms are. For many items."""
    xs, spec = batch.logits(i), batch.spec
    if not spec.plain:
        s, c = spec.logit_scale, spec.softcap
        xs = [s * x if c is None else c * math.tanh(s * x / c) for x in xs]
    top = max(xs)
    if math.isnan(sum(xs)) or not math.isfinite(top):
        return math.nan, 0.0
    lse = top + math.log(sum([math.exp(x - top) for x in xs]))
    a, weight = spec.label_smoothing, batch.weight
    loss = (1.0 - a) * math.fsum(float(goal.of_class(c) * q) * (lse - xs[c]) for c, q in goal.raw.items())
    size = float(goal.raw_mass) * (abs(top) + abs(lse) + 1.0) * max(weight or (1.0,))
    if a:
        spread = (
            [lse - x for x in xs] if weight is None else [w * (lse - x) for w, x in zip(weight, xs, strict=True) if w]
        )
        loss += a * float(goal.raw_mass) / len(xs) * math.fsum(spread)
    loss += spec.lse_square_scale * lse * lse
    return float(goal.sample) * loss, abs(float(goal.sample)) * (size + spec.lse_square_scale * lse * lse)


class Floats(dict[int, tuple[float, float]]):
    """`textbook` of every item that was asked for, kept: a check and the conventions both need those of all items."""

    def __init__(self, batch: Batch) -> None:
        """Of one batch."""
        super().__init__()
        self.batch = batch

    def __missing__(self, i: int) -> tuple[float, float]:
        """Compute it."""
        self[i] = textbook(self.batch, i, Goal(self.batch, i))
        return self[i]
