"""The mini-batch loop: batches, their one denominator, the steps, and which epoch was best.

A batch may be cut into micro-batches. Each one's gradient is divided by what the WHOLE batch is divided by, so the
pieces simply add up; the mean of the pieces' own means is another number whenever they hold unequal counts.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xent import numpy as functions
from xent.core.batch import Total
from xent.core.errors import XentError
from xent.fit.examples import IGNORED, batches, pieces
from xent.layer import SoftmaxWithLoss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from xent.fit.examples import Examples
    from xent.fit.model import Model
    from xent.fit.optimizers import Optimizer

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CHUNK = 1024  # rows whose logits are held at once when nothing is learned


@dataclass(frozen=True)
class Objective:
    """What is minimised: the options of the layer, fixed for a run."""

    reduction: str = "mean"
    denominator: str | float | None = None
    weight: Floats | None = None  # (classes,)
    label_smoothing: float = 0.0

    def layer(self) -> SoftmaxWithLoss:
        """A layer with these options."""
        return SoftmaxWithLoss(
            reduction=self.reduction,
            denominator=self.denominator,
            weight=self.weight,
            ignore_index=IGNORED,
            label_smoothing=self.label_smoothing,
        )

    def divisor(self, targets: Ints) -> float:
        """What the summed losses of a batch with these targets are divided by: known before any logit is. 1 for a sum.

        >>> t = np.array([[0, 1, -100], [1, -100, -100]])
        >>> [Objective(denominator=d).divisor(t) for d in (None, "items", "batch", 64)]
        [3.0, 3.0, 6.0, 64.0]
        >>> Objective(weight=np.array([1.0, 0.25])).divisor(t)
        1.5
        """
        if self.reduction == "sum":
            return 1.0
        if self.denominator == "batch":
            return float(targets.size)
        if isinstance(self.denominator, (int, float)):
            return float(self.denominator)
        counted = targets[targets != IGNORED]
        if self.weight is None or self.denominator == "items":
            return float(len(counted))
        return math.fsum(self.weight[counted])


@dataclass(frozen=True, slots=True)
class Pass:
    """What one epoch's pass over the training examples gave."""

    total: Total  # of the objective, while the weights moved
    correct: int  # targets that were predicted, while the weights moved
    size: int  # targets
    norms: Floats  # (steps,) Euclidean norm of each step's gradient
    seconds: float


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says about examples it does not learn from: plain cross-entropy, row by row."""

    total: Total
    losses: Floats  # (N,) nats
    predicted: Ints  # (N,) class with the largest logit, the first of equals

    def accuracy(self, targets: Ints) -> float:
        """Fraction of the targets (N,) that were predicted."""
        return float(np.mean(self.predicted == targets))


class Fit:
    """A model on its way: its weights, its optimiser, and the best it has been so far."""

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        objective: Objective,
        *,
        batch_size: int,
        micro_batches: int,
        seed: int,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.objective = objective
        self.batch_size = batch_size
        self.micro_batches = micro_batches
        self.seed = seed
        self.epoch = 0  # epochs done
        self.best_epoch = 0
        self.best_loss = math.inf
        self.best = model.vector.copy()  # (P,) the weights after best_epoch

    def train_epoch(self, examples: Examples, on_step: Callable[[int], None] | None = None) -> Pass:
        """One pass over `examples`; `on_step` hears how many targets are done. XentError if the loss diverges."""
        started = time.perf_counter()
        total, correct, done = Total.zero(), 0, 0
        norms: list[float] = []
        layer = self.objective.layer()
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # what overflows is caught as a loss or norm that is not finite
            for chosen in batches(len(examples), self.batch_size, self.seed, self.epoch + 1):
                inputs, targets = examples.take(chosen)
                cut = pieces(inputs, targets, self.micro_batches)
                step_total, step_correct = self._gradient(layer, cut, self.objective.divisor(targets))
                norm = math.sqrt(self.model.gradient @ self.model.gradient)
                if not (math.isfinite(step_total.sum) and math.isfinite(norm)):
                    raise self._diverged(f"epoch {self.epoch + 1}, step {len(norms) + 1}")
                self.optimizer.step(self.model.vector, self.model.gradient)
                total, correct = total + step_total, correct + step_correct
                done += int(np.count_nonzero(targets != IGNORED))
                norms.append(norm)
                if on_step is not None:
                    on_step(done)
        self.epoch += 1
        return Pass(total, correct, done, np.array(norms), time.perf_counter() - started)

    def divisors(self, examples: Examples, epoch: int) -> tuple[Floats, int]:
        """What each batch of an epoch is divided by (steps,), and the number of targets in the last one."""
        found, last = [], 0
        for chosen in batches(len(examples), self.batch_size, self.seed, epoch):
            targets = examples.take(chosen)[1]
            found.append(self.objective.divisor(targets))
            last = int(np.count_nonzero(targets != IGNORED))
        return np.array(found), last

    def keep_best(self, validation_loss: float) -> None:
        """Remember the weights if no epoch had a lower validation loss. XentError for one that is not finite."""
        if not math.isfinite(validation_loss):
            raise self._diverged(f"validation after epoch {self.epoch}")
        if validation_loss < self.best_loss:
            self.best_epoch, self.best_loss = self.epoch, validation_loss
            self.best[...] = self.model.vector

    def arrays(self) -> dict[str, Floats]:
        """What has to be kept beside epoch, best_epoch and best_loss to go on later: to be read or written."""
        state = {f"optimizer.{name}": array for name, array in self.optimizer.state().items()}
        return {"model": self.model.vector, "best": self.best, **state}

    def _gradient(
        self, layer: SoftmaxWithLoss, cut: Sequence[tuple[NDArray[Any], Ints]], divisor: float
    ) -> tuple[Total, int]:
        """Leave the gradient of the batch in the model; its exact total, and how many targets were predicted."""
        self.model.gradient[:] = 0.0
        total, correct = Total.zero(), 0
        if divisor == 0.0:  # nothing counts: nothing to learn
            return total, correct
        if self.objective.reduction == "mean":
            layer.denominator = divisor
        for inputs, targets in cut:
            logits = self.model.logits(inputs)
            layer.forward(logits, targets)
            self.model.backward(layer.backward())
            total += layer.total
            correct += int(np.count_nonzero(logits.argmax(axis=-1) == targets))
        return total, correct

    def _diverged(self, where: str) -> XentError:
        """The loss or its gradient is no number any more."""
        hint = "a smaller --lr"
        if self.objective.reduction == "sum":
            hint += ": a sum is as many times longer than a mean as a batch has rows"
        return XentError(
            f"the loss is no finite number any more: {where}, {self.optimizer.words()}.\n"
            f"  Steps were too long. Try {hint}."
        )


def score(model: Model, examples: Examples) -> Scores:
    """Plain cross-entropy of the model's predictions, without class weights or smoothing.

    Rows go through `Model.predict_logits`, so each row's numbers depend on that row alone.
    """
    inputs, targets = examples.flat()
    total = Total.zero()
    losses, predicted = np.empty(len(targets)), np.empty(len(targets), dtype=np.int64)
    for start in range(0, len(targets), CHUNK):
        part = slice(start, start + CHUNK)
        logits = model.predict_logits(inputs[part])
        losses[part] = functions.cross_entropy(logits, targets[part], reduction="none")
        predicted[part] = logits.argmax(axis=-1)
        total += functions.total(logits, targets[part])
    return Scores(total, losses, predicted)
