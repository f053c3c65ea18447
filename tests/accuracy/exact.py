"""One row's loss and gradient from the definition, in hundreds of digits: what every other oracle is checked against.

Nothing here is clever, on purpose: p = exp(x) / sum(exp(x)), loss = -sum(q log p). The working precision is so high
that `lse - x` keeps 60 digits although it cancels hundreds. Needs mpmath; shares nothing with the package.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mpmath import mp, mpf

DIGITS = 60
WORKING = 720  # decimal digits: a margin of 1500 nats cancels 652 of them


@dataclass(frozen=True)
class Options:
    """What changes one row's loss; the names are the package's.

    weight: one number a class, or None. label_smoothing: a in q' = (1 - a) q + a sum(q) / V. lse_square_scale: the
    z-loss. softcap c, logit_scale s: x' = c tanh(s x / c). sample_weight: of this row.
    """

    weight: tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    lse_square_scale: float = 0.0
    softcap: float | None = None
    logit_scale: float = 1.0
    sample_weight: float = 1.0


PLAIN = Options()


@dataclass(frozen=True)
class Exact:
    """One row's results: mpf, with no error that matters; infinite or NaN where the true value is.

    loss includes class weights, sample weight, smoothing and the z-loss; grad is its derivative by the logits.
    nll is -sum(q' log p) without weights; weight is s * sum(w q), what a weighted mean divides by.
    """

    loss: mpf
    grad: list[mpf]
    lse: mpf
    entropy: mpf
    log_prob: mpf
    z_loss: mpf
    weight: mpf


def one_hot(target: int, classes: int) -> list[float]:
    """The probability row of a class index."""
    return [1.0 if j == target else 0.0 for j in range(classes)]


def exact_row(logits: Sequence[float], target: int | Sequence[float], options: Options = PLAIN) -> Exact:
    """Everything about one row of finite or -inf logits; `target` is a class or a probability row.

    A logit of +inf or NaN, or a row of -inf, has no value: the caller tests that case by itself.
    """
    with mp.workdps(WORKING):
        classes = len(logits)
        q = [mpf(v) for v in (one_hot(target, classes) if isinstance(target, int) else target)]
        w = [mpf(v) for v in options.weight] if options.weight is not None else [mpf(1)] * classes
        a, s, scale = mpf(options.label_smoothing), mpf(options.sample_weight), mpf(options.logit_scale)

        x, slope = zip(*(_transformed(mpf(v), scale, options.softcap) for v in logits), strict=True)
        top = max(x)
        total = mp.fsum(mp.exp(v - top) for v in x)
        lse = top + mp.log(total)
        p = [mp.exp(v - top) / total for v in x]

        mass = mp.fsum(q)
        smoothed = [(1 - a) * v + a * mass / classes for v in q]
        weighted = [wc * v for wc, v in zip(w, smoothed, strict=True)]
        z = mpf(options.lse_square_scale)

        nll = _dot(weighted, [lse - v for v in x])
        slope_of_p = mp.fsum(weighted) + 2 * z * lse
        grad = [s * (slope_of_p * pj - qj) * dj for pj, qj, dj in zip(p, weighted, slope, strict=True)]
        return Exact(
            loss=s * (nll + z * lse**2),
            grad=grad,
            lse=lse,
            entropy=_dot(p, [lse - v for v in x]),
            log_prob=-_dot(q, [lse - v for v in x]),
            z_loss=s * z * lse**2,
            weight=s * _dot(w, q),
        )


def exact_loss(logits: Sequence[mpf], target: int | Sequence[float], options: Options = PLAIN) -> mpf:
    """The loss alone, of logits that may be mpf: for difference quotients far below float64's own step."""
    return exact_row(logits, target, options).loss


def _transformed(x: mpf, scale: mpf, softcap: float | None) -> tuple[mpf, mpf]:
    """x' = c tanh(s x / c), and dx'/dx."""
    if softcap is None:
        return scale * x, scale
    cap = mpf(softcap)
    if mp.isinf(x):
        return (cap if x > 0 else -cap) * mp.sign(scale), mpf(0)
    u = scale * x / cap
    return cap * mp.tanh(u), scale * mp.sech(u) ** 2


def _dot(factors: Sequence[mpf], values: Sequence[mpf]) -> mpf:
    """sum(f * v) with 0 * inf = 0."""
    return mp.fsum(f * v for f, v in zip(factors, values, strict=True) if f != 0)
