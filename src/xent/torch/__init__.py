"""The loss for PyTorch."""

from xent.torch.accumulate import GradientAccumulator
from xent.torch.count import count_targets
from xent.torch.functional import cross_entropy
from xent.torch.vocab import vocab_parallel_cross_entropy

__all__ = ["GradientAccumulator", "count_targets", "cross_entropy", "vocab_parallel_cross_entropy"]
