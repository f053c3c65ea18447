"""What a call computes, spread over all rows of the batch, also those that do not count; and its one division."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent._call import Run
from xent._dividing import Divisor, divisor_of, number_of, sum_of_weights, total_of
from xent._kernels.cpu import launch
from xent._linear.door import Problem
from xent._linear.matrix import Pick

Array = NDArray[Any]
PER_BATCH = {"sum", "denominator", "z_loss"}  # of `returns`: nothing that a kernel gives row by row


class Spread:
    """Results of all rows: 0 (predicted: -1) where nothing is put."""

    def __init__(self, problem: Problem) -> None:  # OptionError: a divisor out of range
        n = problem.batch.rows
        self.problem = problem
        self.wanted = not set(problem.spec.returns) <= PER_BATCH
        self.losses, self.z_losses = np.zeros(n), np.zeros(n)
        self.extras = np.zeros((n, 3) if self.wanted else (0, 0))
        self.predicted = np.full(n if self.wanted else 0, -1, np.int64)
        self.weights = sum_of_weights(problem.batch)
        self.divisor: Divisor = divisor_of(problem.batch, problem.spec, problem.divide_by, self.weights)
        self.number = number_of(self.divisor)  # what the gradient is divided by

    def put(self, pick: Pick, results: launch.Results) -> None:
        """The results of some rows."""
        self.losses[pick], self.z_losses[pick] = results.losses, results.z_losses
        if self.wanted:
            self.extras[pick], self.predicted[pick] = results.extras, results.predicted

    def run(self) -> Run:
        """The whole batch after its kernels."""
        results = launch.Results(self.losses, self.z_losses, self.extras, self.predicted)
        batch, spec = self.problem.batch, self.problem.spec
        return Run(batch, spec, total_of(batch, spec, results, self.weights), self.divisor, results)
