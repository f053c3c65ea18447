"""CPU tensors to the package's kernels and back, without a copy of logits or gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xent import _call, _door
from xent._call import Run
from xent._door import NONE, Batch
from xent._kernels.cpu import launch
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED
from xent._plain import plain_mean
from xent.core.batch import Total
from xent.core.errors import TargetError, bad_option
from xent.core.spec import DENOMINATOR_CHOICES, PYTORCH_IGNORE, Spec, check_positive
from xent.torch import errors
from xent.torch.call import PYTORCH, Call

Array = NDArray[Any]
Share = Callable[[Total], Total]


class Done(NamedTuple):
    """A batch after the kernels."""

    loss: Tensor
    grad: Tensor | None  # for upstream 1
    run: Run | None  # None: it went the short way


def is_plain(call: Call) -> bool:
    """Whether a call may go the short way, which uses all threads."""
    spec = call.rule.spec
    return (
        call.weight is None and call.sample_weight is None and call.rule.divide_by == PYTORCH and not call.soft
        and spec.plain and spec.reduction == "mean" and not spec.returns
        and (call.logits.numel() < 2 * launch.SERIAL or torch.get_num_threads() >= launch.available())
    )  # fmt: skip


def forward(call: Call, *, gradient: bool, share: Share | None = None, factor: float = 1.0) -> Done | None:
    """Loss, and its gradient times factor where that is asked for; None where PyTorch's arithmetic is wanted.

    `share` turns the total of this batch into the total that is divided, after the kernels.
    """
    spec = call.rule.spec
    grad = torch.empty_like(call.logits) if gradient else None
    if share is None and factor == 1.0 and is_plain(call):
        found = plain_mean(
            as_numpy(call.logits),
            as_numpy(call.target),
            spec.ignore_index,
            spec.label_smoothing,
            None if grad is None else as_numpy(grad),
        )
        if found is not None:
            return Done(tensor_of(found), grad, None)
    return long_way(call, grad, share=share, factor=factor)


def long_way(call: Call, grad: Tensor | None = None, *, share: Share | None = None, factor: float = 1.0) -> Done | None:
    """The same for any call; the gradient into grad."""
    spec = call.rule.spec
    received = batch_of(call)
    if received is None:
        return None
    batch, bad = received
    divide_by = divisor_of(call)
    run = _call.run(batch, with_threads(spec), divide_by, None if grad is None else as_numpy(grad), factor)
    if run.divisor[0] == 0 and call.rule.divide_by == PYTORCH and batch.items:
        return None  # weights that sum to 0: the quotient is as PyTorch's
    total = run.total
    if bad.any():
        run.results.losses[bad] = np.nan
        run.results.extras[bad[: len(run.results.extras)]] = np.nan
        total += Total(nans=int(bad.sum()))
        if grad is not None:
            spoil(grad, bad)
    if share is not None:
        total = share(total)
    run = run._replace(total=total)
    with np.errstate(over="ignore"):  # the true value may lie beyond float32
        found = run.loss() if spec.reduction == "none" or run.divisor[0] else empty_mean(call, run)
    return Done(tensor_of(found), grad, run)


def backward(call: Call, upstream: Tensor) -> Tensor | None:
    """The gradient by the logits, from the logits again; None where PyTorch's arithmetic is wanted.

    float16: upstream multiplies before the one rounding (a mean's gradient may lie below float16's range). The other
    dtypes: after it, so that the bits are those of a gradient that was made in forward.
    """
    late = call.logits.dtype == torch.float16
    if call.rule.spec.reduction != "none" or not late:
        done = forward(call, gradient=True, factor=float(upstream) if late else 1.0)
        if done is None or done.grad is None:
            return None
        return done.grad if late else times(done.grad, upstream)
    received = batch_of(call)
    if received is None:
        return None
    batch, bad = received
    scale = as_numpy(upstream).reshape(-1).astype(np.float64)
    scale = scale * batch.sample_weight if batch.sample_weight.size else scale
    grad, spec = torch.empty_like(call.logits), with_threads(call.rule.spec)
    given = _call.rows_of(batch, spec, scale)
    launch.run_rows(batch.logits, given, as_numpy(grad), extras=False, thread_limit=spec.threads)
    spoil(grad, bad)
    return grad


def times(grad: Tensor, upstream: Tensor) -> Tensor:
    """The gradient, which nobody else has, times what comes from above: in place, and not at all for 1."""
    if upstream.ndim == 0 and grad.ndim:
        number = upstream.item()
        return grad if number == 1.0 else grad.mul_(number)
    return grad.mul_(upstream.unsqueeze(-1))


def spoil(grad: Tensor, bad: NDArray[np.bool_]) -> None:
    """NaN in the rows whose label is no class."""
    if bad.any():
        grad[torch.from_numpy(bad.reshape(grad.shape[:-1]))] = torch.nan


def batch_of(call: Call) -> tuple[Batch, NDArray[np.bool_]] | None:
    """The arrays of a call as the kernels take them, and which rows have a label that is no class.

    None where weights or probabilities are negative or not finite: there PyTorch computes, and so do plain formulas.
    """
    spec = call.rule.spec
    logits = as_numpy(call.logits)
    classes, shape = logits.shape[-1], logits.shape[:-1]
    rows = int(np.prod(shape, dtype=np.int64))
    class_weight, samples = doubles(call.weight), doubles(call.sample_weight)
    if not (np.isfinite(class_weight).all() and np.isfinite(samples).all()) or (class_weight < 0.0).any():
        return None
    bad = np.zeros(rows, np.bool_)
    q, mass, items, factor, row_weight = None, NONE, rows, NONE, NONE
    if call.soft:
        q = as_numpy(call.target)
        try:
            index, mass, factor, row_weight = _door.weigh_probabilities(q, rows, class_weight, spec)
            if spec.soft and ((index < 0).any() or (mass != 1.0).any()):
                class_weight = class_weight if class_weight.size else np.ones(classes)
                index, mass, factor, row_weight = _door.weigh_probabilities(q, rows, class_weight, spec)
                index[:], mass[:] = PROBABILITIES, 1.0  # smoothing adds a/V, whatever the row's sum
        except TargetError:
            return None
    else:
        index, bad = class_index(as_numpy(call.target), call)
        items = int(np.count_nonzero(index != SKIPPED))
        if class_weight.size:
            row_weight = np.where(index >= 0, class_weight[np.maximum(index, 0)], 0.0)
            if not spec.soft:  # else such a row has its part of the smoothing, as in PyTorch
                index, factor = np.where(row_weight == 0.0, SKIPPED, index), row_weight
    if samples.size:
        index = np.where(samples == 0.0, SKIPPED, index)
    dtype = logits.dtype
    batch = Batch(logits, shape, index, q, mass, factor, row_weight, class_weight, samples, items, dtype)
    _door.check_signs(batch, spec, divisor_of(call))
    return batch, bad


def divisor_of(call: Call) -> Any:  # noqa: ANN401  # a name, or a number
    """What a mean is divided by: one of the names of the package, or a number."""
    if call.divisor is not None:
        return check_positive("denominator", call.divisor.item(), DENOMINATOR_CHOICES)
    if call.rule.divide_by == PYTORCH:
        return "batch" if call.soft else "weights"
    return call.rule.divide_by


def class_index(target: Array, call: Call) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(N,) class of every row, SKIPPED where it is ignored or no class; and where it is no class."""
    flat, classes, ignore = target.reshape(-1), call.logits.shape[-1], call.rule.spec.ignore_index
    limits = np.iinfo(flat.dtype)
    ignored = np.zeros(flat.size, np.bool_)
    if ignore is not None and limits.min <= ignore <= limits.max:
        ignored = flat == flat.dtype.type(ignore)
    elif ignore not in (None, PYTORCH_IGNORE):
        allowed = f"None, -100 or a value of the target's dtype {call.target.dtype} in [{limits.min}, {limits.max}]"
        raise bad_option("ignore_index", ignore, allowed)
    bad = ((flat < 0) | (flat > min(classes - 1, limits.max))) & ~ignored
    if bad.any() and call.rule.strict:
        first = int(bad.argmax())
        where = tuple(map(int, np.unravel_index(first, target.shape)))
        raise errors.targets_out_of_range(
            int(np.count_nonzero(bad)), flat.size, where, int(flat[first]), classes, ignore
        )
    out = ignored | bad
    return np.where(out, SKIPPED, np.where(out, 0, flat).astype(np.int64)), bad


