"""Which arithmetic a call gets: the package's kernels on the CPU, plain formulas elsewhere; no derivative is recorded.

The formulas go over the first axis in pieces, so that what they need beyond their result is bounded.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from xent.core.batch import Total
from xent.torch import errors, kernels, plain
from xent.torch.call import PYTORCH, Call
from xent.torch.kernels import Share

KERNEL_DEVICES = {"cpu"}
PIECE = 2**22  # logits


def loss(call: Call, *, gradient: bool = False, share: Share | None = None) -> tuple[Tensor, Tensor | None]:
    """The loss, and with it its gradient for upstream 1 where that can be had at once."""
    if call.logits.shape[-1] == 0:
        return without_classes(call), None
    if call.logits.device.type in KERNEL_DEVICES:
        early = gradient and call.logits.dtype != torch.float16  # float16: multiplied before it is rounded
        done = kernels.forward(call, gradient=early, share=share)
        if done is not None:
            return done.loss, done.grad
    rows = torch.cat([plain.losses(part).reshape(-1) for part in pieces(call)]).reshape(call.logits.shape[:-1])
    return reduced(call, rows, share), None


def reduced(call: Call, rows: Tensor, share: Share | None = None) -> Tensor:
    """Losses of rows as `reduction` asks for them."""
    if call.rule.spec.reduction == "none":
        return rows
    divisor = plain.denominator(call)
    if share is not None:  # exact sums travel; one look at the losses from the host
        total = share(sum(map(Total.of_row, rows.reshape(-1).tolist()), Total.zero()))
        number = 1.0 if divisor is None else float(divisor)
        return rows.new_full((), total.over(*number.as_integer_ratio()))
    wide = torch.float32 if rows.device.type == "mps" else torch.float64
    total = rows.sum(dtype=wide)
    return (total if divisor is None else total / divisor).to(rows.dtype)


def gradient(call: Call, upstream: Tensor) -> Tensor:
    """The gradient by the logits, times what comes from above; nobody else has it."""
    if call.logits.shape[-1] == 0:
        return torch.zeros_like(call.logits)
    if call.logits.device.type in KERNEL_DEVICES:
        found = kernels.backward(call, upstream)
        if found is not None:
            return found
    grad = torch.empty_like(call.logits)
    if call.logits.ndim == 1:
        return grad.copy_(plain.gradient(call, upstream))
    begin = 0
    for part in pieces(call):
        end = begin + part.logits.shape[0]
        above = upstream[begin:end] if call.rule.spec.reduction == "none" else upstream
        grad[begin:end] = plain.gradient(part, above)
        begin = end
    return grad


def pieces(call: Call) -> Iterator[Call]:
    """The call in pieces along the first axis, each divided by the whole's denominator."""
    size = call.logits.shape[0] if call.logits.ndim > 1 else 0
    step = max(1, size * PIECE // max(1, call.logits.numel()))
    if size <= step:
        yield call
        return
    whole = plain.denominator(call)
    for begin in range(0, size, step):
        part = slice(begin, begin + step)
        samples = None if call.sample_weight is None else call.sample_weight[part]
        yield call._replace(logits=call.logits[part], target=call.target[part], sample_weight=samples, divisor=whole)


def without_classes(call: Call) -> Tensor:
    """Logits of no class: nothing to add up. IndexError where a target would need one."""
    if not call.soft and call.rule.strict and bool((call.target != call.rule.spec.ignore_index).any()):
        raise errors.no_classes(tuple(call.logits.shape))
    rows = call.logits.sum(-1).to(plain.work_dtype(call))
    spec = call.rule.spec
    if spec.reduction == "none":
        return rows
    by_name = call.rule.divide_by == PYTORCH and spec.reduction == "mean"
    return rows.sum() + (torch.nan if by_name else 0.0)


def times(grad: Tensor, upstream: Tensor) -> Tensor:
    """A gradient that nobody else has, times what comes from above."""
    return kernels.times(grad, upstream)
