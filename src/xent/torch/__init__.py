"""The loss for PyTorch: change one import.

    from xent.torch import cross_entropy        instead of torch.nn.functional.cross_entropy
    from xent.torch import CrossEntropyLoss     instead of torch.nn.CrossEntropyLoss
    from xent.torch import count_targets        what to divide the parts of a step by, known beforehand
    from xent.torch import GradientAccumulator  gradient accumulation where it is not known
    from xent.torch import vocab_parallel_cross_entropy    logits whose classes are cut over ranks

Same arguments, order, defaults and results. Beyond that: an explicit denominator, exact losses of sure rows, and on the
CPU a gradient that is written once. Needs the extra "torch".
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from xent.core import errors as _errors

if find_spec("torch") is None:
    raise _errors.missing("torch", "torch")

if TYPE_CHECKING:
    from xent.torch.accumulate import GradientAccumulator as GradientAccumulator
    from xent.torch.count import count_targets as count_targets
    from xent.torch.functional import cross_entropy as cross_entropy
    from xent.torch.module import CrossEntropyLoss as CrossEntropyLoss
    from xent.torch.vocab import vocab_parallel_cross_entropy as vocab_parallel_cross_entropy

_LATER = {  # name → the module it comes from
    "CrossEntropyLoss": "xent.torch.module",
    "GradientAccumulator": "xent.torch.accumulate",
    "count_targets": "xent.torch.count",
    "cross_entropy": "xent.torch.functional",
    "vocab_parallel_cross_entropy": "xent.torch.vocab",
}

__all__ = [
    "CrossEntropyLoss",
    "GradientAccumulator",
    "count_targets",
    "cross_entropy",
    "vocab_parallel_cross_entropy",
]


def __getattr__(name: str) -> object:
    """Bind a name at its first use."""
    if name not in _LATER:
        raise AttributeError(f"module 'xent.torch' has no attribute {name!r}")
    found = getattr(import_module(_LATER[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """All public names, bound or not."""
    return sorted({*globals(), *__all__})
