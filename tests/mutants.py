"""Wrong losses, written on purpose: a law is believed after it has failed one of these.

A mutant is the Reference with one step replaced by a mistake that people make; its docstring names the mistake.
"""

import math
from fractions import Fraction

import numpy as np

from tests.reference import Merged, Piece, Reference, ReferenceCore, Rows, State, to_float

# one row, wrong -------------------------------------------------------------------------------------------------------


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


# one batch, wrong -------------------------------------------------------------------------------------------------
class MeanOfMeans(Reference):
    """Rows cut into pieces of two, and the mean of the pieces' means: wrong for a short last piece or padding."""

    def divide(self, total, denominator):
        """Divided by a rounded-up even count."""
        if isinstance(total, float):
            return total
        pieces = -(-denominator // 2) if denominator else 0
        return to_float(total / (2 * pieces)) if pieces else 0.0


class OwnCountAlways(Reference):
    """A numeric denominator accepted, and each micro-batch divided by its own weights: the mean of means."""

    def denominator_of(self, pieces, o):
        """Whatever was asked."""
        return sum((p.mass for p in pieces), Fraction(0))


class PaddingCounted(Reference):
    """Ignored rows are counted in the denominator."""

    def denominator_of(self, pieces, o):
        """All rows."""
        extra = sum(p.ignored for p in pieces) if o.denominator in (None, "weights", "items") else 0
        return super().denominator_of(pieces, o) + extra


class IgnoredByMultiplying(Reference):
    """An ignored row is read and multiplied by 0: its NaN stays."""

    def row(self, x, target, s, weight, o):
        """0 * NaN = NaN."""
        if self.ignores(target, o) and any(not math.isfinite(v) for v in x):
            return Piece(math.nan, Fraction(0), [math.nan] * len(x), ignored=True)
        return super().row(x, target, s, weight, o)


class ZeroWeightIsRead(Reference):
    """A row of weight 0 is read and multiplied by 0."""

    def row(self, x, target, s, weight, o):
        """0 * NaN = NaN."""
        if s == 0 and any(not math.isfinite(v) for v in x):
            return Piece(math.nan, Fraction(0), [math.nan] * len(x), ignored=False)
        return super().row(x, target, s, weight, o)


class OnlyMinus100IsIgnored(Reference):
    """ignore_index accepted, and -100 used."""

    def ignores(self, target, o):
        """Whatever was asked."""
        return isinstance(target, int) and target == -100


class SumRoundedBeforeDividing(Reference):
    """The exact sum rounded to float64, then divided: two roundings."""

    def divide(self, total, denominator):
        """Twice rounded."""
        if isinstance(total, float):
            return total
        return to_float(total) / to_float(denominator) if denominator else 0.0


class WeightedLossRounded(Reference):
    """weight * loss rounded before it is added."""

    def product(self, s, w, loss):
        """Rounded."""
        rounded = float(w) * loss * s
        return Fraction(rounded) if math.isfinite(rounded) else rounded


class FoldInOrder(Reference):
    """The rows' losses added one after another in float64."""

    def fold(self, amounts, o):
        """Depends on the order."""
        total = 0.0
        for a in amounts:
            total += float(a)
        return Fraction(total) if math.isfinite(total) else total


class WeightDroppedFromDenominator(Reference):
    """Weighted losses, divided by the count."""

    def denominator_of(self, pieces, o):
        """Counts rows."""
        if o.denominator in (None, "weights"):
            return Fraction(sum(bool(p.mass) for p in pieces))
        return super().denominator_of(pieces, o)


class WeightsInItems(Reference):
    """"items" taken for the sum of the weights, and "batch" for the rows that count."""

    def denominator_of(self, pieces, o):
        """Confused."""
        if o.denominator in ("items", "batch"):
            return sum((p.mass for p in pieces), Fraction(0))
        return super().denominator_of(pieces, o)


class GradientOfSum(Reference):
    """The mean's value with the sum's gradient."""

    def grad_factor(self, pieces, o):
        """Never divided."""
        return float(o.grad_scale)


class GradScaleForgotten(Reference):
    """grad_scale accepted and dropped."""

    def grad_factor(self, pieces, o):
        """Without it."""
        o.grad_scale = 1.0
        return super().grad_factor(pieces, o)


class SampleWeightOnLossOnly(Reference):
    """sample_weight in the loss, not in the gradient."""

    def row(self, x, target, s, weight, o):
        """The gradient of weight 1."""
        piece = super().row(x, target, s, weight, o)
        return piece._replace(grad=[g / s for g in piece.grad]) if s else piece


class ZLossOnIgnoredRows(Reference):
    """The z-loss of an ignored row is added too."""

    def row(self, x, target, s, weight, o):
        """Adds lse squared."""
        if self.ignores(target, o) and o.lse_square_scale and not self.broken(x):
            square = o.lse_square_scale * self.lse(self.state(x)) ** 2
            return Piece(Fraction(square), Fraction(0), [0.0] * len(x), ignored=True)
        return super().row(x, target, s, weight, o)


class RowsSeeEachOther(Reference):
    """One maximum for the whole batch: a far row takes the digits of the others, a NaN everything."""

    def pieces(self, rows, o):
        """Adds and takes away the batch's maximum."""
        table = rows.logits
        if table.size:
            with np.errstate(all="ignore"):
                top = table.max()
                table = (table - top) + (top if np.isfinite(top) else top)
        return super().pieces(rows._replace(logits=table), o)


class TailRowsDifferently(Reference):
    """The rows after the last full block of four go through another formula."""

    def pieces(self, rows, o):
        """lse - x in the tail."""
        full = len(rows.targets) // 4 * 4
        head = Rows(rows.logits[:full], rows.targets[:full], rows.samples[:full], rows.weight)
        tail = Rows(rows.logits[full:], rows.targets[full:], rows.samples[full:], rows.weight)
        return super().pieces(head, o) + OtherFormula().pieces(tail, o)


class OtherFormula(NoCompensation):
    """Half of TailRowsDifferently and of ThreadsSplitTheSum."""

    nll = LseMinusLogit.nll
    target_grad = TargetBySubtraction.target_grad
    soft_nll = SoftAsDifference.soft_nll


class ThreadsSplitTheSum(Reference):
    """Every thread's own float64 sum, then their sum: the bits depend on the number of threads."""

    def fold(self, amounts, o):
        """A partial sum a thread."""
        count = o.threads or 1
        total = sum(sum(map(float, amounts[i::count])) for i in range(count))
        return Fraction(total) if math.isfinite(total) else total


class FieldsChangeThePath(Reference):
    """Asking for more fields takes another kernel, with other bits."""

    def value_and_grad(self, logits, targets, **options):
        """The textbook where `returns` is given."""
        path = OtherFormula() if options.get("returns") else self
        return Reference.value_and_grad(path, logits, targets, **options)


class FieldsOfRowsThatDoNotCount(Reference):
    """lse and the rest are filled in for ignored rows too."""

    def row(self, x, target, s, weight, o):
        """Reads what must not be read."""
        piece = super().row(x, target, s, weight, o)
        if not piece.mass and not self.broken(x):
            return piece._replace(fields=piece.fields | {"lse": self.lse(self.state(x))})
        return piece


class ZLossFieldIsTheSum(Reference):
    """The z_loss field is never divided."""

    def reduced(self, values, pieces, o, shape, kind):
        """Always the sum."""
        return np.asarray(math.fsum(values)).astype(kind)[()]


class NegativeWeightsClamped(Reference):
    """A negative sample weight taken for 0."""

    def row(self, x, target, s, weight, o):
        """max(0, s)."""
        return super().row(x, target, max(0.0, s), weight, o)


class LossOnlyIsAnotherFormula(Reference):
    """cross_entropy computes the loss another way than value_and_grad."""

    def cross_entropy(self, logits, targets, **options):
        """lse - x."""
        return OtherFormula().value_and_grad(logits, targets, **options)[0]


# one array, wrong -------------------------------------------------------------------------------------------------
class WritesLogits(Reference):
    """The shifted logits are written back into the input."""

    def value_and_grad(self, logits, targets, **options):
        """x -= max, in place, where it can."""
        answer = super().value_and_grad(logits, targets, **options)
        if logits.size and logits.flags.writeable:
            with np.errstate(all="ignore"):
                logits -= logits.max()
        return answer


class ReturnsTheInput(Reference):
    """The gradient shares its memory with the logits."""

    def store(self, rows, shape, axis, logits, out):
        """A view of the input where it can."""
        grad = super().store(rows, shape, axis, logits, out)
        if out is None and logits.flags.writeable and logits.dtype.isnative:
            logits[...] = grad
            return logits
        return grad


class StridesIgnored(Reference):
    """The buffer read as if it were C-contiguous."""

    def read(self, logits, axis):
        """From the first byte on."""
        base = logits
        while isinstance(base.base, np.ndarray) and base.base.dtype == logits.dtype:
            base = base.base
        flat = np.resize(base.ravel(order="K"), logits.size).reshape(np.moveaxis(logits, axis, -1).shape)
        return super().read(flat, -1)


class ByteOrderIgnored(Reference):
    """Big-endian numbers read as native ones."""

    def read(self, logits, axis):
        """Bytes as they lie."""
        return super().read(logits.view(logits.dtype.newbyteorder("=")), axis)


class LastAxisAlways(Reference):
    """axis accepted and dropped."""

    def read(self, logits, axis):
        """The last axis, whatever was asked."""
        moved = np.moveaxis(logits, axis, -1)
        return super().read(logits.reshape(moved.shape), -1)


class InPlaceReadsAfterWriting(Reference):
    """In place, the target's logit is read after it was overwritten."""

    def value_and_grad(self, logits, targets, **options):
        """The gradient of another call where out is the input."""
        out = options.get("out")
        if out is not None and np.shares_memory(out, logits):
            loss, _ = OtherFormula().value_and_grad(logits, targets, **options)
            return loss, out
        return super().value_and_grad(logits, targets, **options)


class OutForgotten(Reference):
    """out accepted, and a fresh array returned."""

    def store(self, rows, shape, axis, logits, out):
        """Ignores out."""
        return super().store(rows, shape, axis, logits, None)


class AlignmentMatters(Reference):
    """A vector path for aligned rows and another formula for the others."""

    def value_and_grad(self, logits, targets, **options):
        """lse - x where the logits start off an 8-byte boundary."""
        path = OtherFormula() if logits.ctypes.data % 8 else self
        return Reference.value_and_grad(path, logits, targets, **options)


class FirstAxisOnly(Reference):
    """The rows are the first axis, and the rest is flattened into the classes."""

    def value_and_grad(self, logits, targets, **options):
        """Divides by the first axis."""
        options.setdefault("denominator", None)
        if logits.ndim > 2 and options.get("reduction", "mean") == "mean" and options["denominator"] is None:
            options["denominator"] = max(1, logits.shape[0])
        return super().value_and_grad(logits, targets, **options)


class LabelsThroughFloat(Reference):
    """Labels cast to bfloat16's eight bits, as a loss does that casts every input to its own dtype."""

    def labels(self, targets, logits):
        """Rounded to eight significant bits."""
        out = []
        for t in super().labels(targets, logits):
            drop = max(0, abs(t).bit_length() - 8)
            out.append((t >> drop) << drop)
        return out


class UnsignedLabelsSigned(Reference):
    """Unsigned labels reinterpreted as signed ones of the same width."""

    def labels(self, targets, logits):
        """uint8 200 becomes -56, the class counted from the end."""
        if targets.dtype.kind == "u":
            targets = targets.view(targets.dtype.str.replace("u", "i"))
        size = logits.shape[-1]
        return [t % size if -size <= t < 0 else t for t in super().labels(targets, logits)]


class Offset32(Reference):
    """Row offsets in 32 bits: i * V wraps beyond 2**31. Takes zero-stride logits only, and reads one row."""

    def cross_entropy(self, logits, targets, **options):
        """Sum of the losses of rows that are all the same, with labels found through a wrapped offset."""
        classes = logits.shape[-1]
        state = self.state(logits[0].astype(np.float64).tolist())
        offset = np.arange(len(targets), dtype=np.int64) * classes
        seen = (offset.astype(np.int32).astype(np.int64) % (2**31)) // classes
        losses = np.array([self.nll(state, float(v)) for v in logits[0]])
        counts = np.bincount(targets[np.minimum(seen, len(targets) - 1)], minlength=classes)
        return np.float32(sum(Fraction(v) * int(c) for v, c in zip(losses.tolist(), counts.tolist(), strict=True)))


class Offset64(Offset32):
    """The same shortcut without the mistake."""

    def cross_entropy(self, logits, targets, **options):
        """Right."""
        state = self.state(logits[0].astype(np.float64).tolist())
        losses = [self.nll(state, float(v)) for v in logits[0]]
        counts = np.bincount(targets, minlength=logits.shape[-1])
        return np.float32(sum(Fraction(v) * int(c) for v, c in zip(losses, counts.tolist(), strict=True)))


class BackwardAccumulates(Reference):
    """A second backward adds to the first one's array."""

    def backward_twice(self, logits, targets, **options):
        """g, then 2 g."""
        _, grad = self.value_and_grad(logits, targets, **options)
        with np.errstate(all="ignore"):
            return grad, grad + grad


class Classes64(Reference):
    """The loss of equal logits: log V."""

    def cross_entropy(self, logits, targets, **options):
        """Any V."""
        return np.float32(math.log(self.count(logits)))

    def count(self, logits) -> int:
        """The classes."""
        return logits.shape[-1]


class Classes32(Classes64):
    """The classes counted in 32 bits."""

    def count(self, logits) -> int:
        """Wraps."""
        return max(1, int(np.int64(logits.shape[-1]).astype(np.int32)) % 2**31)


# the merge, wrong -----------------------------------------------------------------------------------------------------


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
