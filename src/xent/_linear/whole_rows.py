"""Some whole rows of logits at a time: computed once, their gradient written in their place, then multiplied on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent._call import run
from xent._door import Batch
from xent._linear.cuts import ranges
from xent._linear.spread import Spread
from xent._linear.task import Gradients, Task

Array = NDArray[Any]


def by_rows(task: Task, spread: Spread, factor: float) -> None:
    """Do it. factor: what the gradient is multiplied by."""
    problem, gradients = task.problem, task.gradients
    blocks = [(0, problem.classes)]
    if not task.weight.direct:
        blocks = ranges(problem.classes, max(1, task.cut.room // max(task.weight.copied, 1)))
    logits = np.empty((task.cut.rows, problem.classes), problem.work)
    for lo, hi in ranges(problem.rows, task.cut.rows):
        x, h = logits[: hi - lo], task.hidden.read(lo, hi)
        for start, end in blocks:
            task.logits(h, task.weight.read(start, end), start, x[:, start:end])
        done = run(part_of(task, lo, hi, x), problem.spec, spread.number, None if gradients is None else x, factor)
        spread.put(task.hidden.pick(lo, hi), done.results)
        del done  # it holds copies of the targets
        if gradients is not None:
            multiply_on(task, gradients, blocks, x, h, lo, hi)


def multiply_on(
    task: Task, gradients: Gradients, blocks: list[tuple[int, int]], g: Array, h: Array, lo: int, hi: int
) -> None:
    """The gradients of hidden, weight and bias from those of some whole rows of logits."""
    d_hidden = gradients.d_hidden.read(lo, hi) if gradients.d_hidden.direct else np.empty(h.shape, h.dtype)
    for start, end in blocks:
        task.product(d_hidden, g[:, start:end], task.weight.read(start, end), first=start == 0)
    if not gradients.d_hidden.direct:
        gradients.d_hidden.write(lo, hi, d_hidden)
    task.product(gradients.d_weight, g.T, h, first=lo == 0)
    task.add_to_bias(0, g)


def part_of(task: Task, lo: int, hi: int, logits: Array) -> Batch:
    """Some rows that count as a batch of their own."""
    whole, pick = task.problem.batch, task.hidden.pick(lo, hi)
    q = None if task.targets is None else task.targets.read(lo, hi)

    def of_rows(array: Array) -> Array:
        return array[pick] if array.size else array

    return Batch(
        logits,
        (hi - lo,),
        whole.index[pick],
        q,
        of_rows(whole.mass),
        of_rows(whole.factor),
        of_rows(whole.row_weight),
        whole.class_weight,
        of_rows(whole.sample_weight),
        hi - lo,
        logits.dtype,
    )
