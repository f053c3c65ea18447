"""The front ends behind one face, so that one text of a law, a bound or a hostile row runs on every one of them.

A front end takes NumPy arrays and the package's option names, and gives back NumPy arrays. What it does not support is
stated here, not discovered: a law that needs a missing option does not run on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ALL_DTYPES = ("float16", "bfloat16", "float32", "float64")
ROW_OPTIONS = frozenset(
    {"weight", "sample_weight", "ignore_index", "label_smoothing", "lse_square_scale", "softcap", "logit_scale"}
)
ALL_OPTIONS = ROW_OPTIONS | {"reduction", "denominator", "axis", "returns", "threads", "grad_scale", "out"}

AS_OURS = "as ours"


@dataclass(frozen=True, repr=False)
class Front:
    """One front end.

    dtypes: of logits. options: names that value_and_grad takes. soft: probability rows. hostile: what rows of the
    hostile table do here, for those that are not "as ours": "follows PyTorch: ..." or "not applicable: reason".
    layouts: any strides and byte order. totals: whether `total` exists. twice: whether one forward has two backwards.
    """

    name: str
    dtypes: tuple[str, ...] = ALL_DTYPES
    options: frozenset[str] = ALL_OPTIONS
    soft: bool = True
    layouts: bool = True
    totals: bool = True
    twice: bool = False
    integer_one_hot: bool = False
    hostile: Mapping[str, str] = field(default_factory=dict)

    def value_and_grad(self, logits, targets, **options) -> tuple[Any, np.ndarray]:
        """(loss, gradient): the loss a NumPy scalar or array, or a named tuple where `returns` asks for more."""
        raise NotImplementedError

    def cross_entropy(self, logits, targets, **options) -> Any:
        """The loss alone."""
        raise NotImplementedError

    def total(self, logits, targets, **options) -> Any:
        """A Total."""
        raise NotImplementedError

    def backward_twice(self, logits, targets, **options) -> tuple[np.ndarray, np.ndarray]:
        """Two gradients of one forward, where there is such a thing."""
        raise NotImplementedError

    def has(self, *options: str) -> bool:
        """Whether every one of these options is taken here; "total", "soft", "layouts" and "twice" are abilities."""
        abilities = {"total": self.totals, "soft": self.soft, "layouts": self.layouts, "twice": self.twice}
        return all(abilities.get(name, name in self.options) for name in options)

    def status(self, row: str) -> str:
        """What this row of the hostile table does here."""
        return self.hostile.get(row, AS_OURS)

    def __repr__(self) -> str:
        return self.name

    def _repr_pretty_(self, printer, _cycle) -> None:
        """For Hypothesis."""
        printer.text(self.name)


class NumpyFront(Front):
    """xent.cross_entropy, xent.value_and_grad, xent.total."""

    def value_and_grad(self, logits, targets, **options):
        """xent.value_and_grad."""
        import xent

        return xent.value_and_grad(logits, targets, **options)

    def cross_entropy(self, logits, targets, **options):
        """xent.cross_entropy."""
        import xent

        return xent.cross_entropy(logits, targets, **options)

    def total(self, logits, targets, **options):
        """xent.total."""
        import xent

        return xent.total(logits, targets, **options)


class LayerFront(Front):
    """xent.SoftmaxWithLoss: forward, then backward; grad_scale is its dout."""

    def value_and_grad(self, logits, targets, *, grad_scale=1, **options):
        """One forward, one backward."""
        import xent

        layer = xent.SoftmaxWithLoss(**options)
        loss = layer.forward(logits, targets)
        return loss, layer.backward(grad_scale)

    def cross_entropy(self, logits, targets, **options):
        """One forward."""
        import xent

        return xent.SoftmaxWithLoss(**options).forward(logits, targets)

    def backward_twice(self, logits, targets, **options):
        """One forward, two backwards."""
        import xent

        layer = xent.SoftmaxWithLoss(**options)
        layer.forward(logits, targets)
        return layer.backward(), layer.backward()


class CoreFront(Front):
    """xent.core.row: the definition of one row and its merge."""

    @property
    def empty(self) -> Any:
        """The state of no logits."""
        from xent.core.row import EMPTY

        return EMPTY

    def piece(self, xs: list[float]) -> Any:
        """The state of some logits."""
        from xent.core.row import state_of

        return state_of(xs)

    def merge(self, a: Any, b: Any) -> Any:
        """Of two disjoint pieces."""
        from xent.core.row import merge

        return merge(a, b)

    def nll(self, state: Any, x: float) -> float:
        """The loss of the class with logit x."""
        from xent.core.row import nll

        return nll(state, x)


NUMPY_HOSTILE = {
    "75": "not applicable: there is no graph to go backward through twice; the layer has this row",
    "79": "not applicable: one process, no ranks; adding an empty Total is a law",
    "80": "not applicable: one process, no ranks",
    "81": "not applicable: one process, no ranks; a sum of empty Totals is in tests/totals",
    "82": "not applicable: one process, no ranks",
    "85": "not applicable: one process, no shards; core's merge is in tests/laws",
}
LAYER_HOSTILE = NUMPY_HOSTILE | {
    "21": "follows the book: integral floats are taken as labels",
    "23": "follows the book: (N, 1) labels are taken",
    "26": "follows the book: integer one-hot is taken",
    "27": "follows the book: integer one-hot is taken",
}
del LAYER_HOSTILE["75"]

NUMPY = NumpyFront("numpy", hostile=NUMPY_HOSTILE)
LAYER = LayerFront(
    "layer",
    options=frozenset({"weight", "ignore_index", "label_smoothing", "reduction", "denominator", "grad_scale"}),
    totals=False,
    twice=True,
    integer_one_hot=True,
    hostile=LAYER_HOSTILE,
)
CORE = CoreFront("core")
FRONTS: tuple[Front, ...] = (NUMPY, LAYER)


def loss_dtype(logits: np.ndarray) -> np.dtype:
    """float64 for float64 logits, else float32."""
    return np.dtype(np.float64 if logits.dtype.itemsize == 8 else np.float32)
