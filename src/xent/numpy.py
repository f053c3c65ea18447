"""The softmax cross-entropy loss of NumPy arrays, with its gradient."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xent import _door
from xent._call import Answer, Run, call, run, spec_of
from xent._kernels.cpu import launch
from xent._plain import is_plain, plain_mean
from xent.core.spec import Denominator, check_number, quotes_options

__all__ = ["cross_entropy", "total", "value_and_grad"]

Array = NDArray[Any]


@quotes_options
def cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    /,
    *,
    weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    denominator: Denominator | float | None = None,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    threads: int | None = None,
) -> Answer:
    """The loss of a batch, in nats: the weighted sum of its rows' losses, divided once.

    For a row x and class t the loss is log(sum of exp(x_j)) - x_t; for a probability row q, the sum of q_t times that.

    Args:
        logits: (..., V), the class axis anywhere (`axis`); float16, bfloat16, float32 or float64, any layout. Read.
        targets: class indices, an integer dtype, the logits' shape without the class axis; or probability rows >= 0, a
            float dtype, the logits' shape. Read.
        <options>

    Returns:
        A NumPy scalar (reduction "none": an array of the batch shape), float64 for float64 logits, else float32; with
        `returns` a named tuple. The mean over nothing is 0, with an EmptyBatchWarning.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed.

    Error:
        float32, float16, bfloat16 logits: 2 ULP of float32; float64: 3 ULP. Probability rows, smoothing and z-loss:
        twice that. A NaN or +inf logit makes its row NaN, and no other. tests/accuracy.

    Source:
        Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.

    Example:
        >>> logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> round(float(cross_entropy(logits, [2, 0])), 12)
        0.407605964444
    """
    if (
        weight is None and sample_weight is None and denominator is None and softcap is None and threads is None
        and type(reduction) is str and reduction == "mean" and type(axis) is int and axis == -1
        and type(label_smoothing) is float
        and type(lse_square_scale) is float and lse_square_scale == 0.0
        and type(logit_scale) is float and logit_scale == 1.0 and type(returns) is tuple and not returns
    ):  # fmt: skip
        loss = plain_mean(logits, targets, ignore_index, label_smoothing, None)
        if loss is not None:
            return loss
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns,
                   threads)
    # fmt: on
    return call(logits, targets, weight, sample_weight, spec, denominator)[0].answer("loss")


@quotes_options
def value_and_grad(
    logits: ArrayLike,
    targets: ArrayLike,
    /,
    *,
    weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    denominator: Denominator | float | None = None,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    threads: int | None = None,
    grad_scale: float = 1.0,
    out: Array | None = None,
) -> tuple[Answer, Array]:
    """The loss of a batch and its gradient by the logits: (softmax - target) × weight / denominator.

    Args:
        logits: (..., V), the class axis anywhere (`axis`); float16, bfloat16, float32 or float64, any layout. Read.
        targets: class indices, an integer dtype, the logits' shape without the class axis; or probability rows >= 0, a
            float dtype, the logits' shape. Read.
        <options>
        grad_scale: a finite number that multiplies the gradient before it is rounded, not the loss (float16 gradients
            of a mean underflow: p/65536 rounds to 0).
        out: an array of the logits' shape and dtype, which may be the logits themselves; or None: a new C-contiguous
            one. Written, after all arguments are checked.

    Returns:
        (loss, gradient): the loss as `cross_entropy` returns it; the gradient has the logits' shape and dtype (native
        byte order), in nats per unit of logit. With reduction "none" it is the gradient of the sum of the losses.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed; an `out` that is
            read-only or overlaps an argument without being the logits.

    Error:
        The loss: see `cross_entropy`. The gradient for class indices: float32 2 ULP at the target and 4 elsewhere;
        float16 and bfloat16 1 ULP; float64 3 ULP; subnormal results included. tests/accuracy.

    Source:
        Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038; the gradient at the maximum is -rest/(1 + rest).

    Example:
        >>> logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> loss, grad = value_and_grad(logits, [2, 0])
        >>> grad.round(4)
        array([[ 0.045 ,  0.1224, -0.1674],
               [-0.1674,  0.1224,  0.045 ]])
    """
    if (
        weight is None and sample_weight is None and denominator is None and softcap is None and threads is None
        and type(reduction) is str and reduction == "mean" and type(axis) is int and axis == -1
        and type(label_smoothing) is float
        and type(lse_square_scale) is float and lse_square_scale == 0.0
        and type(logit_scale) is float and logit_scale == 1.0 and type(returns) is tuple and not returns
        and type(grad_scale) is float and grad_scale == 1.0
    ):  # fmt: skip
        grad = np.empty(logits.shape, logits.dtype) if out is None and is_plain(logits) else out
        loss = None if grad is None else plain_mean(logits, targets, ignore_index, label_smoothing, grad)
        if loss is not None and grad is not None:
            return loss, grad
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns,
                   threads)
    # fmt: on
    factor = float(check_number("grad_scale", grad_scale))
    done, grad = call(logits, targets, weight, sample_weight, spec, denominator, gradient=True, factor=factor, out=out)
    assert grad is not None  # noqa: S101  # for the type checker: gradient=True
    return done.answer("loss"), grad


@quotes_options
def total(
    logits: ArrayLike,
    targets: ArrayLike,
    /,
    *,
    weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    threads: int | None = None,
) -> Answer:
    """The exact sum of weight × loss of a batch, and of the weights: totals of parts add up to the total of the whole.

    Args:
        logits: (..., V), the class axis anywhere (`axis`); float16, bfloat16, float32 or float64, any layout. Read.
        targets: class indices, an integer dtype, the logits' shape without the class axis; or probability rows >= 0, a
            float dtype, the logits' shape. Read.
        <options>

    Returns:
        xent.Total; with `returns` a named tuple whose first field is `total`. `total.loss`, as float64, is what
        `cross_entropy` returns in the loss' dtype.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed.

    Error:
        The sums are exact; a row's loss is a float64 with the error that `cross_entropy` states. tests/totals.

    Example:
        >>> logits = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> a, b = total(logits[:1], [2]), total(logits[1:], [0])
        >>> (a + b).loss == total(logits, [2, 0]).loss
        True
    """
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, "sum", axis, lse_square_scale, softcap, logit_scale, returns, threads)
    # fmt: on
    return run(_door.receive(logits, targets, weight, sample_weight, spec), spec).answer("total")


def _call_of_layer(
    logits: ArrayLike,
    targets: ArrayLike,
    *,
    weight: ArrayLike | None,
    ignore_index: int | None,
    label_smoothing: float,
    reduction: str,
    denominator: object,
    grad_scale: float | None = None,
) -> tuple[Run, Array | None]:
    """Loss and total of a batch, unspoken; with `grad_scale` its gradient too."""
    spec = spec_of(ignore_index, label_smoothing, reduction)
    if grad_scale is None:
        return call(logits, targets, weight, None, spec, denominator)
    return call(logits, targets, weight, None, spec, denominator, gradient=True, factor=grad_scale)


def _softmax(logits: ArrayLike, axis: int = -1, threads: int | None = None) -> Array:
    """Probabilities along an axis, in the logits' dtype: p_j = exp(x_j - max) / (1 + rest)."""
    array = _door.as_array("logits", logits)
    _door.check_floats("logits", array)
    axis = _door.check_axis(axis, array)
    out = np.empty(array.shape, array.dtype.newbyteorder("="))
    if array.size:
        launch.run_softmax(np.moveaxis(array, axis, -1), np.moveaxis(out, axis, -1), threads)
    return out
