"""`cross_entropy`: PyTorch's arguments, in its order, and the package's options; and what it is made of.

Other ways to divide start from the same two functions:

    call = receive(input, target, ...)       checked tensors, class axis last
    loss = loss_of(call, share=, factor=)    in autograd; `share` merges exact totals before the one division
"""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad as forward_mode
from torch.nn import _reduction as legacy

from xent import _call
from xent.core import errors as core_errors
from xent.core.batch import Total
from xent.core.spec import Denominator, Spec
from xent.torch import autograd, errors, fields, ops, plain
from xent.torch.call import PYTORCH, Call, receive

__all__ = ["cross_entropy", "loss_of", "receive", "spec_of"]


def cross_entropy(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,  # noqa: FBT001  # PyTorch's
    ignore_index: int | None = -100,
    reduce: bool | None = None,  # noqa: FBT001  # PyTorch's
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    denominator: Denominator | float | Tensor | None = None,
    sample_weight: Tensor | None = None,
    axis: int = 1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    group: object = None,
    grad_reduce: str = "mean",
) -> Any:  # noqa: ANN401  # a tensor, or a named tuple that begins with one
    """The loss of a batch, as `torch.nn.functional.cross_entropy`: same arguments, order, defaults and results.

    For a row x and class t the loss is log(sum of exp(x_j)) - x_t, in nats; for a probability row q, the sum of q_t
    times that. On the CPU the package's kernels compute it, on the tensors' own memory; elsewhere, plain operations of
    PyTorch that keep the input for backward and nothing else of its size.

    Args:
        input: (C,), (N, C) or (N, C, d1, ...): logits, the class axis the second one (`axis`); float16, bfloat16,
            float32 or float64, any strides. Read.
        target: class indices, any integer dtype, the input's shape without the class axis; or probabilities, a float
            dtype, the input's shape: any numbers, as in PyTorch. Read. Differentiable where they are probabilities.
        weight: (C,) class weights, any numbers, or None. Read. Differentiable.
        size_average: deprecated in PyTorch, whose warning it gives.
        reduce: the same.
        ignore_index: the class index that marks a row to be left out; None leaves none out. A row that is left out is
            never read: a NaN there stays there.
        reduction: "mean" | "sum" | "none".
        label_smoothing: a in [0, 1]: the target becomes (1 - a)·q + a/C.
        denominator: what "mean" divides by. None: as PyTorch: the sum of the weights of the rows that count for class
            indices, the number of rows for probabilities; NaN where that is 0. "weights": the sum of the weights for
            either. "items": rows that are not ignored. "batch": all rows. A number > 0, or a tensor of one: just that,
            so that micro-batches and ranks add up. A denominator that is given never makes NaN of nothing: 0.
        sample_weight: the batch shape, or None. Row weights. Read. Differentiable. Negative ones need a number as
            denominator, or reduction "sum" or "none".
        axis: the class axis of the input.
        lse_square_scale: z-loss: adds scale·lse² to every row that counts, times its sample_weight.
        softcap: c > 0 or None: the logits become c·tanh(x/c). After logit_scale.
        logit_scale: s > 0: the logits become s·x.
        returns: names of further results, out of "lse", "entropy", "log_prob", "z_loss", "accuracy", "predicted",
            "sum", "denominator"; the loss is then a named tuple whose first field is `loss`. Those of rows have the
            batch shape. lse, entropy and log_prob are differentiable.
        group: the ProcessGroup, or DeviceMesh of one dimension, over whose ranks the loss is taken: every rank gets the
            loss of all rows; two small collectives. None: the rows of this process alone.
        grad_reduce: how gradients are combined over the group: "mean" (DDP, FSDP) or "sum".

    Returns:
        A tensor, float64 for a float64 input, else float32 (also for half precision: PyTorch rounds to the input's
        dtype); with `returns` a named tuple.

    Raises:
        IndexError (xent.TargetError): a target that is no class and not ignored. In compiled code, and on devices
            where raising would need a synchronisation: NaN in that row's loss and gradient.
        ValueError (xent.OptionError, xent.ShapeError), RuntimeError, NotImplementedError, TypeError (xent.KindError):
            where PyTorch raises them; and ValueError for a negative label_smoothing.

    Error:
        On the CPU, class indices: the loss 2 ULP of float32, or 3 of float64; the gradient float32 2 ULP at the target
        and 4 elsewhere, float16 and bfloat16 1, float64 3; one more rounding where the gradient that comes from above
        is not 1 (float16: none). tests/accuracy, tests/test_torch.

    Source:
        Blanchard, Higham & Higham 2021, doi:10.1093/imanum/draa038.

    Example:
        >>> logits = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], requires_grad=True)
        >>> loss = cross_entropy(logits, torch.tensor([2, 0]))
        >>> loss.backward()
        >>> loss.detach(), logits.grad[0]
        (tensor(0.4076), tensor([ 0.0450,  0.1224, -0.1674]))
    """
    if size_average is not None or reduce is not None:
        reduction = legacy.legacy_get_string(size_average, reduce)
    if group is not None:
        from xent.torch.over_ranks import over_ranks

        spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns)
        return over_ranks(input, target, weight, sample_weight, spec, denominator, group, grad_reduce)
    if grad_reduce != "mean":
        raise core_errors.bad_option("grad_reduce", grad_reduce, '"mean" without a group', "Or pass group=.")
    if torch.compiler.is_compiling() or is_traced(input):
        numbers = (ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale)
        return compiled(input, target, weight, sample_weight, denominator, numbers, returns)
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns)
    call = receive(input, target, weight, sample_weight, spec, denominator)
    return answer(loss_of(call), call) if returns else loss_of(call)


