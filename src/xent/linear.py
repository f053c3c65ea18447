"""The softmax cross-entropy loss behind a last linear layer, with its gradients: the N×V logits are never held."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xent._call import Answer, spec_of
from xent._linear import door
from xent._linear.call import call
from xent.core.spec import Denominator, check_number, quotes_options

__all__ = ["linear_cross_entropy", "linear_value_and_grad"]

Array = NDArray[Any]


@quotes_options
def linear_cross_entropy(
    hidden: ArrayLike,
    linear_weight: ArrayLike,
    targets: ArrayLike,
    /,
    *,
    linear_bias: ArrayLike | None = None,
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
    shift: int = 0,
    max_bytes: int | None = None,
) -> Answer:
    """The loss of the logits hidden · linear_weightᵀ + linear_bias, in nats, some rows of them at a time.

    The same as `cross_entropy` of those logits, in the memory of `max_bytes`. Rows that do not count take no part in
    the products, whatever they hold.

    Args:
        hidden: (..., D), the features of every row along `axis`; float16, bfloat16, float32 or float64, any layout.
            Halves are multiplied and added up in float32, their logits not rounded to halves. Read.
        linear_weight: (V, D), one row a class, hidden's dtype, any layout. Read.
        targets: class indices, an integer dtype, hidden's shape without the feature axis; or probability rows >= 0, a
            float dtype, hidden's shape with V in place of D. Read.
        linear_bias: (V,), hidden's dtype, or None; -inf leaves a class out. Read.
        <options>
            Here `axis` is that of hidden's features, and of the classes of probability rows. The matrix products take
            the threads that BLAS was given, one after the other with these.
        shift: the row at position i of a sequence has the target, and the sample_weight, of position i + shift: 1 for a
            causal language model, hidden (..., T, D) with its own tokens (..., T) as targets. The last `shift`
            positions of each sequence have no target: the batch is (..., T - shift). All targets are checked.
        max_bytes: how much memory may be taken beside arguments and results (BLAS keeps some of its own, from its first
            product on). None: 256 MiB, more only where that is too little for any cut. Less memory takes longer.

    Returns:
        A NumPy scalar (reduction "none": an array of the batch shape), float64 for float64 arguments, else float32;
        with `returns` a named tuple. The mean over nothing is 0, with an EmptyBatchWarning.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed; a `max_bytes` that is
            too small for these arrays.

    Error:
        That of `cross_entropy`, for the logits as BLAS gives them: with d = (D + 2)·u·max of |h|·|w| + |b| over the
        classes, u = 2⁻²⁴ (float64: 2⁻⁵³), a row's loss is off by at most 2·d more. tests/test_linear.

    Source:
        The logits never held: Wijmans et al. 2024, arXiv:2411.09009; rows a chunk at a time: Hsu et al. 2024,
        arXiv:2410.10989.

    Example:
        >>> import xent
        >>> rng = np.random.default_rng(0)
        >>> hidden, weight = rng.normal(size=(5, 8)), rng.normal(size=(1000, 8))
        >>> loss = linear_cross_entropy(hidden, weight, [3, 1, 4, 1, 5])
        >>> logits = hidden @ weight.T
        >>> bool(abs(loss - xent.cross_entropy(logits, [3, 1, 4, 1, 5])) < 1e-12)
        True
    """
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns,
                   threads)
    # fmt: on
    arrays = (hidden, linear_weight, targets, linear_bias, weight, sample_weight)
    return call(door.receive(*arrays, spec, denominator, shift, max_bytes))


@quotes_options
def linear_value_and_grad(
    hidden: ArrayLike,
    linear_weight: ArrayLike,
    targets: ArrayLike,
    /,
    *,
    linear_bias: ArrayLike | None = None,
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
    shift: int = 0,
    max_bytes: int | None = None,
    grad_scale: float = 1.0,
    out: tuple[Array, ...] | None = None,
) -> tuple[Answer, tuple[Array, ...]]:
    """The loss behind a linear layer, and its gradients by hidden, linear_weight and linear_bias.

    With G the gradient by the logits: d_hidden = G · linear_weight, d_weight = Gᵀ · hidden, d_bias = Σ of G's rows.

    Args:
        hidden: (..., D), the features of every row along `axis`; float16, bfloat16, float32 or float64, any layout.
            Halves are multiplied and added up in float32; each gradient is rounded to halves once. Read.
        linear_weight: (V, D), one row a class, hidden's dtype, any layout. Read.
        targets: class indices, an integer dtype, hidden's shape without the feature axis; or probability rows >= 0, a
            float dtype, hidden's shape with V in place of D. Read.
        linear_bias: (V,), hidden's dtype, or None; -inf leaves a class out. Read.
        <options>
            Here `axis` is that of hidden's features, and of the classes of probability rows. The matrix products take
            the threads that BLAS was given, one after the other with these.
        shift: the row at position i of a sequence has the target, and the sample_weight, of position i + shift: 1 for a
            causal language model, hidden (..., T, D) with its own tokens (..., T) as targets. The last `shift`
            positions of each sequence have no target: the batch is (..., T - shift), their d_hidden is 0. All targets
            are checked.
        max_bytes: how much memory may be taken beside arguments and results (BLAS keeps some of its own, from its first
            product on). None: 256 MiB, more only where that is too little for any cut. Less memory takes longer.
        grad_scale: a finite number that multiplies the gradients before they are rounded, not the loss.
        out: (d_hidden, d_weight), with a linear_bias (d_hidden, d_weight, d_bias): C-contiguous arrays of the shapes
            and dtypes of what they are the gradients of, that overlap no argument and not each other; or None: new
            ones. Written, after all arguments are checked.

    Returns:
        (loss, (d_hidden, d_weight)), or (loss, (d_hidden, d_weight, d_bias)) with a linear_bias. The loss is that of
        `linear_cross_entropy`; the gradients have the shapes and dtypes of their arguments (native byte order). With
        reduction "none" they are those of the sum of the losses.

    Raises:
        TargetError: a target that is no class and not ignored; a probability that is negative, NaN or infinite.
        ShapeError, KindError, OptionError: shapes, dtypes or types, values that are not allowed; a `max_bytes` that is
            too small for these arrays; an `out` that cannot be written.

    Error:
        G: that of `value_and_grad` for the logits as BLAS gives them, which are off by at most d (see
        `linear_cross_entropy`), hence G by (exp(2·d) - 1)·p more. Products add (V + 2)·u·|G|·|W| to d_hidden and
        (N + 2)·u·|G|ᵀ·|H| to d_weight; d_bias is added up in float64. tests/test_linear.

    Source:
        The logits never held: Wijmans et al. 2024, arXiv:2411.09009; rows a chunk at a time, their gradient in the
        logits' place: Hsu et al. 2024, arXiv:2410.10989.

    Example:
        >>> hidden, weight = np.eye(2), np.array([[0.0, 0.0], [0.0, np.log(3.0)]])
        >>> loss, (d_hidden, d_weight) = linear_value_and_grad(hidden, weight, [0, 1])
        >>> d_weight.round(4)
        array([[-0.25 ,  0.125],
               [ 0.25 , -0.125]])
    """
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns,
                   threads)
    # fmt: on
    arrays = (hidden, linear_weight, targets, linear_bias, weight, sample_weight)
    factor = float(check_number("grad_scale", grad_scale))
    problem = door.receive(*arrays, spec, denominator, shift, max_bytes)
    inputs = door.named(hidden, linear_weight, linear_bias)
    if out is None:
        gradients = tuple(np.empty(array.shape, array.dtype.newbyteorder("=")) for array in inputs.values())
    else:
        gradients = door.check_out(out, inputs, [targets, weight, sample_weight])
    return call(problem, factor, gradients), gradients
