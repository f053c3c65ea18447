"""Measuring a front end on the families of rows, and NumPy's textbook formula on the same rows."""

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tests.accuracy import bounds
from tests.accuracy.batch import Wide, exact_batch
from tests.accuracy.exact import Options
from tests.accuracy.families import FAMILIES, VARIANTS, rows_of, soft_rows, weights_of
from tests.accuracy.ulp import ulps
from tests.fronts import Front

SMALL = (1, 2, 3, 5, 10, 24, 64, 100, 1000)
ALL = (*SMALL, 32768, 131072)
THIRD = 3.0  # a denominator that no binary fraction divides by


class Case(NamedTuple):
    """Some rows and how they are called. name: of the family, or of the variant. options: the oracle's."""

    name: str
    dtype: str
    logits: np.ndarray
    targets: np.ndarray
    options: Options


class Measured(NamedTuple):
    """Worst errors over some rows: ours, the textbook's, and |sum g| as a fraction of its bound."""

    name: str
    dtype: str
    ours: bounds.Found
    textbook: bounds.Found
    sum_over: float


def row_count(classes: int, budget: int) -> int:
    """How many rows of so many classes: `budget` entries, at least 1, at most 64."""
    return int(np.clip(budget // classes, 1, 64))


def plain_cases(dtype: str, sizes: tuple[int, ...], budget: int) -> Iterator[Case]:
    """Class indices, no options, every family."""
    for classes in sizes:
        for name in FAMILIES:
            logits, targets = rows_of(name, dtype, classes, row_count(classes, budget))
            yield Case(name, dtype, logits, targets, Options())


def variant_cases(
    dtype: str, sizes: tuple[int, ...], budget: int, names: tuple[str, ...] = tuple(VARIANTS)
) -> Iterator[Case]:
    """Every variant on its families."""
    for classes in sizes:
        for name, variant in ((n, VARIANTS[n]) for n in names):
            for family in variant.families:
                seed = zlib.crc32(name.encode())
                logits, targets = rows_of(family, dtype, classes, max(1, row_count(classes, budget) // 4), seed)
                options = variant.options
                if variant.weighted:
                    options = replace(options, weight=weights_of(classes))
                if variant.soft:
                    targets = soft_rows(variant.soft, logits, targets, seed)
                yield Case(name, dtype, logits, targets, options)


def arguments(options: Options, rows: int) -> dict:
    """The oracle's options as a front end's."""
    found = {k: v for k, v in vars(options).items() if v != vars(Options())[k] and k not in ("weight", "sample_weight")}
    if options.weight is not None:
        found["weight"] = np.array(options.weight)
    if options.sample_weight != 1.0:
        found["sample_weight"] = np.full(rows, options.sample_weight)
    return found


def measure(front: Front, case: Case, *, textbook: bool = True) -> Measured:
    """One case: losses one by one, the gradient of their sum, and of their sum divided by 3."""
    options = arguments(case.options, len(case.logits))
    exact = exact_batch(case.logits, case.targets, case.options)
    losses = front.cross_entropy(case.logits, case.targets, reduction="none", **options)
    _, grad = front.value_and_grad(case.logits, case.targets, reduction="sum", **options)
    found = bounds.check(case.logits, case.targets, losses, grad, case.options, exact=exact)
    if front.has("denominator"):
        _, third = front.value_and_grad(case.logits, case.targets, denominator=THIRD, **options)
        found = found.worst(third_of(case, losses, third, exact))
    plain = not bounds.is_difference(case.targets, case.options) and case.options.softcap is None
    theirs = bounds.NOTHING
    if textbook and case.options == Options() and case.targets.ndim == 1:
        theirs = textbook_errors(case, exact)
    return Measured(case.name, case.dtype, found, theirs, bounds.sum_over_bound(grad) if plain else 0.0)


def third_of(case: Case, losses: np.ndarray, third: np.ndarray, exact) -> bounds.Found:
    """The errors of a gradient divided by 3, in exact thirds."""
    g = exact.grad
    from tests.accuracy import doubles

    zero = np.zeros_like(g.hi)
    divided = Wide.of(doubles.div((g.hi, g.lo), (zero + THIRD, zero)), g.exponent)
    return bounds.check(
        case.logits, case.targets, losses, third, case.options, exact=replace(exact, grad=divided), size=1 / THIRD
    )


def textbook_errors(case: Case, exact) -> bounds.Found:
    """The formula of every textbook, in the logits' dtype: lse - x, and p - 1 at the target."""
    x, t = case.logits, case.targets
    rows = np.arange(len(x))
    with np.errstate(all="ignore"):
        top = x.max(1, keepdims=True)
        lse = top + np.log(np.exp(x - top).sum(1, keepdims=True))
        loss = (lse[:, 0] - x[rows, t]).astype(np.float64 if case.dtype == "float64" else np.float32)
        grad = np.exp(x - lse).astype(x.dtype)
        grad[rows, t] -= x.dtype.type(1)
    error = ulps(grad, exact.grad, case.dtype)
    at_target = np.zeros(grad.shape, bool)
    at_target[rows, t] = True
    return bounds.Found(
        float(ulps(loss, Wide.of_numbers(exact.loss), loss.dtype.name).max()),
        float(error[at_target].max()),
        float(np.where(at_target, 0.0, error).max()),
        0.0,
        0.0,
    )


def gather(measured: Iterator[Measured]) -> dict[tuple[str, str], Measured]:
    """The worst of each (dtype, name)."""
    found: dict[tuple[str, str], Measured] = {}
    for m in measured:
        old = found.get((m.dtype, m.name))
        found[m.dtype, m.name] = (
            m
            if old is None
            else Measured(
                m.name, m.dtype, m.ours.worst(old.ours), m.textbook.worst(old.textbook), max(m.sum_over, old.sum_over)
            )
        )
    return found