def spec_of(
    ignore_index: int | None,
    label_smoothing: float,
    reduction: str,
    axis: int = 1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
) -> Spec:
    """The checked options."""
    if type(label_smoothing) in {int, float} and label_smoothing > 1.0:
        raise errors.smoothing(label_smoothing)
    return _call.spec_of(
        ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns
    )


def is_traced(input: Tensor) -> bool:  # noqa: A002  # PyTorch's name
    """Whether operations are recorded, or computed on tensors without numbers."""
    return torch._C._len_torch_dispatch_stack() > 0 or type(input).__torch_dispatch__ is not Tensor.__torch_dispatch__  # noqa: SLF001  # there is no public way to ask


def compiled(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    denominator: Denominator | float | Tensor | None,
    numbers: tuple[Any, ...],
    returns: tuple[str, ...],
) -> Any:  # noqa: ANN401  # as cross_entropy
    """The same as operations: the options are checked where their shapes are worked out."""
    learned = any(each is not None and each.requires_grad for each in (weight, sample_weight))
    learned |= isinstance(denominator, Tensor) and denominator.requires_grad
    learned |= denominator == "weights" and target.is_floating_point() and target.requires_grad
    if learned or forward_mode._current_level >= 0 or torch._C._are_functorch_transforms_active():  # noqa: SLF001  # no public way
        spec = Spec(*numbers, returns=returns)  # type: ignore[misc]  # it checks what came
        return transformed(receive(input, target, weight, sample_weight, spec, denominator, strict=False))
    divide_by, number, divisor = PYTORCH, 1.0, None
    if isinstance(denominator, Tensor):
        divisor = denominator
    elif isinstance(denominator, str):
        divide_by = denominator
    elif denominator is not None:
        divisor = torch.full((), denominator, dtype=torch.float64)  # a number would make a program of its own
    args = (input, target, weight, sample_weight, divisor, divide_by, number, *numbers)
    loss = ops.loss(*args)
    if not returns:
        return loss
    found = fields.Found(*ops.further(*args))
    return named(returns)(loss, *[getattr(found, name) for name in returns])


def transformed(call: Call) -> Any:  # noqa: ANN401  # as cross_entropy
    """Plain operations, for which every transformation of torch.func has its rules, also where it is recorded."""
    loss, names = plain.loss(call), call.rule.spec.returns
    if not names:
        return loss
    found = fields.by_formulas(call)
    return named(names)(loss, *[getattr(found, name) for name in names])


def named(names: tuple[str, ...]) -> Any:  # noqa: ANN401  # a type
    """The named tuple for a set of `returns`."""
    if torch.compiler.is_compiling():  # which knows namedtuple, and no cache
        return namedtuple("Result", ("loss", *names))  # noqa: PYI024  # the fields depend on the call
    return _call._named("loss", names)  # noqa: SLF001  # the package's


def answer(loss: Tensor, call: Call) -> Any:  # noqa: ANN401  # a named tuple
    """The loss and what else `returns` asks for."""
    names = call.rule.spec.returns
    found = fields.Found(*fields.Fields.apply(*call))
    return named(names)(loss, *(getattr(found, name) for name in names))


def loss_of(call: Call, *, share: Callable[[Total], Total] | None = None, factor: float = 1.0) -> Tensor:
    """The loss of a checked call, in autograd.

    Args:
        call: what `receive` gave. Its denominator, where given as a number, divides.
        share: turns this batch's exact Total into the one that is divided (over ranks: the sum of all ranks' totals);
            called once, after the kernels, before the division.
        factor: multiplies the gradient, not the loss.
    """
    return autograd.apply(call, share=share, factor=factor)
