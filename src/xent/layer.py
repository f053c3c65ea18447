"""SoftmaxWithLoss: softmax and cross-entropy as the last layer of a net, with forward, backward and one denominator."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xent import numpy as _functions
from xent._call import Run
from xent._lenient import Array, as_array, as_logits, as_targets
from xent.core import errors
from xent.core.batch import Total
from xent.core.spec import Spec, check_denominator

__all__ = ["SoftmaxWithLoss"]

DEFAULTS: dict[str, object] = {
    "reduction": "mean",
    "denominator": None,
    "weight": None,
    "ignore_index": -100,
    "label_smoothing": 0.0,
}


class SoftmaxWithLoss:
    """Softmax and cross-entropy of a batch: `forward` gives the loss, `backward` its gradient by the logits.

    A drop-in for the layer of the same name in both volumes of *Deep Learning from Scratch* (Saitoh, 2016 and 2018).
    With logits x, their softmax y and one-hot targets t of N rows:

        reduction="mean"                  loss = (1/N)·Σ −log y[i, tᵢ]      backward() = (y − t)/N
        reduction="mean", denominator=D   loss = (1/D)·Σ −log y[i, tᵢ]      backward() = (y − t)/D
        reduction="sum"                   loss =       Σ −log y[i, tᵢ]      backward() =  y − t

    Whatever the loss is divided by, its derivative is divided by too: that is the whole reason for the N in `backward`.

    Options, keyword-only, also readable and settable as attributes (they hold from the next forward on):

    reduction        "mean", "sum", or "none" (losses of all rows; backward is then that of their sum).
    denominator      what "mean" divides by: None or "weights" (Σ of the class weights of the rows that count, so N
                     without weights and ignored rows), "items", "batch", or a number > 0, such as the count of the
                     whole step: then micro-batches add up.
    weight           (C,) real numbers >= 0, or None. Class weights. Copied by forward.
    ignore_index     the label that marks a row to be left out; None ignores nothing.
    label_smoothing  a in [0, 1]: the target becomes (1 − a)·t + a/C.

    After a forward (None before the first one, and after one that raised):

    loss   what forward returned.
    y      softmax of the logits, their shape and dtype. Computed when it is first read.
    t      the very object that was passed.
    total  xent.Total of the batch: sum and denominator, exact, to be added to those of other batches.

    `params` and `grads` are empty lists: the layer has nothing to learn.

    Error   As xent.value_and_grad: for class indices and one-hot integers, a few units in the last place, also where
            the loss is tiny (tests/test_layer.py and tests/accuracy).
    Source  Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038 (largest term taken out).

    What differs from the book's layers, and why:

    1. The loss is exact. The book adds 1e-7 to every probability, so its loss is −1e-7 where it should be 0, stops
       at 16.1, and is not the function whose gradient backward returns.
    2. Probability targets are used as such, in loss and gradient alike. (Volume 1 takes their argmax in the loss
       only, volume 2 in both.)
    3. One row alone, x of shape (C,), is a batch of 1. (Volume 1 divides its gradient by C.)
    4. Logits of any number of axes: the last one is the classes, all others are rows, and the mean is over all rows.
    5. Labels may be a list, a number for one row, of shape (N, 1), or whole numbers held as floats. A label that is
       no class raises, with its place. (NumPy takes −1 as the last class.)
    6. `dout` multiplies the gradient, as in volume 2. (Volume 1 ignores it; its nets pass 1.)
    7. The gradient has the logits' dtype whatever the targets' is, as in volume 2; the loss of float16 logits is
       float32. `t` stays the object that was passed, as in volume 1; volume 2 turns one-hot into indices.
    8. What forward was given is copied: changing x or t in place afterwards does not change backward.
    9. A mean over nothing (no rows, or all ignored) is 0, with an EmptyBatchWarning and a gradient of 0.
    10. Logits must be floating point, as integers are mostly labels in the wrong place; a plain list is taken.

    >>> import numpy as np
    >>> from xent import SoftmaxWithLoss
    >>> x, t = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), np.array([2, 0])
    >>> layer = SoftmaxWithLoss()
    >>> print(f"{layer.forward(x, t):.7f}")
    0.4076060
    >>> print(layer.backward().round(4))
    [[ 0.045   0.1224 -0.1674]
     [-0.1674  0.1224  0.045 ]]
    >>> layer = SoftmaxWithLoss(reduction="sum")
    >>> print(f"{layer.forward(x, t):.7f}")
    0.8152119
    >>> print(layer.backward().round(4))
    [[ 0.09    0.2447 -0.3348]
     [-0.3348  0.2447  0.09  ]]
    """

    def __init__(
        self,
        *,
        reduction: str = "mean",
        denominator: str | float | None = None,
        weight: ArrayLike | None = None,
        ignore_index: int | None = -100,
        label_smoothing: float = 0.0,
    ) -> None:
        """Check the options. OptionError: a bad value; KindError: a wrong type. The weight is checked by forward."""
        # the arguments may be anything: Spec checks them
        Spec(ignore_index, label_smoothing, reduction)  # type: ignore[arg-type]
        check_denominator(denominator, reduction)
        self.reduction = reduction
        self.denominator = denominator
        self.weight = weight
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.params: list[Array] = []
        self.grads: list[Array] = []
        self.loss: Any = None
        self.t: Any = None
        self._pass: ForwardPass | None = None

    def forward(self, x: ArrayLike, t: ArrayLike) -> Any:  # noqa: ANN401 -- a NumPy scalar, or an array for "none"
        """Loss of the batch, in nats.

        x        (..., C) floating point, logits: (N, C) rows, (C,) one row, (N, T, C) sequences. Copied.
        t        targets of those rows. Copied (and kept, as it came, as `self.t`). One of
                 class indices: x's shape without C, with or without a last axis of 1; integers, or floats that are
                 whole numbers; a single number where x is one row;
                 one-hot: x's shape; integers or bool, each row with exactly one 1;
                 probabilities: x's shape; floats >= 0 of any sum (one-hot floats are that too).
        returns  a NumPy scalar (reduction "none": an array of the shape of the rows) of dtype float32, or float64
                 for float64 logits.

        With C = 1 an integer array of x's shape may be read both ways: 1 is then one-hot, 0 the index, both class 0.

        ShapeError where shapes do not fit; KindError for a wrong dtype, a label that is no whole number, a masked
        array, an array on a GPU; TargetError for a label that is no class, a row that is not one-hot, a bad
        probability; OptionError for an option that does not fit (a denominator with "sum").
        """
        self.loss = self.t = self._pass = None  # a forward that raises leaves no older one behind
        options = {name: getattr(self, name) for name in DEFAULTS}
        done = ForwardPass.of(x, t, options)
        self.loss = done.loss()
        self.t, self._pass = t, done
        return self.loss

    def backward(self, dout: ArrayLike = 1) -> Array:
        """Derivative of what forward returned by its x, times dout.

        dout     a real number: the derivative of the whole by this loss. With reduction "none" also an array of the
                 shape of the rows. Read.
        returns  array of x's shape and dtype: fresh, writable, C-contiguous, and the same bits at every call.

        StateError before a forward; ShapeError, KindError for another dout.
        """
        return self._last("backward()").grad(dout)

    @property
    def y(self) -> Array | None:
        """Softmax of the last forward's logits: their shape and dtype. None before."""
        return None if self._pass is None else self._pass.softmax()

    @property
    def total(self) -> Total:
        """Exact sum and denominator of the last forward. StateError before.

        >>> layer = SoftmaxWithLoss(reduction="sum")
        >>> loss = layer.forward([0.0, 0.0], 1)
        >>> layer.total
        Total(sum=0.6931471805599453, denominator=1.0, loss=0.6931471805599453)
        """
        return self._last("total").total()

    def _explained(self) -> tuple[Array, Array, dict[str, Any]]:
        """Logits, targets and options of the last forward, for `xent.explain`. StateError before."""
        done = self._last("xent.explain")
        return done.logits, done.targets, done.options

    def _last(self, asked: str) -> "ForwardPass":
        if self._pass is None:
            raise no_forward(self, asked)
        return self._pass

    def __repr__(self) -> str:
        """The options that are not the default.

        >>> SoftmaxWithLoss(reduction="sum")
        SoftmaxWithLoss(reduction='sum')
        """
        options = {name: getattr(self, name) for name in DEFAULTS}
        changed = [f"{name}={value!r}" for name, value in options.items() if not _same(value, DEFAULTS[name])]
        return f"{type(self).__name__}({', '.join(changed)})"


