"""The worst errors of each kernel: which of them a case runs on, and the two that a plain call seldom reaches.

narrow, wide, long, rows, soft: as `xent.plan` says of the call. small: batches of few rows and classes, in one compiled
call. linear: the loss behind a linear layer by tiles; the layer is an identity, so that its logits are the input.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import xent
from tests.accuracy import bounds
from tests.accuracy.batch import exact_batch
from tests.accuracy.exact import PLAIN
from tests.accuracy.measure import Case, arguments, measure, third_of, variant_cases
from tests.accuracy.ulp import DTYPES
from tests.test_linear.identity import THIRDS
from xent import _small
from xent._kernels.cpu.select import TILE, choose

HINDRANCE = ("softcap",)  # an option that only one kernel knows
MOST_LINEAR = 1000  # classes: an identity of that size
LONG = 2 * TILE + 77  # classes of three tiles, the last of them not whole


class Line(NamedTuple):
    """Worst errors of a kernel over some rows, of `least` to `most` classes."""

    kernel: str
    dtype: str
    least: int
    most: int
    rows: int
    ours: bounds.Found
    sum_over: float  # |sum g| as a fraction of its bound

    @property
    def ok(self) -> bool:
        """Within every bound."""
        return self.ours.ok and self.sum_over <= 1

    def worst(self, other: "Line") -> "Line":
        """Both together."""
        return Line(
            self.kernel,
            self.dtype,
            min(self.least, other.least),
            max(self.most, other.most),
            self.rows + other.rows,
            self.ours.worst(other.ours),
            max(self.sum_over, other.sum_over),
        )


def existing() -> set[tuple[str, str]]:
    """Every (kernel, dtype) that there is: what is chosen at the borders between kernels, small and linear."""
    found = {("small", "float32")}
    for name, dtype in DTYPES.items():
        for classes in (1, 2, 24, 25, TILE, TILE + 1):
            found |= {(choose(name, classes).kernel, name), (choose(name, classes, HINDRANCE).kernel, name)}
            q = np.full((1, classes), 0.5)
            found.add((xent.plan(np.zeros((1, classes), dtype), q, label_smoothing=0.1).kernel, name))
        found.add(("linear", name))
    return found


def kernel_of(case: Case) -> str:
    """The kernel that a case's rows get."""
    return xent.plan(case.logits, case.targets, **arguments(case.options, len(case.logits))).kernel


def line_of(case: Case, kernel: str, ours: bounds.Found, sum_over: float) -> Line:
    """What was measured of a case."""
    n, classes = case.logits.shape
    return Line(kernel, case.dtype, classes, classes, n, ours, sum_over)


def small(case: Case) -> bounds.Found | None:
    """Every row as a batch of its own, and three times as a batch whose mean is its loss; None for other calls."""
    if case.options != PLAIN or case.targets.ndim == 2 or not _small.is_small(case.logits):
        return None
    exact, found = exact_batch(case.logits, case.targets), []
    for count in (1, 3):
        losses, grads = [], np.empty_like(case.logits)
        for i in range(len(case.logits)):
            x, t = np.repeat(case.logits[i : i + 1], count, 0), np.repeat(case.targets[i : i + 1], count)
            grad = np.empty_like(x)
            losses.append(mean_of(x, t, grad))
            grads[i] = grad[-1]
        found.append((np.array(losses), grads))
    return bounds.check(case.logits, case.targets, *found[0], exact=exact).worst(third_of(case, *found[1], exact))


def mean_of(x: np.ndarray, t: np.ndarray, grad: np.ndarray) -> np.float32:
    """The short way; its kernel is compiled after some calls that it leaves to the other."""
    for _ in range(_small.CALLS + 1):
        loss = _small.small_mean(x, t, -100, grad)
        if loss is not None:
            return loss
    raise AssertionError("the kernel for small batches leaves these to another")


def besides(case: Case) -> Iterator[Line]:
    """What the kernels small and linear make of a case, where they can."""
    found = small(case)
    if found is not None:
        yield line_of(case, "small", found, 0.0)
    if case.logits.shape[1] <= MOST_LINEAR and np.isfinite(case.logits.astype(np.float64)).all():
        m = measure(THIRDS, case, textbook=False)
        yield line_of(case, "linear", m.ours, m.sum_over)


def long_cases(dtype: str) -> Iterator[Case]:
    """Every option on rows of several tiles: one row of each family."""
    yield from variant_cases(dtype, (LONG,), 1)


def gather(lines: Iterator[Line]) -> dict[tuple[str, str], Line]:
    """The worst of each (dtype, kernel), fewest classes first."""
    found: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = line.dtype, line.kernel
        found[key] = line if key not in found else found[key].worst(line)
    return dict(sorted(found.items(), key=lambda item: (item[1].most, item[1].least, item[0])))
