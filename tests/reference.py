"""The definition once more, in plain Python, slow and right: every law holds on it, every mutant breaks a step of it.

It shares nothing with the package: its sums are Fractions, its row is `math`. It checks no input.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from tests.fronts import Front, loss_dtype

Numbers = Sequence[float]


def two_diff(a: float, b: float) -> tuple[float, float]:
    """a - b = d + error exactly. Source: Knuth, TAOCP 2, 4.2.2."""
    d = a - b
    t = d - a
    return d, (a - (d - t)) - (b + t)


class State(NamedTuple):
    """One row: its maximum, where it is, exp(x - max) of every class, and the sum of the others."""

    top: float
    at: int
    terms: list[float]
    rest: float


@dataclass
class Options:
    """The options of one call, with the package's defaults."""

    weight: Any = None
    sample_weight: Any = None
    ignore_index: int | None = -100
    label_smoothing: float = 0.0
    reduction: str = "mean"
    denominator: Any = None
    axis: int = -1
    lse_square_scale: float = 0.0
    softcap: float | None = None
    logit_scale: float = 1.0
    returns: tuple[str, ...] = ()
    threads: int | None = None
    grad_scale: float = 1.0
    out: np.ndarray | None = None


NO_FIELDS = {"lse": 0.0, "entropy": 0.0, "log_prob": 0.0, "z_loss": 0.0, "accuracy": 0.0, "predicted": -1.0}


class Rows(NamedTuple):
    """A call taken apart: (N, V) float64 logits, N targets (an int or a list of V floats), N sample weights."""

    logits: np.ndarray
    targets: list[Any]
    samples: list[float]
    weight: list[float] | None


class Piece(NamedTuple):
    """One row's part: `amount` = s * weighted loss exactly, `mass` = what it adds to the denominator, its gradient.

    fields: what `returns` may ask for, of this row; z_loss times the sample weight.
    """

    amount: Fraction | float
    mass: Fraction
    grad: list[float]
    ignored: bool
    fields: dict[str, float] = NO_FIELDS


class SimpleTotal:
    """The Reference's Total: two Fractions, and the non-finite part."""

    def __init__(self, total=Fraction(0), denominator=Fraction(0), odd=0.0):
        self.exact, self.denominator, self.odd = total, denominator, odd

    def __add__(self, other):
        return SimpleTotal(self.exact + other.exact, self.denominator + other.denominator, self.odd + other.odd)

    def __radd__(self, other):
        return self

    @property
    def sum(self) -> float:
        """Rounded once."""
        return self.odd or to_float(self.exact)

    @property
    def loss(self) -> float:
        """The one division."""
        return self.loss_over(self.denominator)

    def loss_over(self, denominator) -> float:
        """sum / denominator, rounded once; 0 over nothing."""
        if self.odd or not denominator:
            return self.odd
        return to_float(self.exact / Fraction(denominator))

    def to_dict(self) -> dict:
        """Everything in it."""
        return {"sum": str(self.exact), "denominator": str(self.denominator), "odd": repr(self.odd)}


