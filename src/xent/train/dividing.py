"""What a run divides by, in words and numbers: the rule, the divisors of an epoch, and who weighs more for it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from xent.train.run import Divided, Divisor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xent.train.options import Options

MOST_DIVISORS = 8  # different ones that are listed


def rule(options: Options, unit: str) -> str:
    """The rule in one line, for `unit` "rows" or "tokens".

    >>> from xent.train.options import Options
    >>> rule(Options(), "rows")
    "each batch's loss is its mean: the sum over its rows / the rows that count"
    """
    if options.reduction == "sum":
        return f"each batch's loss is the sum over its {unit}, and is not divided"
    weighted = options.class_weight is not None and options.denominator in (None, "weights")
    padding = ", padding left out" if unit == "tokens" else ""
    words = {
        None: f"the {unit} that count{padding}",
        "weights": f"the {unit} that count{padding}",
        "items": f"the {unit} that count{padding}, whatever they weigh",
        "batch": f"all its {unit}" + (", padding counted too" if unit == "tokens" else ""),
    }
    by = words.get(options.denominator, f"{options.denominator} in every batch")  # type: ignore[arg-type]  # a number is no key
    if weighted:
        by = f"the class weights of the {unit} that count"
    if isinstance(options.denominator, (int, float)):
        return f"each batch's loss is the sum over its {unit} / {options.denominator:g}, whatever the batch holds"
    return f"each batch's loss is its mean: the sum over its {unit} / {by}"


def divided(options: Options, unit: str, divisors: NDArray[np.float64], last: int) -> Divided:
    """The record for the report.

    divisors  (steps,) of one epoch, 1 for a sum. Read.
    last      rows (tokens) in the last batch.
    """
    counted = Counter(divisors.tolist()).most_common()
    lowest, highest = float(divisors.min()), float(divisors.max())
    by_number = isinstance(options.denominator, (int, float))
    weighted = options.class_weight is not None and options.denominator in (None, "weights")
    summed = options.reduction == "sum"
    advice = ""
    if highest > lowest and not weighted:
        commonest = max(counted, key=lambda pair: (pair[1], pair[0]))[0]
        size = round(float(np.median(divisors)) if len(counted) > MOST_DIVISORS else commonest)
        advice = f"--denominator {size} weighs all {unit} alike"
    return Divided(
        reduction=options.reduction,
        denominator=options.denominator,
        rule=rule(options, unit),
        unit="" if summed or by_number else "weight" if weighted else unit,
        batches=len(divisors),
        micro_batches=options.micro_batches,
        divisors=tuple(Divisor(d, n) for d, n in counted) if len(counted) <= MOST_DIVISORS else (),
        lowest=lowest,
        median=float(np.median(divisors)),
        highest=highest,
        last=last,
        ratio=highest / lowest if lowest else 1.0,
        advice=advice,
    )