def empty_mean(call: Call, run: Run) -> Any:  # noqa: ANN401  # a NumPy scalar
    """The mean over nothing: NaN as in PyTorch, 0 where a denominator was given."""
    nothing = np.nan if call.rule.divide_by == PYTORCH or run.total.nans else 0.0
    return run.batch.loss_dtype.type(nothing)


def with_threads(spec: Spec) -> Spec:
    """The same options for a class axis that is the last, with PyTorch's number of threads."""
    return _call.spec_of(
        spec.ignore_index, spec.label_smoothing, spec.reduction, -1, spec.lse_square_scale, spec.softcap,
        spec.logit_scale, spec.returns, torch.get_num_threads(),
    )  # fmt: skip


def as_numpy(tensor: Tensor) -> Array:
    """The tensor's memory as an array; bfloat16 as ml_dtypes has it."""
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        bits: Array = tensor.detach().view(torch.int16).numpy()
        return bits.view(ml_dtypes.bfloat16)
    array: Array = tensor.detach().numpy()
    return array


def doubles(weights: Tensor | None) -> NDArray[np.float64]:
    """(N,) float64; no weights: none."""
    if weights is None:
        return NONE
    return np.ascontiguousarray(as_numpy(weights.double()).reshape(-1))


def tensor_of(found: Any) -> Tensor:  # noqa: ANN401  # a NumPy scalar or array
    """A tensor of a result."""
    return torch.from_numpy(np.asarray(found))
