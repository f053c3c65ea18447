"""After the door: kernels, the exact sums, and the one division. What a call on arrays consists of."""

from collections import namedtuple
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xent import _door
from xent._dividing import Divisor, divisor_of, number_of, sum_of_weights, total_of
from xent._door import Batch
from xent._kernels.cpu import launch
from xent._kernels.cpu.rows import PROBABILITIES
from xent.core import errors
from xent.core.batch import Total, ratio
from xent.core.row import NO_CAP
from xent.core.spec import Denominator, Spec, check_denominator, make_spec

Array = NDArray[Any]
Answer = Any  # a NumPy scalar, an array, a Total, or a named tuple that begins with one of them


def spec_of(*options: object) -> Spec:
    """The checked options. OptionError, KindError."""
    try:
        return make_spec(*options)
    except TypeError as error:  # an option that cannot be hashed is of the wrong kind: Spec says which
        if isinstance(error, errors.KindError):
            raise
        return Spec(*options)  # type: ignore[arg-type]  # it checks what came


def call(
    logits: ArrayLike,
    targets: ArrayLike,
    weight: ArrayLike | None,
    sample_weight: ArrayLike | None,
    spec: Spec,
    denominator: object,
    *,
    gradient: bool = False,
    factor: float = 1.0,
    out: Array | None = None,
) -> tuple["Run", Array | None]:
    """The batch after its kernels, and its gradient where that was asked for."""
    divide_by = check_denominator(denominator, spec.reduction)
    batch = _door.receive(logits, targets, weight, sample_weight, spec)
    _door.check_signs(batch, spec, divide_by)
    grad = None
    if out is not None:
        grad = _door.check_out(out, np.asarray(logits), [targets, weight, sample_weight])
    elif gradient:
        grad = np.empty(np.shape(logits), batch.dtype)
    return run(batch, spec, divide_by, grad, factor), grad


class Run(NamedTuple):
    """A batch after the kernels, before the division."""

    batch: Batch
    spec: Spec
    total: Total
    divisor: Divisor
    results: launch.Results

    def answer(self, first: str) -> Answer:
        """The total or the loss; a named tuple with what else `returns` asks for."""
        if first == "loss" and self.divisor == (0, 1):
            errors.warn(errors.empty_batch())
        with np.errstate(over="ignore"):  # the true value may lie beyond float32
            whole = self.total if first == "total" else self.loss()
            if not self.spec.returns:
                return whole
            return _named(first, self.spec.returns)(whole, *(getattr(self, name)() for name in self.spec.returns))

    def loss(self) -> Answer:
        """The loss as `reduction` asks for it."""
        if self.spec.reduction == "none":
            return self.per_row(_product(self.batch.factor, self.results.losses) + self.results.z_losses)
        return self.scalar(self.total)

    def z_loss(self) -> Answer:
        """The z-loss' part of the loss."""
        if self.spec.reduction == "none":
            return self.per_row(self.results.z_losses)
        found = launch.exact_sum(self.batch.index, self.batch.sample_weight, _door.NONE, self.results.z_losses)
        return self.scalar(Total(found.units, 0, found.plus_infinities, found.minus_infinities, found.nans))

    def lse(self) -> Any:  # noqa: ANN401  # as `shaped`
        """log-sum-exp of every row."""
        return self.shaped(self.results.extras[:, 0])

    def entropy(self) -> Any:  # noqa: ANN401  # as `shaped`
        """Entropy of every row's probabilities, in nats."""
        return self.shaped(self.results.extras[:, 1])

    def log_prob(self) -> Any:  # noqa: ANN401  # as `shaped`
        """Log-probability of every row's target."""
        return self.shaped(self.results.extras[:, 2])

    def predicted(self) -> Array:
        """First largest logit of every row."""
        return self.results.predicted.reshape(self.batch.shape)

    def accuracy(self) -> Any:  # noqa: ANN401  # as `shaped`
        """1 in every row whose prediction is its target, or its target's first largest probability."""
        target = self.batch.index
        if self.batch.q is not None:
            largest = self.batch.q.argmax(axis=-1).reshape(-1)
            target = np.where(target == PROBABILITIES, largest, target)
        return self.shaped(self.results.predicted == target)

    def sum(self) -> Answer:
        """The exact sum of weight × loss, rounded once."""
        return np.float64(self.total.sum)

    def denominator(self) -> Answer:
        """What the mean was divided by; the sum of the weights where nothing was divided."""
        return np.float64(ratio(*self.divisor) if self.spec.reduction == "mean" else self.total.denominator)

    def scalar(self, total: Total) -> Answer:
        """A total divided once, in the loss' dtype."""
        return self.batch.loss_dtype.type(total.over(*self.divisor))

    def per_row(self, losses: Array) -> Answer:
        """Losses of rows, weighted, in the loss' dtype."""
        return self.shaped(_product(self.batch.sample_weight, losses))

    def shaped(self, per_row: Array) -> Any:  # noqa: ANN401  # an array, or a scalar for a batch of no axes
        """(N,) as the batch shape, in the loss' dtype; a scalar for a batch of no axes."""
        return per_row.astype(self.batch.loss_dtype).reshape(self.batch.shape)[()]


def run(
    batch: Batch, spec: Spec, divide_by: Denominator | float = "weights", grad: Array | None = None, factor: float = 1.0
) -> Run:
    """Run the kernels: the weights' exact sum first, then losses (and gradient), then the losses' exact sum."""
    weights = sum_of_weights(batch)
    divisor = divisor_of(batch, spec, divide_by, weights)
    number = number_of(divisor)
    scale = np.full(batch.rows, factor / number)
    if batch.sample_weight.size:
        scale = batch.sample_weight / number * factor
    given = rows_of(batch, spec, scale)
    extras = not set(spec.returns) <= {"sum", "denominator", "z_loss"}
    gradient = None if grad is None else np.moveaxis(grad, spec.axis, -1)
    results = launch.run_rows(batch.logits, given, gradient, extras=extras, thread_limit=spec.threads)
    return Run(batch, spec, total_of(batch, spec, results, weights), divisor, results)


def rows_of(batch: Batch, spec: Spec, scale: NDArray[np.float64]) -> launch.Rows:
    """What the kernels take of a batch; scale (N,): sample weight / denominator."""
    cap = NO_CAP if spec.softcap is None else spec.softcap
    numbers = (spec.label_smoothing, spec.lse_square_scale, spec.logit_scale, cap)
    return launch.Rows(batch.index, batch.q, batch.mass, batch.factor, batch.class_weight, *numbers, scale)


def _product(weights: Array, losses: Array) -> Array:
    """Weights × losses; no weights: all 1. Rows that do not count have loss 0 and stay so."""
    return weights * losses if weights.size else losses


@cache
def _named(first: str, names: tuple[str, ...]) -> Callable[..., Answer]:
    """The named tuple for a set of `returns`."""
    return namedtuple("Result", (first, *names))  # noqa: PYI024  # the fields depend on the call