def no_forward(layer: object, asked: str) -> errors.StateError:
    """Something was asked of a layer that only a forward can give."""
    return errors.StateError(
        f"{type(layer).__name__}: {asked} needs a forward(x, t) that succeeded, and there is none yet.\n"
        "  Call loss = layer.forward(x, t) first; it is its derivative that backward returns."
    )


@dataclass(slots=True)
class ForwardPass:
    """What one forward was given, as private copies: so backward is its derivative whatever is written elsewhere later.

    A net that computes its scores into one buffer would otherwise get the gradient of other logits than its loss'.
    """

    logits: Array  # (..., C)
    targets: Array  # what xent.value_and_grad takes
    options: dict[str, Any]
    result: Run  # loss and total
    probabilities: Array | None = field(default=None)

    @classmethod
    def of(cls, x: ArrayLike, t: ArrayLike, options: dict[str, Any]) -> "ForwardPass":
        """Copies of x and t, in the shapes that the functions take. ShapeError, KindError, TargetError."""
        logits = as_logits("x", x)
        targets = as_targets(t, logits.shape)
        if options["weight"] is not None:
            options["weight"] = np.array(as_array("weight", options["weight"]))
        logits = _copy(logits)
        result, _ = _functions._call_of_layer(logits, targets, **options)  # noqa: SLF001 -- made for this layer
        return cls(logits, targets, options, result)

    def loss(self) -> Any:  # noqa: ANN401 -- a NumPy scalar, or an array for "none"
        """What forward returns; an EmptyBatchWarning where nothing counts."""
        return self.result.answer("loss")

    def total(self) -> Total:
        """Exact sum and denominator."""
        return self.result.total

    def softmax(self) -> Array:
        """Softmax of the logits, of x's shape; computed once."""
        if self.probabilities is None:
            self.probabilities = _functions._softmax(self.logits)  # noqa: SLF001 -- made for this layer
        return self.probabilities

    def grad(self, dout: ArrayLike) -> Array:
        """A fresh gradient times dout, of x's shape. ShapeError, KindError."""
        factor = as_array("dout", dout)
        if factor.dtype.kind not in "iuf":
            raise errors.bad_kind("dout", dout, "a real number")
        rows = self.logits.shape[:-1]
        if factor.size == 1:
            factor = factor.reshape(())
            if math.isfinite(factor):
                return self._scaled(float(factor))
        elif self.options["reduction"] != "none" or factor.shape != rows:
            raise errors.ShapeError(_wrong_dout(factor.shape, rows if self.options["reduction"] == "none" else None))
        grad = self._scaled(1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.multiply(grad, factor[..., np.newaxis], out=grad, casting="same_kind")

    def _scaled(self, scale: float) -> Array:
        """The gradient times a finite number, rounded once."""
        # made for this layer; forward has warned where nothing counts
        _, grad = _functions._call_of_layer(self.logits, self.targets, grad_scale=scale, **self.options)  # noqa: SLF001
        assert grad is not None  # noqa: S101 -- for the type checker: it was asked for
        return grad


def _copy(array: Array) -> Array:
    """A copy in C order; of an axis that repeats one element (stride 0), that element alone is copied."""
    if 0 not in array.strides:
        return np.array(array, order="C", subok=False)
    once = tuple(slice(1) if stride == 0 else slice(None) for stride in array.strides)
    return np.broadcast_to(np.array(array[once], order="C", subok=False), array.shape)


def _wrong_dout(came: tuple[int, ...], rows: tuple[int, ...] | None) -> str:
    if rows is None:
        return f"dout has shape {came}: forward returned a single number, so dout must be one."
    return f"dout has shape {came}: forward returned losses of shape {rows}, so dout must have it, or be one number."


def _same(a: object, b: object) -> bool:
    """Whether an option has its default; never compares an array."""
    return a is b or (isinstance(a, (str, int, float)) and a == b)