def to_float(value: Fraction) -> float:
    """Correctly rounded, infinite beyond the range."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class Reference(Front):
    """The definition, step by step; a mutant replaces one of the methods."""

    def __init__(self):
        super().__init__(type(self).__name__, twice=False)

    # ------------------------------------------------------------------------------------------- the steps
    def read(self, logits: np.ndarray, axis: int) -> np.ndarray:
        """(N, V) float64, a copy."""
        moved = np.moveaxis(logits, axis, -1)
        return moved.astype(np.float64).reshape(math.prod(moved.shape[:-1]), moved.shape[-1])

    def labels(self, targets: np.ndarray, logits: np.ndarray) -> list[int]:
        """Class indices, one a row."""
        return [int(t) for t in targets.reshape(-1)]

    def terms(self, x: Numbers, top: float) -> list[float]:
        """exp(x - top), compensated."""
        out = []
        for v in x:
            d, error = two_diff(v, top)
            out.append(0.0 if d == -math.inf else math.exp(d) * (1.0 + error))
        return out

    def state(self, x: Numbers) -> State:
        """The row's maximum, its terms, and the sum of the other terms."""
        top = max(x)
        at = x.index(top)
        e = self.terms(x, top)
        return State(top, at, e, self.add_up(e[:at] + e[at + 1 :]))

    def add_up(self, terms: Numbers) -> float:
        """The sum, rounded once."""
        return math.fsum(terms)

    def broken(self, x: Numbers) -> bool:
        """A row without a loss: NaN, +inf, or nothing but -inf."""
        return any(math.isnan(v) for v in x) or not math.isfinite(max(x))

    def nll(self, state: State, x: float) -> float:
        """Negative log-likelihood of the class with logit x."""
        return (state.top - x) + math.log1p(state.rest)

    def lse(self, state: State) -> float:
        """log sum exp."""
        return state.top + math.log1p(state.rest)

    def soft_nll(self, state: State, x: Numbers, q: Numbers) -> float:
        """sum(q * nll); 0 * inf = 0."""
        used = [(qj, xj) for qj, xj in zip(q, x, strict=True) if qj]
        mass = math.fsum(q)
        return math.fsum(qj * (state.top - xj) for qj, xj in used) + mass * math.log1p(state.rest)

    def smooth(self, q: Numbers, a: float) -> list[float]:
        """(1 - a) q + a sum(q) / V."""
        share = a * math.fsum(q) / len(q)
        return [(1.0 - a) * qj + share for qj in q]

    def target_grad(self, state: State, t: int) -> float:
        """p - 1 of the target without forming p where p is near 1."""
        if t == state.at:
            return (0.0 - state.rest) / (1.0 + state.rest)  # +0 for a row of one class
        return state.terms[t] / (1.0 + state.rest) - 1.0

    def index_grad(self, state: State, t: int) -> list[float]:
        """p - onehot."""
        g = [e / (1.0 + state.rest) for e in state.terms]
        g[t] = self.target_grad(state, t)
        return g

    def soft_grad(self, state: State, q: Numbers, extra: float) -> list[float]:
        """(sum(q) + extra) p - q, by the others at the maximum."""
        mass = math.fsum(q) + extra
        g = [mass * e / (1.0 + state.rest) - qj for e, qj in zip(state.terms, q, strict=True)]
        others = math.fsum(qj for j, qj in enumerate(q) if j != state.at) + extra
        g[state.at] = (others - q[state.at] * state.rest) / (1.0 + state.rest)
        return g

    def transform(self, x: Numbers, o: Options) -> tuple[list[float], list[float]]:
        """Scaled and capped logits, and their derivative."""
        if o.softcap is None:
            return [v * o.logit_scale for v in x], [o.logit_scale] * len(x)
        u = [v * o.logit_scale / o.softcap for v in x]
        return [o.softcap * math.tanh(v) for v in u], [o.logit_scale / math.cosh(min(abs(v), 350.0)) ** 2 for v in u]

    def ignores(self, target: Any, o: Options) -> bool:
        """Whether the row is taken out by ignore_index."""
        return isinstance(target, int) and o.ignore_index is not None and target == o.ignore_index

    def row_weight(self, target: Any, weight: Numbers | None) -> Fraction:
        """sum(w q), exactly."""
        if isinstance(target, int):
            return Fraction(weight[target]) if weight is not None else Fraction(1)
        pairs = zip(target, weight if weight is not None else [1.0] * len(target), strict=True)
        return sum((Fraction(q) * Fraction(w) for q, w in pairs if w), Fraction(0))

    def product(self, s: float, w: Fraction | float, loss: float) -> Fraction | float:
        """s * w * loss, exactly."""
        if not math.isfinite(loss):
            return math.copysign(1.0, s) * loss
        return Fraction(s) * Fraction(w) * Fraction(loss)

    def fold(self, amounts: list[Fraction | float], o: Options) -> Fraction | float:
        """The sum of the rows, exactly."""
        odd = [a for a in amounts if isinstance(a, float)]
        return sum(odd) if odd else sum(amounts, Fraction(0))

    def divide(self, total: Fraction | float, denominator: Fraction) -> float:
        """The one division, rounded once."""
        if isinstance(total, float):
            return total
        return to_float(total / denominator) if denominator else 0.0

    def denominator_of(self, pieces: list[Piece], o: Options) -> Fraction:
        """What a mean divides by."""
        if o.denominator in (None, "weights"):
            return sum((p.mass for p in pieces), Fraction(0))
        if o.denominator == "items":
            return Fraction(sum(not p.ignored for p in pieces))
        return Fraction(len(pieces)) if o.denominator == "batch" else Fraction(o.denominator)

    def grad_factor(self, pieces: list[Piece], o: Options) -> float:
        """What every gradient entry is multiplied by."""
        factor = Fraction(o.grad_scale)
        if o.reduction == "mean":
            denominator = self.denominator_of(pieces, o)
            factor = factor / denominator if denominator else Fraction(0)
        return to_float(factor)

    def row(self, x: list[float], target: Any, s: float, weight: list[float] | None, o: Options) -> Piece:
        """One row."""
        nothing = [0.0] * len(x)
        if self.ignores(target, o):
            return Piece(Fraction(0), Fraction(0), nothing, ignored=True)
        w = self.row_weight(target, weight)
        mass = Fraction(s) * w
        if not mass:
            return Piece(Fraction(0), Fraction(0), nothing, ignored=False)
        x, slope = self.transform(x, o)
        if self.broken(x):
            return Piece(math.nan, mass, [math.nan] * len(x), ignored=False, fields=dict.fromkeys(NO_FIELDS, math.nan))
        state = self.state(x)
        z = o.lse_square_scale
        fields = self.fields(state, x, target, s, z)
        if isinstance(target, int) and not o.label_smoothing and not z:
            amount = self.product(s, w, self.nll(state, x[target]))
            grad = [float(w) * g for g in self.index_grad(state, target)]
        else:
            q = [float(j == target) for j in range(len(x))] if isinstance(target, int) else target
            q = self.smooth(q, o.label_smoothing) if o.label_smoothing else q
            if o.label_smoothing:
                q, w = [a * b for a, b in zip(q, weight, strict=True)] if weight is not None else q, Fraction(1)
            elif weight is not None:  # one-hot must give w * loss of the index, exactly
                q = [float(Fraction(a) * Fraction(b) / w) for a, b in zip(q, weight, strict=True)]
            else:
                w = Fraction(1)
            amount = self.product(s, w, self.soft_nll(state, x, q))
            square = self.product(s, 1.0, z * self.lse(state) * self.lse(state))
            amount = amount + square
            share, extra = float(w), 2.0 * z * self.lse(state)
            if z:
                grad = self.soft_grad(state, [share * v for v in q], extra)
            else:
                grad = [share * g for g in self.soft_grad(state, q, 0.0)]
        grad = [s * g * d for g, d in zip(grad, slope, strict=True)]
        return Piece(amount, mass, grad, ignored=False, fields=fields)

    def fields(self, state: State, x: Numbers, target: Any, s: float, z: float) -> dict[str, float]:
        """Further results of a row that counts."""
        q = [float(j == target) for j in range(len(x))] if isinstance(target, int) else target
        p = [e / (1.0 + state.rest) for e in state.terms]
        return {
            "lse": self.lse(state),
            "entropy": self.soft_nll(state, x, p),
            "log_prob": -self.soft_nll(state, x, q),
            "z_loss": s * z * self.lse(state) * self.lse(state),
            "accuracy": float(q.index(max(q)) == state.at),
            "predicted": float(state.at),
        }

    # ------------------------------------------------------------------------------------------- the call
    def take_apart(self, logits, targets, o: Options) -> Rows:
        """Arrays to rows."""
        table = self.read(logits, o.axis)
        shape = np.moveaxis(logits, o.axis, -1).shape
        if targets.ndim == logits.ndim:
            wanted = np.moveaxis(targets, o.axis, -1).astype(np.float64).reshape(table.shape).tolist()
        else:
            wanted = self.labels(targets, logits)
        samples = np.ones(shape[:-1]) if o.sample_weight is None else np.broadcast_to(o.sample_weight, shape[:-1])
        weight = None if o.weight is None else [float(w) for w in o.weight]
        return Rows(table, wanted, [float(s) for s in samples.reshape(-1)], weight)

    def pieces(self, rows: Rows, o: Options) -> list[Piece]:
        """Every row for itself."""
        return [
            self.row(x, t, s, rows.weight, o)
            for x, t, s in zip(rows.logits.tolist(), rows.targets, rows.samples, strict=True)
        ]

    def value_and_grad(self, logits, targets, **options):
        """As xent.value_and_grad."""
        o = Options(**options)
        pieces = self.pieces(self.take_apart(logits, targets, o), o)
        shape = np.moveaxis(logits, o.axis, -1).shape
        kind = loss_dtype(logits)
        factor = self.grad_factor(pieces, o)
        grad = self.store([[self.scaled(factor, g) for g in p.grad] for p in pieces], shape, o.axis, logits, o.out)
        if o.reduction == "none":
            losses = [a if isinstance(a, float) else to_float(a) for a in (p.amount for p in pieces)]
            loss = np.array(losses, np.float64).astype(kind).reshape(shape[:-1])
        else:
            total = self.fold([p.amount for p in pieces], o)
            denominator = self.denominator_of(pieces, o) if o.reduction == "mean" else Fraction(1)
            loss = np.asarray(self.divide(total, denominator)).astype(kind)[()]
        return self.answer(loss, pieces, o, shape[:-1]), grad

    def answer(self, loss, pieces: list[Piece], o: Options, shape):
        """The loss, or a named tuple with what `returns` asks for."""
        if not o.returns:
            return loss
        kind = np.asarray(loss).dtype
        found = {name: np.array([p.fields[name] for p in pieces], kind).reshape(shape) for name in NO_FIELDS}
        found["predicted"] = np.nan_to_num(found["predicted"], nan=-1.0).astype(np.int64)
        found["z_loss"] = self.reduced([p.fields["z_loss"] for p in pieces], pieces, o, shape, kind)
        odd = sum(p.amount for p in pieces if isinstance(p.amount, float))
        finite = self.fold([p.amount for p in pieces if not isinstance(p.amount, float)], o)
        found["sum"] = np.float64(odd or to_float(finite))
        found["denominator"] = np.float64(float(self.denominator_of(pieces, o)))
        return NamedTuple("Result", [("loss", Any), *((n, Any) for n in o.returns)])(
            loss, *(found[n] for n in o.returns)
        )

    def reduced(self, values: list[float], pieces: list[Piece], o: Options, shape, kind):
        """A weighted part of the loss, as `reduction` asks."""
        if o.reduction == "none":
            return np.array(values, kind).reshape(shape)
        denominator = self.denominator_of(pieces, o) if o.reduction == "mean" else Fraction(1)
        return np.asarray(math.fsum(values) / float(denominator) if denominator else 0.0).astype(kind)[()]

    def scaled(self, factor: float, g: float) -> float:
        """One gradient entry times what every entry is multiplied by."""
        return factor * g

    def store(self, rows: list[list[float]], shape, axis: int, logits: np.ndarray, out) -> np.ndarray:
        """Round once to the logits' dtype; C-contiguous, or into out."""
        with np.errstate(all="ignore"):
            grad = np.moveaxis(np.array(rows, np.float64).reshape(shape), -1, axis).astype(
                logits.dtype.newbyteorder("=")
            )
        if out is not None:
            out[...] = grad
            return out
        return np.ascontiguousarray(grad).reshape(grad.shape)

    def backward_twice(self, logits, targets, **options):
        """Two gradients of one forward."""
        _, grad = self.value_and_grad(logits, targets, **options)
        return grad, grad.copy()

    def cross_entropy(self, logits, targets, **options):
        """As xent.cross_entropy."""
        return self.value_and_grad(logits, targets, **options)[0]

    def total(self, logits, targets, **options):
        """As xent.total."""
        o = Options(**options)
        pieces = self.pieces(self.take_apart(logits, targets, o), o)
        finite = self.fold([p.amount for p in pieces if not isinstance(p.amount, float)], o)
        mass = sum((p.mass for p in pieces), Fraction(0))
        return SimpleTotal(finite, mass, sum(p.amount for p in pieces if isinstance(p.amount, float)))
