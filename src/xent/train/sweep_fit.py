"""Two fits over batch sizes: where perfect scaling ends, and how the best learning rate grows. Both can refuse.

Source: Shallue et al. 2019, JMLR 20(112), and McCandlish et al. 2018, arXiv:1812.06162: the updates S and the rows E
that a target takes lie on (S/S_min − 1)(E/E_min − 1) = 1, which with E = B·S is S = S_min + E_min/B.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xent.core.errors import missing
from xent.train.sweep_record import Critical, Growth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST = 4  # batch sizes for the fit with two unknowns
FEWEST_BELOW = 3  # batch sizes for a growth below the critical one
FEWEST_ABOVE = 2
WELL_BELOW = 4.0  # the growth is taken up to the critical batch size over this


def critical(sizes: Sequence[int], updates: Sequence[float], each: Floats) -> Critical:
    """Fit updates = least_updates + least_rows / B in relative errors; the batch size where both terms are equal.

    sizes     B, rising
    updates   of each size, the median over seeds, finite
    each      (sizes, S) updates of each seed at its own best learning rate, inf where none. Read.

    Refused where the batch sizes do not lie on both sides of the result: then the fit says what was not measured.
    """
    if len(sizes) < FEWEST:
        return _no(f"it takes {FEWEST} batch sizes whose best learning rate is known, and {_there(len(sizes))}")
    least, rows, error = _hyperbola(sizes, updates)
    knee = rows / least
    if knee > max(sizes) / 2:
        return _no(f"no batch size lies beyond it: it is more than {max(sizes) // 2}, or there is none")
    if knee < 2 * min(sizes):
        return _no(f"no batch size lies below it: it is less than {2 * min(sizes)}, or there is none")
    finite = [column for column in each.T if np.isfinite(column).all()]
    own = [b / a for a, b, _ in (_hyperbola(sizes, column) for column in finite)]
    return Critical(knee, min(own, default=knee), max(own, default=knee), least, rows, error, "")


def growth(
    sizes: Sequence[int], lrs: Sequence[float], own: Sequence[Sequence[float]], knee: float | None, *, below: bool
) -> Growth:
    """The exponent k of the best learning rate ∝ B^k, well below the critical batch size or from it on.

    sizes, lrs   batch sizes, rising, and the best learning rate of each
    own          each seed's own best learning rate, by batch size
    knee         the critical batch size; None where it was refused; inf for all batch sizes

    The median over the seeds, and their range; where a seed lacks one of the batch sizes, that of `lrs` alone.
    """
    if knee is None:
        return Growth(None, None, None, 0, 0, "the critical batch size is not known")
    chosen = [i for i, size in enumerate(sizes) if (size <= knee / WELL_BELOW if below else size >= knee)]
    fewest = FEWEST_BELOW if below else FEWEST_ABOVE
    if len(chosen) < fewest:
        where = f"of at most {knee / WELL_BELOW:.3g}" if below else f"from {knee:.3g} on"
        where = where if math.isfinite(knee) else "whose best learning rate is known"
        why = f"it takes {fewest} batch sizes {where}, and {_there(len(chosen))}"
        return Growth(None, None, None, 0, 0, why)
    logs = np.log2([sizes[i] for i in chosen])
    seeds = max(len(own[i]) for i in chosen)
    whole = all(len(own[i]) == seeds for i in chosen)
    each = [slope(logs, np.log2([own[i][k] for i in chosen])) for k in range(seeds if whole else 0)]
    each = each or [slope(logs, np.log2([lrs[i] for i in chosen]))]
    return Growth(float(np.median(each)), min(each), max(each), sizes[chosen[0]], sizes[chosen[-1]], "")


def slope(x: Floats, y: Floats) -> float:
    """Slope of the line of least squares.

    >>> slope(np.array([0.0, 1.0, 2.0]), np.array([5.0, 7.0, 9.0]))
    2.0
    """
    x = x - x.mean()
    return float(x @ (y - y.mean()) / (x @ x))


def _hyperbola(sizes: Sequence[int], updates: Sequence[float] | Floats) -> tuple[float, float, float]:
    """least_updates, least_rows and the root mean square of the relative errors' logarithms."""
    try:
        from scipy.optimize import least_squares
    except ImportError:
        raise missing("scipy", "cli") from None
    b, wanted = np.asarray(sizes, dtype=np.float64), np.log(updates)

    def residuals(x: Floats) -> Floats:
        apart: Floats = np.logaddexp(x[0], x[1] - np.log(b)) - wanted
        return apart

    start = np.array([wanted[-1], wanted[0] + math.log(b[0])])
    x = least_squares(residuals, start).x
    return math.exp(x[0]), math.exp(x[1]), float(np.sqrt(np.mean(residuals(x) ** 2)))


def _there(count: int) -> str:
    """How many there are.

    >>> _there(1), _there(0)
    ('there is 1', 'there are 0')
    """
    return f"there {'is' if count == 1 else 'are'} {count}"


def _no(why: str) -> Critical:
    """Refused."""
    return Critical(None, None, None, None, None, None, why)
