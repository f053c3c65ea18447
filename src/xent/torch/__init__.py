"""The loss for PyTorch."""

from xent.torch.accumulate import GradientAccumulator
from xent.torch.count import count_targets
from xent.torch.functional import cross_entropy

__all__ = ["GradientAccumulator", "count_targets", "cross_entropy"]
