"""How a step is divided, rank by rank: the right way, and the well-known mistakes.

A way gives what this rank divides a micro-batch by, from the targets of all its micro-batches.
"""

from typing import Any

import torch
import torch.distributed as dist

from xent.torch import count_targets

Targets = list[torch.Tensor]


def counted(targets: Targets, group: Any, **options: Any) -> list[float]:
    """Right: the count of all micro-batches on all ranks."""
    return [count_targets(targets, group=group, **options)] * len(targets)


def mean_of_means(targets: Targets, group: Any, **options: Any) -> list[float]:
    """Wrong: every micro-batch by its own count, then by their number."""
    alone = [max(1e-9, own(t, **options)) for t in targets]
    return [count * len(targets) * dist.get_world_size(group) for count in alone]


def rank_means(targets: Targets, group: Any, **options: Any) -> list[float]:
    """Wrong: every rank by its own count, then averaged over the ranks."""
    count = max(1e-9, sum(own(t, **options) for t in targets))
    return [count * dist.get_world_size(group)] * len(targets)


def clamped_empty_rank(targets: Targets, group: Any, **options: Any) -> list[float]:
    """Wrong: the counts of all ranks, each at least 1, so that nothing is divided by 0."""
    count = torch.tensor(max(1.0, sum(own(t, **options) for t in targets)), dtype=torch.float64)
    dist.all_reduce(count, group=group)
    return [count.item()] * len(targets)


def double_division(targets: Targets, group: Any, **options: Any) -> list[float]:
    """Wrong: by the count of all ranks, and by the number of micro-batches and ranks once more."""
    (right, *_) = counted(targets, group, **options)
    return [right * len(targets) * dist.get_world_size(group)] * len(targets)


def own(targets: torch.Tensor, **options: Any) -> float:
    """What one micro-batch counts for."""
    weight = options.get("weight")
    kept = targets[targets != -100]
    return float(len(kept) if weight is None else weight[kept].sum())


RIGHT = counted
WRONG = (mean_of_means, rank_means, clamped_empty_rank, double_division)
