"""What a batch is divided by, and its loss after a nudge: the definition, called again."""

from xent.core.batch import GRID, Total
from xent.core.item import item_of
from xent.graph.receive import Batch


def loss_after(batch: Batch, item: int, place: int, nudge: float) -> float:
    """The loss of a batch after one logit of one item was moved by `nudge`."""
    total = Total.zero()
    for i in range(batch.count):
        xs = batch.logits(i)
        xs = [x + nudge if (i, j) == (item, place) else x for j, x in enumerate(xs)]
        total += item_of(xs, batch.targets[i], batch.spec, batch.weight, batch.sample(i)).total
    return total.over(*divisor_of(batch, total))


def ignored(batch: Batch, i: int) -> bool:
    """Whether `ignore_index` leaves item i out."""
    goal = batch.targets[i]
    return isinstance(goal, int) and goal == batch.spec.ignore_index


def divisor_of(batch: Batch, total: Total) -> tuple[int, int]:
    """What the sum is divided by, as a ratio; (0, 1) where nothing counts."""
    by = batch.denominator
    if batch.spec.reduction != "mean":
        return 1, 1
    if not isinstance(by, str):
        return by.as_integer_ratio()
    if by == "weights":
        weights = total.weight_units
        return (weights, 1 << -GRID) if weights else (0, 1)
    if by == "items":
        return sum(not ignored(batch, i) for i in range(batch.count)), 1
    return batch.count, 1
