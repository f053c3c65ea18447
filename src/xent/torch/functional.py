"""`cross_entropy`: PyTorch's arguments, in its order, and the package's options; and what it is made of.

Other ways to divide start from the same two functions:

    call = receive(input, target, ...)       checked tensors, class axis last
    loss = loss_of(call, share=, factor=)    in autograd; `share` merges exact totals before the one division
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import _reduction as legacy

from xent import _call
from xent.core import errors as core_errors
from xent.core.batch import Total
from xent.core.spec import Denominator, Spec
from xent.torch import autograd, errors
from xent.torch.call import Call, receive

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
    """The loss of a batch."""
    if size_average is not None or reduce is not None:
        reduction = legacy.legacy_get_string(size_average, reduce)
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale, returns)
    if group is not None:
        from xent.torch.over_ranks import over_ranks

        return over_ranks(input, target, weight, sample_weight, spec, denominator, group, grad_reduce)
    if grad_reduce != "mean":
        raise core_errors.bad_option("grad_reduce", grad_reduce, '"mean" without a group', "Or pass group=.")
    return loss_of(receive(input, target, weight, sample_weight, spec, denominator))


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


def loss_of(call: Call, *, share: Callable[[Total], Total] | None = None, factor: float = 1.0) -> Tensor:
    """The loss of a checked call, in autograd.

    Args:
        call: what `receive` gave. Its denominator, where given as a number, divides.
        share: turns this batch's exact Total into the one that is divided (over ranks: the sum of all ranks' totals);
            called once, after the kernels, before the division.
        factor: multiplies the gradient, not the loss.
    """
    return autograd.apply(call, share=share, factor=factor)
