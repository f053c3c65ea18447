"""The loss of *Deep Learning from Scratch*, both volumes, under the book's names; `install()` puts them into its nets.

    from xent.book import SoftmaxWithLoss, TimeSoftmaxWithLoss, softmax, cross_entropy_error, softmax_loss

or, for nets that say `from common.layers import *`: import them, then

    import xent.book
    xent.book.install()      # says what it replaced, and where
    xent.book.compare()      # the book's answer beside ours, trap by trap

`SoftmaxWithLoss` is `xent.SoftmaxWithLoss`; its docstring lists where it differs from the book's. Besides:

* `TimeSoftmaxWithLoss` never reads an ignored position (the book multiplies it by 0, and 0·inf is NaN), takes −100 for
  an ignored label too, gives 0 and a gradient of 0 where everything is ignored, and can run backward twice.
* `softmax` works along the last axis, whatever the number of axes. (Volume 2 returns three axes unchanged.)
* `cross_entropy_error` takes the logarithm of the probability itself, so p = 0 gives inf, and a sum of probability
  targets is weighted by them. `delta=1e-7` gives the book's numbers.
* `softmax_loss` computes from the logits, so it never meets a probability that was rounded to 0 or 1.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xent import numpy as _functions
from xent._book import rebind, textbook, traps
from xent._book.log_loss import cross_entropy_error
from xent._lenient import Array, as_array, as_logits, as_targets
from xent.core import errors
from xent.core.spec import Spec
from xent.layer import ForwardPass, SoftmaxWithLoss, no_forward

__all__ = [
    "SoftmaxWithLoss",
    "TimeSoftmaxWithLoss",
    "compare",
    "cross_entropy_error",
    "install",
    "softmax",
    "softmax_loss",
]

PADDING = -100  # PyTorch's ignored label, never a class


class TimeSoftmaxWithLoss:
    """Softmax and cross-entropy of sequences, divided by the number of positions that are not ignored.

    A drop-in for the layer of volume 2: xs (N, T, V), ts (N, T), `ignore_label`, `params`, `grads`, `cache`.

    A position is left out where its label is `ignore_label` or −100: its logits are never read, its gradient is 0.
    Where every position is left out, the loss is 0 (with an EmptyBatchWarning), and so is the gradient.

    Error   As xent.total and xent.value_and_grad (tests/test_book).

    >>> import numpy as np
    >>> layer = TimeSoftmaxWithLoss()
    >>> xs = np.array([[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, 0.0, -2000.0]]])
    >>> print(f"{layer.forward(xs, np.array([[2, 0, -1]])):.7f}")
    0.4076060
    >>> print(layer.backward()[0].round(4))
    [[ 0.045   0.1224 -0.1674]
     [-0.1674  0.1224  0.045 ]
     [ 0.      0.      0.    ]]
    """

    def __init__(self, *, ignore_label: int | None = -1) -> None:
        """ignore_label: the label that marks a position to be left out besides −100, or None. KindError."""
        Spec(ignore_index=ignore_label)
        self.ignore_label = ignore_label
        self.params: list[Array] = []
        self.grads: list[Array] = []
        self._pass: ForwardPass | None = None

    def forward(self, xs: ArrayLike, ts: ArrayLike) -> np.float64:
        """Loss, in nats, of the positions that count: their sum over their number.

        xs       (N, T, V) floating point, logits. Copied.
        ts       (N, T) class indices, also (N, T, 1) or (N·T,); or (N, T, V) one-hot or probabilities. Copied.
        returns  float64, as the book's, whatever the logits' dtype.

        ShapeError, KindError, TargetError as `SoftmaxWithLoss.forward`.
        """
        self._pass = None
        logits = as_logits("xs", xs)
        if logits.ndim != 3:  # noqa: PLR2004 -- (N, T, V)
            raise errors.ShapeError(
                f"xs has shape {logits.shape}: TimeSoftmaxWithLoss takes (N, T, V).\n"
                "  SoftmaxWithLoss takes any number of axes."
            )
        Spec(ignore_index=self.ignore_label)  # it may have been set to anything
        targets, ignored = self._targets(ts, logits.shape)
        options = {
            "reduction": "mean",
            "denominator": None,
            "weight": None,
            "ignore_index": ignored,
            "label_smoothing": 0.0,
        }
        done = ForwardPass.of(logits, targets, options)
        loss = np.float64(done.total().loss)
        self._pass = done
        return loss

    def backward(self, dout: ArrayLike = 1) -> Array:
        """Derivative of what forward returned by xs, times dout: as `SoftmaxWithLoss.backward`."""
        if self._pass is None:
            raise no_forward(self, "backward()")
        return self._pass.grad(dout)

    @property
    def cache(self) -> tuple[Array, Array, Array, tuple[int, ...]] | None:
        """What the book's layer keeps: labels (N·T,), softmax (N·T, V), which positions count (N·T,), and (N, T, V).

        Computed when it is read; backward does not use it. None before a forward.
        """
        if self._pass is None:
            return None
        shape, targets = self._pass.logits.shape, self._pass.targets
        labels = targets.argmax(axis=-1) if targets.shape == shape else targets
        counts = np.ones(labels.shape, bool) if targets.shape == shape else labels != self._pass.options["ignore_index"]
        return labels.ravel(), self._pass.softmax().reshape(-1, shape[-1]), np.asarray(counts).ravel(), shape

    def _explained(self) -> tuple[Array, Array, dict[str, Any]]:
        """Logits, targets and options of the last forward, for `xent.explain`. StateError before."""
        if self._pass is None:
            raise no_forward(self, "xent.explain")
        return self._pass.logits, self._pass.targets, self._pass.options

    def _targets(self, ts: ArrayLike, shape: tuple[int, ...]) -> tuple[Array, int | None]:
        """Targets of shape (N, T) or (N, T, V), and the one label among them that is ignored."""
        targets = as_array("ts", ts)
        if targets.shape == (shape[0] * shape[1],):
            targets = targets.reshape(shape[:2])
        targets = as_targets(targets, shape, "ts")
        if targets.shape == shape or targets.dtype.kind not in "iu":
            return targets, PADDING
        span = np.iinfo(targets.dtype)
        if self.ignore_label is None or not span.min <= self.ignore_label <= span.max:
            return targets, PADDING  # such labels cannot hold ignore_label
        if span.min <= PADDING:
            targets[targets == PADDING] = self.ignore_label
        return targets, self.ignore_label


def softmax(x: ArrayLike) -> Array:
    """Softmax along the last axis.

    x        (..., C) logits: floats; whole numbers become float64. Read.
    returns  a fresh array of x's shape and dtype.

    KindError for other dtypes, ShapeError for a single number.
    Error    <= 2 units in the last place (tests/test_book).

    >>> softmax([1010, 1000, 990]).round(7)
    array([9.999546e-01, 4.540000e-05, 0.000000e+00])
    """
    logits = as_logits("x", x)
    if logits.dtype.kind in "iu":
        logits = logits.astype(np.float64)
    return _functions._softmax(logits)  # noqa: SLF001 -- made for this


def softmax_loss(x: ArrayLike, t: ArrayLike) -> Any:  # noqa: ANN401 -- a NumPy scalar
    """Mean cross-entropy of logits: what `SoftmaxWithLoss().forward(x, t)` returns.

    x        (..., C) floating point, logits. Read.
    t        targets of those rows, in any form that `SoftmaxWithLoss.forward` takes. Read.
    returns  a NumPy scalar, in nats.

    ShapeError, KindError, TargetError as there.
    Error    As xent.cross_entropy (tests/accuracy).

    >>> print(softmax_loss([[1000.0, 0.0, 0.0]], [1]))
    1000.0
    """
    return SoftmaxWithLoss().forward(x, t)


def install(package: str = "common", *, quiet: bool = False) -> rebind.Installation:
    """Replace the book's loss, in its modules that are imported already, by this one; print what was replaced where.

    package  where the book's modules are: `common.functions`, `common.layers`, `common.time_layers`.
    quiet    print nothing.
    returns  an Installation: `.replaced`, `.to_dict()`, `.undo()`; in a `with` statement it is undone at the end.

    Replaced are SoftmaxWithLoss, TimeSoftmaxWithLoss, softmax, cross_entropy_error and softmax_loss where those modules
    define them, and that very object wherever another imported module (a net, a script, a notebook) holds it, after
    `from common.layers import *` or under another name. Nothing else is touched; a net that was built before keeps the
    layer it was built with.

    XentError where nothing of the kind is imported, or where the book's code is set to run on CuPy. A second call finds
    everything in place and replaces nothing.
    """
    ours = {
        "SoftmaxWithLoss": SoftmaxWithLoss,
        "TimeSoftmaxWithLoss": TimeSoftmaxWithLoss,
        "softmax": softmax,
        "cross_entropy_error": cross_entropy_error,
        "softmax_loss": softmax_loss,
    }
    done = rebind.rebind(package, ours)
    if not quiet:
        print(done)  # noqa: T201 -- what it is for
    return done


def compare(*, quiet: bool = False) -> traps.Comparison:
    """Print, for every trap of the book's layers, what volume 1, volume 2 and xent make of it.

    quiet    print nothing.
    returns  a Comparison: `print` it, or take `.to_dict()`, with the right answers.

    The book's side are its formulas, stated anew (`xent._book.textbook`); "!" marks what is not the right answer, which
    comes from the definition (`xent.core`).
    """
    table = traps.compare(
        {
            "volume 1": (textbook.Volume1, None),
            "volume 2": (textbook.Volume2, textbook.Time),
            "xent": (SoftmaxWithLoss, TimeSoftmaxWithLoss),
        }
    )
    if not quiet:
        print(table)  # noqa: T201 -- what it is for
    return table
