"""The softmax cross-entropy loss and its gradient, for Python.

    xent.cross_entropy(logits, targets)       the loss of a batch
    xent.value_and_grad(logits, targets)      the loss and its gradient
    xent.linear_cross_entropy(hidden, weight, targets)    the same behind a linear layer, without its N×V logits
    xent.linear_value_and_grad(hidden, weight, targets)
    xent.total(logits, targets)               exact sum and denominator: totals of parts add up
    xent.SoftmaxWithLoss                      the layer; xent.book has the rest of "Deep Learning from Scratch"
    xent.explain(logits, targets)             the computation graph of the batch, with every number on it
    xent.plan(logits, targets)                which kernel runs, and why, in words
    xent.load(folder)                         what `xent train` saved
    xent.torch                                the loss for PyTorch

`import xent` costs NumPy and nothing else; everything beyond is bound at its first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from xent.core.batch import Total
from xent.core.errors import (
    DataError,
    EmptyBatchWarning,
    InterpretedWarning,
    KindError,
    MissingError,
    OptionError,
    ShapeError,
    StateError,
    TargetError,
    XentError,
)
from xent.numpy import cross_entropy, total, value_and_grad

if TYPE_CHECKING:
    from xent import book as book
    from xent._plan import plan as plan
    from xent.fit.store import load as load
    from xent.graph import explain as explain
    from xent.layer import SoftmaxWithLoss as SoftmaxWithLoss
    from xent.linear import linear_cross_entropy as linear_cross_entropy
    from xent.linear import linear_value_and_grad as linear_value_and_grad

__version__ = "0.1.0"

__all__ = [
    "DataError",
    "EmptyBatchWarning",
    "InterpretedWarning",
    "KindError",
    "MissingError",
    "OptionError",
    "ShapeError",
    "SoftmaxWithLoss",
    "StateError",
    "TargetError",
    "Total",
    "XentError",
    "book",
    "cross_entropy",
    "explain",
    "linear_cross_entropy",
    "linear_value_and_grad",
    "load",
    "plan",
    "total",
    "value_and_grad",
]

_LATER = {  # name → the module it comes from
    "SoftmaxWithLoss": "xent.layer",
    "explain": "xent.graph",
    "linear_cross_entropy": "xent.linear",
    "linear_value_and_grad": "xent.linear",
    "load": "xent.fit.store",
    "plan": "xent._plan",
}
_MODULES = {"book", "torch"}


def __getattr__(name: str) -> object:
    """Bind a name at its first use."""
    if name in _LATER:
        found = getattr(import_module(_LATER[name]), name)
    elif name in _MODULES:
        found = import_module(f"xent.{name}")
    else:
        raise AttributeError(f"module 'xent' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """All public names, bound or not."""
    return sorted({*globals(), *__all__})
