"""The front ends behind one face, so that one text of a law, a bound or a hostile row runs on every one of them.

A front end takes NumPy arrays and the package's option names, and gives back NumPy arrays. What it does not support is
stated here, not discovered: a law that needs a missing option does not run on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
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


class TorchFront(Front):
    """xent.torch.cross_entropy: forward, then backward from grad_scale.

    Class axis last, and the package's denominator, unless the test says otherwise: what PyTorch does with None is in
    tests/test_torch, and in the rows of the hostile table that follow it.
    """

    def loss_of(self, logits, targets, *, requires_grad, **options):
        """(input, loss), tensors."""
        import xent.torch

        x = tensor(logits).requires_grad_(requires_grad)
        options = {name: tensor(value) if isinstance(value, np.ndarray) else value for name, value in options.items()}
        mean = options.get("reduction", "mean") == "mean" and options.get("denominator") is None
        if mean and (targets.shape == logits.shape or not counts(targets, **options)):
            options["denominator"] = "weights"
        loss = xent.torch.cross_entropy(x, tensor(targets), **{"axis": -1} | options)
        return x, loss

    def value_and_grad(self, logits, targets, *, grad_scale=1.0, **options):
        """One forward, one backward."""
        import torch

        x, answer = self.loss_of(logits, targets, requires_grad=True, **options)
        loss = answer[0] if options.get("returns") else answer
        (grad,) = torch.autograd.grad(loss, x, torch.full_like(loss, grad_scale))
        return array(answer), array(grad)

    def cross_entropy(self, logits, targets, **options):
        """One forward."""
        return array(self.loss_of(logits, targets, requires_grad=False, **options)[1])

    def backward_twice(self, logits, targets, **options):
        """One forward, two backwards."""
        import torch

        x, loss = self.loss_of(logits, targets, requires_grad=True, **options)
        return tuple(array(torch.autograd.grad(loss, x, retain_graph=True)[0]) for _ in range(2))


def counts(targets, ignore_index=-100, weight=None, sample_weight=None, **_) -> bool:
    """Whether any row of class indices counts."""
    rows = np.ones(targets.shape, bool) if ignore_index is None else targets != ignore_index
    if weight is not None:
        rows &= np.asarray(weight)[np.where(rows, targets, 0)] != 0
    return bool((rows if sample_weight is None else rows & (np.asarray(sample_weight) != 0)).any())


def tensor(array: np.ndarray) -> Any:
    """A tensor on the array's memory; of a read-only array a copy."""
    import torch

    array = array if array.flags.writeable else array.copy()
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def array(value: Any) -> Any:
    """A tensor as a NumPy array or scalar; a named tuple of them."""
    import torch

    if isinstance(value, tuple):
        return type(value)(*map(array, value))
    value = value.detach()
    if value.dtype == torch.bfloat16:
        import ml_dtypes

        return value.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return value.numpy()[()]


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
PYTORCHS_TYPES = "follows PyTorch: its error types, which are the package's too"
TORCH_HOSTILE = {
    "1": "follows PyTorch: NaN, without a denominator that is given; gradient 0",
    "6": "follows PyTorch: NaN",
    **dict.fromkeys(("8", "11", "12", "13", "14", "20", "21", "22", "23", "26", "27", "41", "48"), PYTORCHS_TYPES),
    "9": "follows PyTorch: NaN",
    **dict.fromkeys(("17", "19", "24", "25"), "follows PyTorch: its argument's names in the text"),
    "47": "follows PyTorch: a row of zeros is a row that is divided by",
    **dict.fromkeys(("53", "62", "63", "64"), PYTORCHS_TYPES),
    **dict.fromkeys(("45", "46"), "follows PyTorch: probabilities may be any numbers"),
    **dict.fromkeys(("50", "51", "52"), "follows PyTorch: class weights may be any numbers"),
    **dict.fromkeys(("68", "69"), "follows PyTorch: the class axis is the second one"),
    "70": "not applicable: a tensor has neither negative strides nor another byte order; its strides have a test",
    "77": "follows PyTorch: NaN where all rows are ignored",
    **dict.fromkeys(("79", "80", "81", "82", "85"), "not applicable: one process, no group: tests/test_ranks"),
}

NUMPY = NumpyFront("numpy", hostile=NUMPY_HOSTILE)
LAYER = LayerFront(
    "layer",
    options=frozenset({"weight", "ignore_index", "label_smoothing", "reduction", "denominator", "grad_scale"}),
    totals=False,
    twice=True,
    integer_one_hot=True,
    hostile=LAYER_HOSTILE,
)
TORCH = TorchFront(
    "torch",
    options=ALL_OPTIONS - {"threads", "out"},
    layouts=False,  # a tensor has neither negative strides nor another byte order; its strides: tests/test_torch
    totals=False,
    twice=True,
    hostile=TORCH_HOSTILE,
)
CORE = CoreFront("core")
FRONTS: tuple[Front, ...] = (NUMPY, LAYER, *([TORCH] if find_spec("torch") else []))


def loss_dtype(logits: np.ndarray) -> np.dtype:
    """float64 for float64 logits, else float32."""
    return np.dtype(np.float64 if logits.dtype.itemsize == 8 else np.float32)
